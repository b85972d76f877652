#include "arch/x86/uart.h"

#include "arch/x86/instr.h"
#include "arch/x86/uart16550.h"

enum { WAIT_BOUND = 1000000 };

static bool answers(uint16_t port)
{
    outb(port + UART_SCRATCH, 0x5a);
    if (inb(port + UART_SCRATCH) != 0x5a)
        return false;
    outb(port + UART_SCRATCH, 0xa5);
    return inb(port + UART_SCRATCH) == 0xa5;
}

void uart_init(struct uart *uart, uint16_t port)
{
    *uart = (struct uart){.port = port, .present = answers(port)};
    if (!uart->present)
        return;
    outb(port + UART_INTERRUPT_ENABLE, 0);
    outb(port + UART_LINE_CONTROL, LCR_DLAB);
    outb(port + UART_DATA, 1); /* divisor 1: 115200 baud */
    outb(port + UART_INTERRUPT_ENABLE, 0);
    outb(port + UART_LINE_CONTROL, LCR_8N1);
    outb(port + UART_INTERRUPT_IDENT, FCR_ENABLE | FCR_CLEAR_RECEIVER | FCR_CLEAR_TRANSMITTER);
    outb(port + UART_MODEM_CONTROL, MCR_DTR | MCR_RTS);
}

static void keep(struct uart *uart, uint8_t status)
{
    unsigned at = (uart->kept_first + uart->kept_count) % UART_KEPT_MAX;

    if (!uart->keeps || uart->kept_count == UART_KEPT_MAX || !(status & LSR_DATA_READY))
        return;
    uart->kept[at].status = status;
    uart->kept[at].byte = inb(uart->port + UART_DATA);
    uart->kept_count++;
}

static bool wait_for(struct uart *uart, uint8_t bits)
{
    for (unsigned i = 0; i < WAIT_BOUND; i++) {
        uint8_t status = inb(uart->port + UART_LINE_STATUS);

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
        uart->room = UART16550_FIFO;
    }
    uart->room--;
    outb(uart->port + UART_DATA, (uint8_t)character);
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
    *status = inb(uart->port + UART_LINE_STATUS);
    if (*status == 0xff || !(*status & LSR_DATA_READY)) /* all ones: it has gone */
        return false;
    *byte = inb(uart->port + UART_DATA);
    return true;
}

bool uart_get(struct uart *uart, uint8_t *byte, uint8_t *errors)
{
    uint8_t status;

    if (!uart->present || (!take_kept(uart, &status, byte) && !take_fresh(uart, &status, byte)))
        return false;
    *errors = status & (LSR_BREAK | LSR_PARITY | LSR_FRAMING | LSR_OVERRUN);
    return true;
}

bool uart_has_room(struct uart *uart)
{
    if (!uart->room && uart->present && inb(uart->port + UART_LINE_STATUS) & LSR_THRE)
        uart->room = UART16550_FIFO;
    return uart->room;
}

bool uart_is_idle(struct uart *uart)
{
    return uart->present && inb(uart->port + UART_LINE_STATUS) & LSR_TEMT;
}
