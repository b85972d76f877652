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
enum { LCR_8N1 = 0x03, LCR_DLAB = 0x80, FCR_ENABLE_CLEAR = 0x07, MCR_DTR_RTS = 0x03, LSR_THRE = 0x20, LSR_TEMT = 0x40 };
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

static bool wait_for(struct uart *uart, uint8_t bits)
{
    for (unsigned i = 0; i < WAIT_BOUND; i++) {
        if ((inb(uart->port + LINE_STATUS) & bits) == bits)
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
