/* arch/x86/serial.c under ThreadSanitizer: CPUs of the guest's at its UART, others with lines of the log, one with the
 * monitor. The real UART is a fake: whoever uses it must have the lock. */
#include "tests/host/support.h"

#include <pthread.h>
#include <sched.h>

#include "arch/x86/clock.h"
#include "arch/x86/instr.h"
#include "arch/x86/serial.h"
#include "tests/host/terminal_model.h"

enum { PORT = 0x3f8, LINES = 2000, LOGS = 2000, LINE_BYTES = 1 << 22, CHANGES = 500 };

/* ---- the real UART ---- */

static char line[LINE_BYTES];
static size_t line_length;
static uint64_t seed = 1;
static const char *typed = ""; /* what comes in next */
static bool is_full, has_come;

uint8_t inb(uint16_t port)
{
    static uint8_t scratch;

    switch (port - PORT) {
    case UART_LINE_STATUS:
        is_full = is_full && random_below(&seed, 4);
        has_come = has_come || (*typed && random_below(&seed, 500) == 0);
        return (is_full ? 0 : LSR_THRE | LSR_TEMT) | (has_come ? LSR_DATA_READY : 0);
    case UART_DATA:
        has_come = false;
        return (uint8_t)*typed++;
    case UART_INTERRUPT_IDENT:
        return IIR_FIFOS | IIR_NONE;
    case UART_SCRATCH:
        return scratch = scratch == 0x5a ? 0xa5 : 0x5a;
    }
    return 0;
}

static bool taken_off;

void outb(uint16_t port, uint8_t value)
{
    if (port != PORT || taken_off)
        return;
    assert_true(line_length < LINE_BYTES - 1);
    line[line_length++] = (char)value;
    is_full = true;
}

void cpu_pause(void)
{
    sched_yield();
}

uint64_t rdtsc(void)
{
    return 0; /* no ticks: nobody falls silent */
}

uint64_t clock_tsc_khz(void)
{
    return 1000000;
}

/* ---- the CPUs ---- */

static pthread_mutex_t guests_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned guest_number;
static bool guest_done;

static void guest_puts(const char *text)
{
    for (; *text; text++) {
        while (!(serial_guest_read(UART_LINE_STATUS) & LSR_THRE))
            ;
        serial_guest_write(UART_DATA, (uint8_t)*text);
    }
}

/* A lock of the guest's own keeps its lines whole, as in any kernel. */
static void *guest_cpu(void *unused)
{
    char text[TERMINAL_TEXT];

    for (unsigned i = 0; i < LINES; i++) {
        pthread_mutex_lock(&guests_lock);
        terminal_guest_line(guest_number++, text);
        guest_puts(text);
        guest_puts("\r\n");
        pthread_mutex_unlock(&guests_lock);
    }
    return unused;
}

static void *log_cpu_lines(void *unused)
{
    char text[TERMINAL_TEXT];

    for (unsigned i = 0; i < LOGS; i++) {
        snprintf(text, sizeof(text), "LOG %u\n", i);
        serial_write(text, strlen(text));
        sched_yield();
    }
    return unused;
}

static void *monitor_cpu(void *unused)
{
    uint8_t byte;

    serial_set_row("> ", "");
    while (!__atomic_load_n(&guest_done, __ATOMIC_ACQUIRE)) {
        serial_has_listener();
        while (serial_read(&byte) != MUX_NOTHING)
            serial_set_row("> x", "");
        sched_yield();
    }
    return unused;
}

static char keys[CHANGES * 3 + 1];

static void run_all(void)
{
    pthread_t cpus[2], logger, monitor;

    for (unsigned i = 0; i < CHANGES; i++)
        memcpy(keys + 3 * i,
               "\x01"
               "cx",
               3);
    typed = keys;
    assert_int_equal(pthread_create(&monitor, NULL, monitor_cpu, NULL), 0);
    assert_int_equal(pthread_create(&logger, NULL, log_cpu_lines, NULL), 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&cpus[i], NULL, guest_cpu, NULL), 0);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(cpus[i], NULL);
    pthread_join(logger, NULL);
    __atomic_store_n(&guest_done, true, __ATOMIC_RELEASE);
    pthread_join(monitor, NULL);
}

static void lines_of_all_come_once(void **state)
{
    struct terminal t = {0};

    (void)state;
    taken_off = true; /* while it is set up */
    serial_init((struct console_words){.port = PORT, .owner = CONSOLE_SHARED});
    taken_off = false;
    serial_guest_starts();
    serial_guest_write(UART_INTERRUPT_IDENT, FCR_ENABLE);
    run_all();
    while (!(serial_guest_read(UART_LINE_STATUS) & LSR_TEMT)) /* its last byte may still wait for room */
        ;
    serial_flush();
    line[line_length] = '\0';
    terminal_shows(&t, line);
    assert_int_equal(t.guest_lines, 2 * LINES);
    assert_int_equal(t.logs, LOGS);
    assert_int_equal(t.doubled, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lines_of_all_come_once)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
