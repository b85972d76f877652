/* arch/x86/serial.c and uart.c at UARTs that aren't as they should be: without FIFOs, left in mid-setup by who had it
 * before, with a receiver or a transmitter that is stuck, or not there at all. */
#include "tests/host/support.h"

#include "arch/x86/clock.h"
#include "arch/x86/instr.h"
#include "arch/x86/serial.h"

enum { PORT = 0x3f8, LINE_BYTES = 4096, READS_MAX = 3000000 };

/* ---- the real UART ---- */

static struct {
    bool absent, receiver_stuck, transmitter_stuck;
    unsigned size;     /* what its transmitter holds */
    uint8_t iir_fifos; /* what it says of its FIFOs when they are switched on */
    uint8_t lcr, ier, fcr, scr, divisor_high;
    unsigned waiting; /* bytes in the transmitter */
    unsigned looks;   /* at the LSR, since it was last empty */
    uint64_t reads;
    char line[LINE_BYTES];
    size_t line_length;
} real;

static int setup(void **state)
{
    (void)state;
    memset(&real, 0, sizeof(real));
    real.size = UART16550_FIFO;
    real.iir_fifos = IIR_FIFOS;
    return 0;
}

static uint8_t line_status(void)
{
    if (++real.looks % 4 == 0) /* sending takes its time */
        real.waiting = 0;
    return (real.receiver_stuck ? LSR_DATA_READY : 0) |
           (real.waiting || real.transmitter_stuck ? 0 : LSR_THRE | LSR_TEMT);
}

uint8_t inb(uint16_t port)
{
    assert_true(++real.reads < READS_MAX);
    if (real.absent)
        return 0xff;
    switch (port - PORT) {
    case UART_LINE_STATUS:
        return line_status();
    case UART_INTERRUPT_IDENT:
        return IIR_NONE | (real.fcr & FCR_ENABLE ? real.iir_fifos : 0);
    case UART_SCRATCH:
        return real.scr;
    }
    return 0;
}

static void send(char byte)
{
    if (real.waiting == real.size) /* the last one gives way */
        real.line_length--, real.waiting--;
    real.waiting++;
    assert_true(real.line_length < LINE_BYTES - 1);
    real.line[real.line_length++] = byte;
}

void outb(uint16_t port, uint8_t value)
{
    bool divisor = real.lcr & LCR_DLAB;

    switch (port - PORT) {
    case UART_DATA:
        if (!divisor)
            send((char)value);
        break;
    case UART_INTERRUPT_ENABLE:
        *(divisor ? &real.divisor_high : &real.ier) = value;
        break;
    case UART_INTERRUPT_IDENT:
        real.fcr = value;
        break;
    case UART_LINE_CONTROL:
        real.lcr = value;
        break;
    case UART_SCRATCH:
        real.scr = value;
        break;
    }
}

void cpu_pause(void)
{
}

uint64_t rdtsc(void)
{
    return 0;
}

uint64_t clock_tsc_khz(void)
{
    return 1000000;
}

/* ---- */

static void start(enum console_owner owner)
{
    serial_init((struct console_words){.port = PORT, .owner = owner});
    if (owner == CONSOLE_SHARED)
        serial_guest_starts();
}

static void arrives(const char *text)
{
    real.line[real.line_length] = '\0';
    assert_string_equal(real.line, text);
}

static void each_byte_is_sent(void)
{
    start(CONSOLE_LOG);
    serial_write("a line of more than sixteen characters\n", 39);
    arrives("a line of more than sixteen characters\r\n");
}

static void a_uart_needs_no_fifos(void **state)
{
    (void)state;
    each_byte_is_sent();
    setup(state);
    real.size = 1;
    real.iir_fifos = 0; /* 8250, 16450 */
    each_byte_is_sent();
    setup(state);
    real.size = 1;
    real.iir_fifos = 0x80; /* 16550: its FIFOs don't work */
    each_byte_is_sent();
}

static void what_was_left_is_set_right(void **state)
{
    (void)state;
    real.lcr = LCR_DLAB;
    real.ier = IER_BITS;
    real.divisor_high = 0x12;
    start(CONSOLE_LOG);
    assert_int_equal(real.lcr, LCR_8N1);
    assert_int_equal(real.ier, 0);
    assert_int_equal(real.divisor_high, 0);
}

static void a_stuck_receiver_holds_nobody(void **state)
{
    uint8_t byte;

    (void)state;
    start(CONSOLE_SHARED);
    real.receiver_stuck = true;
    for (unsigned i = 0; i < 100; i++)
        serial_guest_read(UART_LINE_STATUS);
    serial_guest_write(UART_SCRATCH, 0x12);
    assert_int_equal(serial_guest_read(UART_SCRATCH), 0x12);
    assert_int_equal(serial_read(&byte), MUX_NOTHING);
}

static void a_stuck_transmitter_is_given_up(void **state)
{
    uint64_t reads;

    (void)state;
    start(CONSOLE_SHARED);
    real.transmitter_stuck = true;
    assert_true(serial_is_there());
    serial_write("this costs a while\n", 19);
    reads = real.reads;
    serial_write("and this nothing\n", 17);
    serial_flush();
    assert_int_equal(real.reads, reads);
    assert_false(serial_is_there());
    assert_int_equal(serial_owner(), CONSOLE_PASSTHROUGH);
}

static void nothing_there_costs_nothing(void **state)
{
    (void)state;
    real.absent = true;
    start(CONSOLE_LOG);
    assert_false(serial_is_there());
    serial_write("nobody reads this\n", 18);
    serial_flush();
    assert_true(real.reads <= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_uart_needs_no_fifos, setup),
        cmocka_unit_test_setup(what_was_left_is_set_right, setup),
        cmocka_unit_test_setup(a_stuck_receiver_holds_nobody, setup),
        cmocka_unit_test_setup(a_stuck_transmitter_is_given_up, setup),
        cmocka_unit_test_setup(nothing_there_costs_nothing, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
