/* arch/x86/uart16550.c by the data sheet: each register, the FIFOs, the interrupts' order and their ends. */
#include "tests/host/support.h"

#include "arch/x86/uart16550.h"

static struct uart16550 u;

static int setup(void **state)
{
    (void)state;
    uart16550_init(&u, MSR_CTS | MSR_DSR | MSR_DCD);
    return 0;
}

static uint8_t in(unsigned reg)
{
    return uart16550_read(&u, reg);
}

static void out(unsigned reg, uint8_t value)
{
    uart16550_write(&u, reg, value);
}

static void registers_hold_what_they_should(void **state)
{
    (void)state;
    assert_int_equal(in(UART_LINE_STATUS), LSR_THRE | LSR_TEMT);
    assert_int_equal(in(UART_INTERRUPT_IDENT), IIR_NONE);
    for (unsigned value = 0; value < 256; value++) {
        out(UART_SCRATCH, (uint8_t)value);
        assert_int_equal(in(UART_SCRATCH), value);
        out(UART_LINE_CONTROL, (uint8_t)value & 0x7f);
        assert_int_equal(in(UART_LINE_CONTROL), value & 0x7f);
        out(UART_INTERRUPT_ENABLE, (uint8_t)value);
        assert_int_equal(in(UART_INTERRUPT_ENABLE), value & 0x0f);
        out(UART_MODEM_CONTROL, (uint8_t)value);
        assert_int_equal(in(UART_MODEM_CONTROL), value & 0x1f);
    }
}

static void the_divisor_lies_under_dlab(void **state)
{
    (void)state;
    out(UART_INTERRUPT_ENABLE, 5);
    out(UART_LINE_CONTROL, LCR_DLAB | LCR_8N1);
    out(UART_DATA, 0x34);
    out(UART_INTERRUPT_ENABLE, 0x12);
    assert_int_equal(in(UART_DATA), 0x34);
    assert_int_equal(in(UART_INTERRUPT_ENABLE), 0x12);
    out(UART_LINE_CONTROL, LCR_8N1);
    assert_int_equal(in(UART_INTERRUPT_ENABLE), 5);
    assert_int_equal(u.sent_count, 0);
}

static void sending_ends_in_an_interrupt(void **state)
{
    uint8_t byte;

    (void)state;
    out(UART_INTERRUPT_IDENT, FCR_ENABLE);
    out(UART_INTERRUPT_ENABLE, IER_THRE);
    assert_int_equal(in(UART_INTERRUPT_IDENT), IIR_FIFOS | IIR_THRE); /* empty when enabled: at once, */
    assert_int_equal(in(UART_INTERRUPT_IDENT), IIR_FIFOS | IIR_NONE); /* and its reading ends it */
    for (unsigned i = 0; i < 20; i++)
        out(UART_DATA, (uint8_t)i);
    assert_int_equal(in(UART_LINE_STATUS), 0);
    for (unsigned i = 0; i < 15; i++)
        assert_true(uart16550_send(&u, &byte) && byte == i && !uart16550_pending(&u));
    assert_true(uart16550_send(&u, &byte) && byte == 19 && uart16550_pending(&u)); /* the last overwrote its place */
    assert_false(uart16550_send(&u, &byte));
    u.line_idle = false;
    assert_int_equal(in(UART_LINE_STATUS), LSR_THRE);
    assert_false(uart16550_pin(&u)); /* OUT2 is off */
    out(UART_MODEM_CONTROL, MCR_OUT2);
    assert_true(uart16550_pin(&u));
    out(UART_DATA, 1);
    assert_false(uart16550_pin(&u));
}

static void receiving_obeys_the_trigger(void **state)
{
    (void)state;
    out(UART_INTERRUPT_IDENT, FCR_ENABLE | 2 << FCR_TRIGGER_SHIFT);
    out(UART_INTERRUPT_ENABLE, IER_DATA | IER_LINE);
    for (unsigned i = 0; i < 7; i++)
        uart16550_receive(&u, (uint8_t)(i + 10), 0);
    assert_int_equal(in(UART_INTERRUPT_IDENT), IIR_FIFOS | IIR_TIMEOUT);
    uart16550_receive(&u, 17, 0);
    assert_int_equal(in(UART_INTERRUPT_IDENT), IIR_FIFOS | IIR_DATA);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(in(UART_DATA), i + 10);
    assert_int_equal(in(UART_INTERRUPT_IDENT), IIR_FIFOS | IIR_NONE);
    assert_int_equal(in(UART_DATA), 17); /* empty: what was there last */
    for (unsigned i = 0; i < 17; i++)
        uart16550_receive(&u, (uint8_t)i, 0);
    assert_int_equal(in(UART_INTERRUPT_IDENT), IIR_FIFOS | IIR_LINE);
    assert_int_equal(in(UART_LINE_STATUS), LSR_DATA_READY | LSR_OVERRUN | LSR_THRE | LSR_TEMT);
    assert_int_equal(in(UART_LINE_STATUS), LSR_DATA_READY | LSR_THRE | LSR_TEMT);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(in(UART_DATA), i); /* the seventeenth is the lost one */
    out(UART_INTERRUPT_IDENT, 0);
    uart16550_receive(&u, 1, 0);
    uart16550_receive(&u, 2, 0);
    assert_true(in(UART_LINE_STATUS)&LSR_OVERRUN);
    assert_int_equal(in(UART_DATA), 2); /* without FIFOs the first is */
}

static void errors_go_with_their_byte(void **state)
{
    (void)state;
    out(UART_INTERRUPT_IDENT, FCR_ENABLE);
    uart16550_receive(&u, 'a', 0);
    uart16550_receive(&u, 0, LSR_BREAK);
    uart16550_receive(&u, 'b', LSR_FRAMING);
    assert_int_equal(in(UART_LINE_STATUS)&0x9f, LSR_FIFO_ERROR | LSR_DATA_READY);
    assert_int_equal(in(UART_DATA), 'a');
    assert_int_equal(in(UART_LINE_STATUS)&0x9f, LSR_FIFO_ERROR | LSR_BREAK | LSR_DATA_READY);
    assert_int_equal(in(UART_LINE_STATUS)&0x1f, LSR_DATA_READY);
    assert_int_equal(in(UART_DATA), 0);
    assert_int_equal(in(UART_DATA), 'b');
    assert_int_equal(in(UART_LINE_STATUS)&0x9f, 0);
}

static void clearing_empties(void **state)
{
    (void)state;
    out(UART_INTERRUPT_IDENT, FCR_ENABLE);
    uart16550_receive(&u, 1, 0);
    out(UART_DATA, 2);
    out(UART_INTERRUPT_IDENT, FCR_ENABLE | FCR_CLEAR_RECEIVER);
    assert_int_equal(in(UART_LINE_STATUS), 0);
    out(UART_INTERRUPT_IDENT, FCR_ENABLE | FCR_CLEAR_TRANSMITTER);
    assert_int_equal(in(UART_LINE_STATUS), LSR_THRE | LSR_TEMT);
    uart16550_receive(&u, 1, 0);
    out(UART_INTERRUPT_IDENT, 0);
    assert_int_equal(in(UART_LINE_STATUS), LSR_THRE | LSR_TEMT);
}

static void loopback_leads_back(void **state)
{
    (void)state;
    out(UART_MODEM_CONTROL, MCR_LOOP | MCR_OUT2);
    assert_int_equal(in(UART_MODEM_STATUS), MSR_DCD | 0x03); /* CTS and DSR have gone */
    out(UART_INTERRUPT_ENABLE, IER_MODEM | IER_DATA);
    out(UART_MODEM_CONTROL, MCR_LOOP | MCR_OUT1 | MCR_RTS);
    assert_int_equal(in(UART_INTERRUPT_IDENT), IIR_MODEM);
    assert_int_equal(in(UART_MODEM_STATUS), MSR_RI | MSR_CTS | 0x09); /* RI is told of when it ends */
    assert_int_equal(in(UART_INTERRUPT_IDENT), IIR_NONE);
    out(UART_MODEM_CONTROL, MCR_LOOP | MCR_RTS);
    assert_int_equal(in(UART_MODEM_STATUS), MSR_CTS | MSR_TERI);
    uart16550_set_lines(&u, MSR_DCD);
    assert_int_equal(in(UART_MODEM_STATUS), MSR_CTS);
    out(UART_DATA, 'x');
    assert_int_equal(u.sent_count, 0);
    assert_int_equal(in(UART_INTERRUPT_IDENT), IIR_DATA);
    assert_false(uart16550_pin(&u));
    assert_int_equal(in(UART_DATA), 'x');
    out(UART_MODEM_CONTROL, 0);
    assert_int_equal(in(UART_MODEM_STATUS), MSR_DCD | 0x09);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(registers_hold_what_they_should, setup),
        cmocka_unit_test_setup(the_divisor_lies_under_dlab, setup),
        cmocka_unit_test_setup(sending_ends_in_an_interrupt, setup),
        cmocka_unit_test_setup(receiving_obeys_the_trigger, setup),
        cmocka_unit_test_setup(errors_go_with_their_byte, setup),
        cmocka_unit_test_setup(clearing_empties, setup),
        cmocka_unit_test_setup(loopback_leads_back, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
