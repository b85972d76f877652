#include "arch/x86/uart.h"

#include "arch/x86/instr.h"

enum {
    DATA = 0,
    INTERRUPT_ENABLE = 1,
    FIFO_CONTROL = 2,
    LINE_CONTROL = 3,
    MODEM_CONTROL = 4,
    LINE_STATUS = 5,
    SCRATCH = 7
};
enum { LCR_8N1 = 0x03, LCR_DLAB = 0x80, FCR_ENABLE_CLEAR = 0x07, MCR_DTR_RTS = 0x03 };
enum {
    LSR_DATA_READY = 0x01,
    LSR_OVERRUN = 0x02,
    LSR_PARITY = 0x04,
    LSR_FRAMING = 0x08,
    LSR_BREAK = 0x10,
    LSR_THRE = 0x20,
    LSR_TEMT = 0x40
};
enum { FIFO_SIZE = 16, WAIT_BOUND = 1000000 };

static bool answers(uint16_t port)
{
    outb(port + SCRATCH, 0x5a);
    if (inb(port + SCRATCH) != 0x5a)
        return false;
    outb(port + SCRATCH, 0xa5);
    return inb(port + SCRATCH) == 0xa5;
}

void uart_init(struct uart *uart, uint16_t port)
{
    *uart = (struct uart){.port = port, .present = answers(port)};
    if (!uart->present)
        return;
    outb(port + INTERRUPT_ENABLE, 0);
    outb(port + LINE_CONTROL, LCR_DLAB);
    outb(port + DATA, 1); /* divisor 1: 115200 baud */
    outb(port + INTERRUPT_ENABLE, 0);
    outb(port + LINE_CONTROL, LCR_8N1);
    outb(port + FIFO_CONTROL, FCR_ENABLE_CLEAR);
    outb(port + MODEM_CONTROL, MCR_DTR_RTS);
}

static void keep(struct uart *uart, uint8_t status)
{
    unsigned at = (uart->kept_first + uart->kept_count) % UART_KEPT_MAX;

    if (!uart->keeps || uart->kept_count == UART_KEPT_MAX || !(status & LSR_DATA_READY))
        return;
    uart->kept[at].status = status;
    uart->kept[at].byte = inb(uart->port + DATA);
    uart->kept_count++;
}

static bool wait_for(struct uart *uart, uint8_t bits)
{
    for (unsigned i = 0; i < WAIT_BOUND; i++) {
        uint8_t status = inb(uart->port + LINE_STATUS);

        keep(uart, status);
        if ((status & bits) == bits)
            return true;
        cpu_pause();
    }
    uart->present = false; /* it went away or never sends: don't wait for it again */
    return false;
}

void uart_put(struct uart *uart, char character)
{
    if (!uart->present)
        return;
    if (!uart->room) {
        if (!wait_for(uart, LSR_THRE))
            return;
        uart->room = FIFO_SIZE;
    }
    uart->room--;
    outb(uart->port + DATA, (uint8_t)character);
}

void uart_flush(struct uart *uart)
{
    if (uart->present)
        wait_for(uart, LSR_TEMT);
}

static bool take_kept(struct uart *uart, uint8_t *status, uint8_t *byte)
{
    if (!uart->kept_count)
        return false;
    *status = uart->kept[uart->kept_first].status;
    *byte = uart->kept[uart->kept_first].byte;
    uart->kept_first = (uint16_t)((uart->kept_first + 1) % UART_KEPT_MAX);
    uart->kept_count--;
    return true;
}

static bool take_fresh(struct uart *uart, uint8_t *status, uint8_t *byte)
{
    *status = inb(uart->port + LINE_STATUS);
    if (*status == 0xff || !(*status & LSR_DATA_READY)) /* all ones: it has gone */
        return false;
    *byte = inb(uart->port + DATA);
    return true;
}

enum uart_input uart_get(struct uart *uart, uint8_t *byte)
{
    uint8_t status;

    if (!uart->present || (!take_kept(uart, &status, byte) && !take_fresh(uart, &status, byte)))
        return UART_NOTHING;
    if (status & LSR_BREAK)
        return UART_BREAK;
    return status & (LSR_PARITY | LSR_FRAMING | LSR_OVERRUN) ? UART_GARBLED : UART_BYTE;
}
