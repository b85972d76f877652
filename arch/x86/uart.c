#include "arch/x86/uart.h"

#include "arch/x86/instr.h"
#include "arch/x86/uart16550.h"

enum { WAIT_BOUND = 1000000 };

static uint8_t get(const struct uart *uart, enum uart16550_register reg)
{
    return uart->registers ? uart->registers[reg] : inb(uart->port + (uint16_t)reg);
}

static void set(const struct uart *uart, enum uart16550_register reg, uint8_t value)
{
    if (uart->registers)
        uart->registers[reg] = value;
    else
        outb(uart->port + (uint16_t)reg, value);
}

static bool answers(const struct uart *uart)
{
    set(uart, UART_SCRATCH, 0x5a);
    if (get(uart, UART_SCRATCH) != 0x5a)
        return false;
    set(uart, UART_SCRATCH, 0xa5);
    return get(uart, UART_SCRATCH) == 0xa5;
}

void uart_init(struct uart *uart, uint16_t port, volatile uint8_t *registers)
{
    *uart = (struct uart){.port = port, .registers = registers};
    uart->present = answers(uart);
    if (!uart->present)
        return;
    set(uart, UART_LINE_CONTROL, LCR_DLAB);
    set(uart, UART_DATA, 1); /* divisor 1: 115200 baud */
    set(uart, UART_INTERRUPT_ENABLE, 0);
    set(uart, UART_LINE_CONTROL, LCR_8N1);
    set(uart, UART_INTERRUPT_ENABLE, 0); /* only now, as who was here before may have left DLAB on */
    set(uart, UART_INTERRUPT_IDENT, FCR_ENABLE | FCR_CLEAR_RECEIVER | FCR_CLEAR_TRANSMITTER);
    set(uart, UART_MODEM_CONTROL, MCR_DTR | MCR_RTS);
    uart->size = (get(uart, UART_INTERRUPT_IDENT) & IIR_FIFOS) == IIR_FIFOS ? UART16550_FIFO : 1;
}

static void keep(struct uart *uart, uint8_t status)
{
    unsigned at = (uart->kept_first + uart->kept_count) % UART_KEPT_MAX;

    if (!uart->keeps || uart->kept_count == UART_KEPT_MAX || !(status & LSR_DATA_READY))
        return;
    uart->kept[at].status = status;
    uart->kept[at].byte = get(uart, UART_DATA);
    uart->kept_count++;
}

static bool wait_for(struct uart *uart, uint8_t bits)
{
    for (unsigned i = 0; i < WAIT_BOUND; i++) {
        uint8_t status = get(uart, UART_LINE_STATUS);

        uart->seen = 0;
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
        uart->room = uart->size;
    }
    uart->room--;
    uart->idle = false;
    set(uart, UART_DATA, (uint8_t)character);
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

/* All ones: it has gone. */
bool uart_look(struct uart *uart)
{
    uint8_t status = uart->present ? get(uart, UART_LINE_STATUS) : 0;

    if (status & LSR_THRE)
        uart->room = uart->size;
    uart->idle = status & LSR_TEMT;
    uart->seen = status == 0xff ? 0 : status;
    return uart->kept_count || uart->seen & LSR_DATA_READY;
}

static bool take_fresh(struct uart *uart, uint8_t *status, uint8_t *byte)
{
    if (!(uart->seen & LSR_DATA_READY))
        uart_look(uart);
    *status = uart->seen;
    if (!(*status & LSR_DATA_READY))
        return false;
    uart->seen = 0;
    *byte = get(uart, UART_DATA);
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

bool uart_has_room(const struct uart *uart)
{
    return uart->present && uart->room;
}

bool uart_is_idle(const struct uart *uart)
{
    return uart->present && uart->idle;
}
