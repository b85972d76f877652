/* arch/x86/serial_mux.c: what comes out of the line, and who gets what is typed. */
#include "tests/host/support.h"

#include "arch/x86/serial_mux.h"
#include "tests/host/terminal_model.h"

enum { LINE_MAX = 1 << 20 };

static struct serial_mux m;
static char line[LINE_MAX];
static size_t line_length;
static unsigned room; /* bytes that the real UART takes without waiting */

void mux_emit(char byte)
{
    assert_true(line_length < LINE_MAX - 1);
    line[line_length++] = byte;
    line[line_length] = '\0';
    if (room)
        room--;
}

bool mux_can_emit(void)
{
    return room;
}

static int setup(void **state)
{
    (void)state;
    memset(&m, 0, sizeof(m));
    uart16550_init(&m.guest, 0);
    uart16550_write(&m.guest, UART_INTERRUPT_IDENT, FCR_ENABLE);
    m.rows.guest_runs = true;
    line_length = 0;
    line[0] = '\0';
    room = LINE_MAX;
    return 0;
}

static void guest(const char *text)
{
    for (; *text; text++) {
        uart16550_write(&m.guest, UART_DATA, (uint8_t)*text);
        mux_pump(&m);
    }
}

static void type(const char *text)
{
    for (; *text; text++)
        mux_input(&m, (uint8_t)*text, 0);
    mux_pump(&m);
}

static void guest_gets(const char *text)
{
    for (; *text; text++) {
        mux_pump(&m);
        assert_true(uart16550_read(&m.guest, UART_LINE_STATUS) & LSR_DATA_READY);
        assert_int_equal(uart16550_read(&m.guest, UART_DATA), (uint8_t)*text);
    }
    mux_pump(&m);
    assert_false(uart16550_read(&m.guest, UART_LINE_STATUS) & LSR_DATA_READY);
}

static void monitor_gets(const char *text)
{
    uint8_t byte;

    for (; *text; text++) {
        assert_int_equal(mux_take(&m, &byte), MUX_BYTE);
        assert_int_equal(byte, (uint8_t)*text);
    }
    assert_int_equal(mux_take(&m, &byte), MUX_NOTHING);
}

static void shown(const char *text)
{
    assert_string_equal(line, text);
    line_length = 0;
    line[0] = '\0';
}

static void log_text(const char *text)
{
    rows_log(&m.rows, text, strlen(text));
}

static void lines_are_not_mixed(void **state)
{
    (void)state;
    log_text("first\n");
    shown("plinth: first\r\n");
    guest("half of");
    log_text("second\n");
    log_text("third\n");
    shown("half of");
    guest(" a line\r\nnext");
    shown(" a line\r\nplinth: second\r\nplinth: third\r\nnext");
}

static void tick(void)
{
    rows_tick(&m.rows);
}

/* Its line comes once more when it goes on, or when it goes on being silent. */
static void a_silent_guest_is_not_waited_for(void **state)
{
    (void)state;
    guest("login: \x1b[6n\x1b[1;31mred\x1b[K");
    log_text("something\n");
    shown("login: \x1b[6n\x1b[1;31mred\x1b[K");
    tick();
    shown("");
    tick();
    shown("\r\nplinth: something\r\n");
    tick();
    shown("login: \x1b[1;31mred");
    guest("\r\nold\rnew");
    log_text("more\n");
    rows_flush(&m.rows);
    shown("\r\nold\rnew\r\nplinth: more\r\n");
    guest("er");
    shown("newer");
}

static void a_line_that_lacks_only_its_end_comes_once(void **state)
{
    (void)state;
    guest("whole");
    log_text("something\n");
    rows_flush(&m.rows);
    log_text("more\n");
    shown("whole\r\nplinth: something\r\nplinth: more\r\n");
    guest("\r\nnext\r\nwhole\r");
    shown("next\r\nwhole\r");
    type("\x01"
         "c");
    rows_set_monitor(&m.rows, "> ", 2, "\r> ");
    shown("\r\n\r> ");
    guest("\nanother\r\n");
    shown("\r\x1b[Kanother\r\n> ");
}

static void a_guest_without_a_line_feed_is_not_waited_for(void **state)
{
    char row[ROWS_GUEST + 1] = {0};

    (void)state;
    memset(row, 'x', ROWS_GUEST);
    guest(row);
    shown(row);
    for (unsigned i = 0; i < ROWS_TICKS_MAX; i++) {
        guest("y");
        shown("y");
        if (!i)
            log_text("something\n");
        tick();
    }
    shown("\r\nplinth: something\r\n");
    guest("end\r\n"); /* its beginning was too long to be kept */
    shown("end\r\n");
}

static void a_report_waits_for_nobody(void **state)
{
    (void)state;
    guest("half");
    log_text("before\n");
    rows_guest_has_ended(&m.rows);
    log_text("report\n");
    shown("half\r\nplinth: before\r\nplinth: report\r\n");
}

static void too_much_to_wait_with(void **state)
{
    char text[1001];

    (void)state;
    memset(text, 'x', 999);
    text[999] = '\n';
    text[1000] = '\0';
    guest("begun");
    for (unsigned i = 0; i < 10; i++)
        log_text(text);
    rows_flush(&m.rows);
    assert_int_equal(line_length, 5 + 2 + 10 * (8 + 1001));
}

static void keys_change_over(void **state)
{
    (void)state;
    rows_set_monitor(&m.rows, "> ", 2, "\r> ");
    shown("");
    type("abc\x01\x01"
         "d");
    guest_gets("abc\x01"
               "d");
    type("\x01z\x01\xff");
    guest_gets("");
    shown("plinth: error: Ctrl-A and byte 7a: no such key; Ctrl-A h lists them\r\n"
          "plinth: error: Ctrl-A and byte ff: no such key; Ctrl-A h lists them\r\n");
    guest("prompt$ ");
    shown("prompt$ ");
    type("\x01"
         "cinfo");
    shown("");
    tick();
    tick();
    shown("\r\n> ");
    monitor_gets("info");
    guest_gets("");
    type("\x01\r");
    monitor_gets("");
    shown("\r\x1b[Kerror: Ctrl-A and byte 0d: no such key; Ctrl-A h lists them\r\n> ");
    guest("and a line\r\nbegun");
    shown("\r\x1b[Kprompt$ and a line\r\n> ");
    log_text("log\n");
    shown("\r\x1b[Kplinth: log\r\n> ");
    rows_set_monitor(&m.rows, "", 0, "\r\n");
    mux_talk(&m, "an answer\n");
    rows_set_monitor(&m.rows, "> ", 2, "> ");
    shown("\r\nan answer\r\n> ");
    type("\x01"
         "c");
    shown("\r\x1b[K");
    guest("!");
    shown("begun!");
    type("x");
    guest_gets("x");
}

static void breaks_and_errors_go_to_who_is_asked(void **state)
{
    uint8_t byte;

    (void)state;
    type("\x01"
         "b");
    assert_true(uart16550_read(&m.guest, UART_LINE_STATUS) & LSR_BREAK);
    assert_int_equal(uart16550_read(&m.guest, UART_DATA), 0);
    type("\x01"
         "c");
    mux_input(&m, 0, LSR_BREAK);
    mux_input(&m, 'x', LSR_FRAMING);
    mux_input(&m, 'y', LSR_OVERRUN);
    assert_int_equal(mux_take(&m, &byte), MUX_BREAK);
    assert_int_equal(mux_take(&m, &byte), MUX_GARBLED);
    assert_int_equal(mux_take(&m, &byte), MUX_GARBLED);
    assert_int_equal(mux_take(&m, &byte), MUX_NOTHING);
}

static void a_guest_that_does_not_read_loses_the_last(void **state)
{
    char text[MUX_QUEUE + UART16550_FIFO + 1] = {0};

    (void)state;
    memset(text, 'k', sizeof(text) - 1);
    type(text);
    assert_false(uart16550_read(&m.guest, UART_LINE_STATUS) & LSR_OVERRUN);
    mux_pump(&m);
    for (unsigned i = 0; i < UART16550_FIFO + 1; i++)
        mux_input(&m, 'l', 0);
    assert_true(uart16550_read(&m.guest, UART_LINE_STATUS) & LSR_OVERRUN);
    type("\x01"
         "c!"); /* the way to the monitor is open all the same */
    monitor_gets("!");
}

static void a_monitor_that_does_not_read_is_told(void **state)
{
    unsigned count = 0;
    uint8_t byte;

    (void)state;
    type("\x01"
         "c");
    for (unsigned i = 0; i < MUX_QUEUE + 3; i++)
        mux_input(&m, 'k', 0);
    while (mux_take(&m, &byte) == MUX_BYTE)
        count++;
    assert_int_equal(count, MUX_QUEUE - 1); /* and then MUX_GARBLED */
    type("more");
    monitor_gets("more");
}

/* ---- random runs ---- */

enum { STEPS = 60000 };

/* The monitor: it shows its prompt and what is typed, and answers a return. */
static void run_monitor(unsigned *answers)
{
    char text[TERMINAL_TEXT];
    uint8_t byte;

    while (mux_take(&m, &byte) == MUX_BYTE) {
        if (byte == '\r') {
            rows_set_monitor(&m.rows, "", 0, "\r\n");
            snprintf(text, sizeof(text), "ANSWER %u\n", (*answers)++);
            mux_talk(&m, text);
            rows_set_monitor(&m.rows, "> ", 2, "> ");
        } else {
            rows_set_monitor(&m.rows, "> x", 3, m.rows.monitor_length == 2 ? "x" : "");
        }
    }
}

/* The guest's next byte, if its UART has room for it. */
static void guest_goes_on(unsigned *number, unsigned *at)
{
    char text[TERMINAL_TEXT];

    if (m.guest.sent_count == UART16550_FIFO)
        return;
    terminal_guest_line(*number, text);
    strcat(text, *number % 3 ? "\r\n" : "\r\r\n");
    uart16550_write(&m.guest, UART_DATA, (uint8_t)text[(*at)++]);
    if (!text[*at]) {
        ++*number;
        *at = 0;
    }
}

struct happens {
    unsigned log, change, type, tick; /* once in so many steps; 0: never */
};

static bool now(uint64_t *seed, unsigned once_in)
{
    return once_in && random_below(seed, once_in) == 0;
}

/* Whatever happens: each line of the guest's comes once, whole and in order, and so do the log's and the monitor's. */
static struct terminal run_at_random(uint64_t seed, struct happens happens)
{
    struct terminal t = {0};
    unsigned number = 0, at = 0, logs = 0, answers = 0;
    char text[TERMINAL_TEXT];

    setup(NULL);
    rows_set_monitor(&m.rows, "> ", 2, "");
    for (unsigned step = 0; step < STEPS || at || m.guest.sent_count; step++) {
        room = (unsigned)random_below(&seed, 20);
        if (random_below(&seed, 2))
            guest_goes_on(&number, &at);
        if (now(&seed, happens.log)) {
            snprintf(text, sizeof(text), "LOG %u\n", logs++);
            log_text(text);
        }
        if (now(&seed, happens.change))
            type("\x01"
                 "c");
        if (now(&seed, happens.type) && m.monitor_has_keys)
            type(random_below(&seed, 4) ? "x" : "\r");
        if (now(&seed, happens.tick))
            rows_tick(&m.rows);
        run_monitor(&answers);
        mux_pump(&m);
        terminal_shows(&t, line);
        line_length = 0;
        line[0] = '\0';
    }
    rows_flush(&m.rows);
    terminal_shows(&t, line);
    assert_int_equal(t.guest_lines, number);
    assert_int_equal(t.logs, logs);
    assert_int_equal(t.answers, answers);
    return t;
}

static void nothing_is_lost(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 10; seed++) {
        assert_int_equal(run_at_random(seed, (struct happens){.log = 50, .change = 200, .type = 20}).doubled, 0);
        assert_int_equal(run_at_random(seed, (struct happens){.log = 20, .change = 5, .type = 5}).doubled, 0);
        run_at_random(seed, (struct happens){.log = 50, .change = 200, .type = 20, .tick = 2});
    }
}

/* A guest that goes on is always waited for. */
static void no_line_is_cut(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 10; seed++) {
        assert_int_equal(run_at_random(seed, (struct happens){.log = 50}).fragments, 0);
        assert_int_equal(run_at_random(seed, (struct happens){.log = 100, .change = 30}).fragments, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(lines_are_not_mixed, setup),
        cmocka_unit_test_setup(a_silent_guest_is_not_waited_for, setup),
        cmocka_unit_test_setup(a_line_that_lacks_only_its_end_comes_once, setup),
        cmocka_unit_test_setup(a_guest_without_a_line_feed_is_not_waited_for, setup),
        cmocka_unit_test_setup(a_report_waits_for_nobody, setup),
        cmocka_unit_test_setup(too_much_to_wait_with, setup),
        cmocka_unit_test_setup(keys_change_over, setup),
        cmocka_unit_test_setup(breaks_and_errors_go_to_who_is_asked, setup),
        cmocka_unit_test_setup(a_guest_that_does_not_read_loses_the_last, setup),
        cmocka_unit_test_setup(a_monitor_that_does_not_read_is_told, setup),
        cmocka_unit_test_setup(nothing_is_lost, setup),
        cmocka_unit_test_setup(no_line_is_cut, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
