/* arch/x86/serial_mux.c: what comes out of the line, and who gets what is typed. */
#include "tests/host/support.h"

#include "arch/x86/serial_mux.h"

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
    m.guest_runs = true;
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
    mux_log(&m, text, strlen(text));
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

static void a_silent_guest_is_not_waited_for(void **state)
{
    (void)state;
    guest("login: \x1b[6n\x1b[1;31mred\x1b[K");
    log_text("something\n");
    shown("login: \x1b[6n\x1b[1;31mred\x1b[K");
    mux_tick(&m);
    shown("");
    mux_tick(&m);
    shown("\r\nplinth: something\r\nlogin: \x1b[1;31mred");
    guest("\r\nold\rnew");
    log_text("more\n");
    mux_flush(&m);
    shown("\r\nold\rnew\r\nplinth: more\r\nnew");
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
    mux_flush(&m);
    assert_int_equal(line_length, 5 + 2 * 3 + 10 * (8 + 1001) + 3 * 5);
}

static void keys_change_over(void **state)
{
    (void)state;
    mux_set_row(&m, "> ", 2, "\r> ");
    shown("");
    type("abc\x01\x01"
         "d\x01z");
    guest_gets("abc\x01"
               "d");
    guest("prompt$ ");
    shown("prompt$ ");
    type("\x01"
         "cinfo");
    shown("\r\n> ");
    monitor_gets("info");
    guest_gets("");
    guest("and a line\r\nbegun");
    shown("\r\x1b[Kprompt$ and a line\r\n> ");
    log_text("log\n");
    shown("\r\x1b[Kplinth: log\r\n> ");
    mux_set_row(&m, "", 0, "\r\n");
    mux_talk(&m, "an answer\n");
    mux_set_row(&m, "> ", 2, "> ");
    shown("\r\nan answer\r\n> ");
    type("\x01"
         "c");
    shown("\r\x1b[Kbegun");
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

/* Whatever happens: the guest's bytes come out all, in order, and each line of the log whole. */
static void nothing_is_lost(void **state)
{
    uint64_t seed = 42;
    unsigned sent = 0, seen = 0, logged = 0;

    (void)state;
    for (unsigned step = 0; step < 100000; step++) {
        room = (unsigned)random_below(&seed, 20);
        if (random_below(&seed, 2) && m.guest.sent_count < UART16550_FIFO) {
            char byte = (char)('a' + sent % 26);

            if (random_below(&seed, 30) == 0)
                byte = '\n';
            else
                sent++;
            uart16550_write(&m.guest, UART_DATA, (uint8_t)byte);
        }
        if (random_below(&seed, 200) == 0) {
            log_text("LOG\n");
            logged++;
        }
        mux_pump(&m);
    }
    room = 100;
    guest("\n");
    for (const char *at = line; *at; at++) {
        if (!strncmp(at, "plinth: LOG\r\n", 13)) {
            assert_true(at == line || at[-1] == '\n');
            at += 12;
            logged--;
        } else if (*at != '\n' && *at != '\r') {
            assert_int_equal(*at, 'a' + seen++ % 26);
        }
    }
    assert_int_equal(seen, sent);
    assert_int_equal(logged, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(lines_are_not_mixed, setup),
        cmocka_unit_test_setup(a_silent_guest_is_not_waited_for, setup),
        cmocka_unit_test_setup(too_much_to_wait_with, setup),
        cmocka_unit_test_setup(keys_change_over, setup),
        cmocka_unit_test_setup(breaks_and_errors_go_to_who_is_asked, setup),
        cmocka_unit_test_setup(a_guest_that_does_not_read_loses_the_last, setup),
        cmocka_unit_test_setup(nothing_is_lost, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
