/* lib/log.c under ThreadSanitizer: lines of several CPUs at once stay whole, and none is lost. */
#include "tests/host/support.h"

#include <pthread.h>

#include "lib/log.h"

enum { THREADS = 4, LINES = 8000 };

static pthread_barrier_t start;

static void *write_lines(void *argument)
{
    unsigned cpu = (unsigned)(uintptr_t)argument;

    pthread_barrier_wait(&start); /* or the first has finished before the last one starts */
    for (unsigned i = 0; i < LINES; i++)
        log_cpu(LOG_INFO, cpu, "line %u of a CPU", i);
    return NULL;
}

static void lines_stay_whole(void **state)
{
    pthread_t threads[THREADS];
    unsigned next[THREADS] = {0};
    const char *line;
    char want[64];

    (void)state;
    pthread_barrier_init(&start, NULL, THREADS);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, (void *)i), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (line = console_text(); *line; line = strchr(line, '\n') + 1) {
        unsigned cpu = (unsigned)(line[4] - '0');

        assert_true(cpu < THREADS);
        snprintf(want, sizeof(want), "CPU %u: line %u of a CPU\n", cpu, next[cpu]++);
        assert_int_equal(strncmp(line, want, strlen(want)), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(next[i], LINES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lines_stay_whole)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
