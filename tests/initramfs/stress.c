/*
 * stress: works a kernel and its CPUs in ways that a hypervisor could disturb: processes, page tables, floating point
 * across context switches, timers, interprocessor interrupts, large copies. Every line is the same on every machine.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, MIB = 1 << 20 };

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15;
    return hash ^ hash >> 29;
}

static void show(const char *name, uint64_t hash)
{
    printf("= stress %s: %016llx\n", name, (unsigned long long)hash);
    fflush(stdout);
}

/* Each child has its own value to return; each second one forks again. */
static uint64_t processes(void)
{
    uint64_t sum = 0;
    int status;

    for (int i = 0; i < 200; i++) {
        pid_t child = fork();

        if (child == 0) {
            if (i % 2 && fork() == 0)
                _exit(0);
            if (i % 2)
                wait(&status);
            _exit(i & 127);
        }
        waitpid(child, &status, 0);
        sum = mix(sum, (uint64_t)WEXITSTATUS(status));
    }
    return sum;
}

static uint64_t sum_pages(const uint64_t *memory, size_t pages)
{
    uint64_t hash = 0;

    for (size_t i = 0; i < pages; i++)
        hash = mix(hash, memory[i * PAGE / sizeof(*memory)]);
    return hash;
}

/* Mapped, touched, copied on write, protected and unprotected, unmapped in parts. */
static uint64_t page_tables(void)
{
    enum { PAGES = 4096 };
    uint64_t hash = 0;

    for (int round = 0; round < 3; round++) {
        uint64_t *memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        int status;

        for (size_t i = 0; i < PAGES; i++)
            memory[i * PAGE / sizeof(*memory)] = i * 7 + (unsigned)round;
        if (fork() == 0) {
            memset(memory, 0x5a, PAGES / 4 * PAGE);
            _exit(0);
        }
        wait(&status);
        for (size_t i = 0; i < PAGES; i += 3)
            mprotect((char *)memory + i * PAGE, PAGE, PROT_READ);
        hash = mix(hash, sum_pages(memory, PAGES));
        for (size_t i = 0; i < PAGES; i += 2)
            munmap((char *)memory + i * PAGE, PAGE);
        munmap(memory, PAGES * PAGE);
    }
    return hash;
}

static uint64_t double_bits(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static void *logistic(void *argument)
{
    double x = 0.1 + 0.01 * (double)(uintptr_t)argument, y = x;

    for (int i = 0; i < 1000000; i++) {
        x = 3.9 * x * (1 - x);
        y += x / (1 + y);
        if (i % 50000 == 0)
            sched_yield();
    }
    return (void *)(uintptr_t)(double_bits(x) ^ double_bits(y));
}

enum { THREADS = 8 };

/* More threads than CPUs, so that the registers change hands. */
static uint64_t floating_point(void)
{
    pthread_t threads[THREADS];
    uint64_t hash = 0;
    void *result;

    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, logistic, (void *)i);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &result);
        hash = mix(hash, (uintptr_t)result);
    }
    return hash;
}

static volatile sig_atomic_t alarms;

static void on_alarm(int number)
{
    (void)number;
    alarms++;
}

/* Interval timer and sleeps; that they come, and none too early. */
static uint64_t timers(void)
{
    struct itimerval every = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
    struct timespec before, after, nap = {0, 1000000};
    int early = 0;

    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &every, NULL);
    while (alarms < 100)
        pause();
    setitimer(ITIMER_REAL, &never, NULL);
    for (int i = 0; i < 50; i++) {
        clock_gettime(CLOCK_MONOTONIC, &before);
        nanosleep(&nap, NULL);
        clock_gettime(CLOCK_MONOTONIC, &after);
        early += (after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec < nap.tv_nsec;
    }
    return mix(0, (uint64_t)early);
}

static volatile uint64_t *shared;
static volatile int stop;

static void *reader(void *argument)
{
    uint64_t seen = 0;

    while (!stop)
        seen |= shared[0] ^ shared[PAGE / sizeof(*shared)];
    (void)argument;
    return (void *)(uintptr_t)seen;
}

static void move_to(int cpu)
{
    cpu_set_t only;

    CPU_ZERO(&only);
    CPU_SET(cpu, &only);
    sched_setaffinity(0, sizeof(only), &only);
}

/* Rights withdrawn while the other CPUs read the pages, and a thread moved about: both need interprocessor interrupts.
 */
static uint64_t interrupts(void)
{
    int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN), wrong = 0;
    pthread_t threads[THREADS];
    uint64_t seen = 0;
    cpu_set_t all;
    void *result;

    sched_getaffinity(0, sizeof(all), &all);
    shared = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    shared[0] = shared[PAGE / sizeof(*shared)] = 0;
    for (int i = 0; i < cpus && i < THREADS; i++)
        pthread_create(&threads[i], NULL, reader, NULL);
    for (int i = 0; i < 400; i++)
        mprotect((void *)shared, PAGE, i % 2 ? PROT_READ | PROT_WRITE : PROT_READ);
    stop = 1;
    for (int i = 0; i < cpus && i < THREADS; i++) {
        pthread_join(threads[i], &result);
        seen |= (uintptr_t)result;
    }
    for (int i = 0; i < 400; i++) {
        move_to(i % cpus);
        wrong += sched_getcpu() != i % cpus;
    }
    sched_setaffinity(0, sizeof(all), &all);
    return mix(seen, (uint64_t)wrong);
}

static uint64_t copies(void)
{
    enum { SIZE = 24 * MIB };
    uint64_t *from = malloc(SIZE), *to = malloc(SIZE), hash = 0;

    for (size_t i = 0; i < SIZE / sizeof(*from); i++)
        from[i] = i * 0x2545f4914f6cdd1d;
    for (int round = 0; round < 4; round++) {
        memcpy(to, from, SIZE);
        memmove(from + 1, to, SIZE - sizeof(*from));
        hash = mix(hash, sum_pages(from, SIZE / PAGE));
    }
    free(from);
    free(to);
    return hash;
}

int main(void)
{
    show("processes", processes());
    show("page tables", page_tables());
    show("floating point", floating_point());
    show("timers", timers());
    show("interrupts", interrupts());
    show("copies", copies());
    return 0;
}
