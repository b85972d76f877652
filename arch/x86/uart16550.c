#include "arch/x86/uart16550.h"

enum { ERRORS = LSR_PARITY | LSR_FRAMING | LSR_BREAK };

void uart16550_init(struct uart16550 *u, uint8_t lines)
{
    *u = (struct uart16550){.lcr = LCR_8N1,
                            .divisor_low = 1,
                            .trigger = 1,
                            .line_idle = true,
                            .modem_lines = lines & MSR_LINES,
                            .real_lines = lines & MSR_LINES};
}

static unsigned receiver_size(const struct uart16550 *u)
{
    return u->fifos ? UART16550_FIFO : 1;
}

bool uart16550_has_room(const struct uart16550 *u)
{
    return u->received_count < receiver_size(u);
}

/* In FIFO mode the last to come is lost, else the one that was not read in time. */
void uart16550_receive(struct uart16550 *u, uint8_t byte, uint8_t errors)
{
    unsigned at;

    u->overrun |= errors & LSR_OVERRUN;
    if (!uart16550_has_room(u)) {
        u->overrun = true;
        if (u->fifos)
            return;
        u->received_count = 0;
    }
    at = (u->received_first + u->received_count++) % UART16550_FIFO;
    u->received[at].byte = byte;
    u->received[at].errors = errors & ERRORS;
}

static void transmitter_is_empty(struct uart16550 *u)
{
    u->thre_interrupt = true;
}

bool uart16550_send(struct uart16550 *u, uint8_t *byte)
{
    if (!u->sent_count)
        return false;
    *byte = u->sent[u->sent_first];
    u->sent_first = (u->sent_first + 1) % UART16550_FIFO;
    if (!--u->sent_count)
        transmitter_is_empty(u);
    return true;
}

/* MSR bits 7:4 by the bits of the MCR that loopback leads there. */
static uint8_t looped_lines(const struct uart16550 *u)
{
    return (uint8_t)((u->mcr & MCR_RTS ? MSR_CTS : 0) | (u->mcr & MCR_DTR ? MSR_DSR : 0) |
                     (u->mcr & MCR_OUT1 ? MSR_RI : 0) | (u->mcr & MCR_OUT2 ? MSR_DCD : 0));
}

/* A change sets the line's delta; that of RI only when the line goes off. */
static void see_lines(struct uart16550 *u, uint8_t lines)
{
    uint8_t changed = u->modem_lines ^ lines;

    if (lines & MSR_RI)
        changed &= (uint8_t)~MSR_RI;
    u->modem_deltas |= changed >> 4;
    u->modem_lines = lines;
}

void uart16550_set_lines(struct uart16550 *u, uint8_t status)
{
    u->real_lines = status & MSR_LINES;
    if (u->mcr & MCR_LOOP)
        return;
    see_lines(u, u->real_lines);
    u->modem_deltas |= status & MSR_DELTAS;
}

static uint8_t errors_at_top(const struct uart16550 *u)
{
    return u->received_count ? u->received[u->received_first].errors : 0;
}

static bool has_error(const struct uart16550 *u)
{
    for (unsigned i = 0; i < u->received_count; i++)
        if (u->received[(u->received_first + i) % UART16550_FIFO].errors)
            return true;
    return false;
}

/* IIR bits 3:0, by priority */
static uint8_t cause(const struct uart16550 *u)
{
    if (u->ier & IER_LINE && (u->overrun || errors_at_top(u)))
        return IIR_LINE;
    if (u->ier & IER_DATA && u->received_count >= (u->fifos ? u->trigger : 1))
        return IIR_DATA;
    if (u->ier & IER_DATA && u->received_count)
        return IIR_TIMEOUT;
    if (u->ier & IER_THRE && u->thre_interrupt)
        return IIR_THRE;
    if (u->ier & IER_MODEM && u->modem_deltas)
        return IIR_MODEM;
    return IIR_NONE;
}

bool uart16550_pending(const struct uart16550 *u)
{
    return cause(u) != IIR_NONE;
}

bool uart16550_pin(const struct uart16550 *u)
{
    return (u->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2 && uart16550_pending(u);
}

static uint8_t read_data(struct uart16550 *u)
{
    if (u->received_count) {
        u->last = u->received[u->received_first].byte;
        u->received_first = (u->received_first + 1) % UART16550_FIFO;
        u->received_count--;
    }
    return u->last;
}

static uint8_t read_ident(struct uart16550 *u)
{
    uint8_t value = cause(u);

    if (value == IIR_THRE)
        u->thre_interrupt = false;
    return value | (u->fifos ? IIR_FIFOS : 0);
}

static uint8_t read_line_status(struct uart16550 *u)
{
    uint8_t value = errors_at_top(u);

    if (u->fifos && has_error(u))
        value |= LSR_FIFO_ERROR;
    if (u->received_count) {
        value |= LSR_DATA_READY;
        u->received[u->received_first].errors = 0;
    }
    if (u->overrun)
        value |= LSR_OVERRUN;
    u->overrun = false;
    if (!u->sent_count)
        value |= LSR_THRE | (u->line_idle ? LSR_TEMT : 0);
    return value;
}

static uint8_t read_modem_status(struct uart16550 *u)
{
    uint8_t value = u->modem_lines | u->modem_deltas;

    u->modem_deltas = 0;
    return value;
}

uint8_t uart16550_read(struct uart16550 *u, unsigned reg)
{
    switch ((enum uart16550_register)reg) {
    case UART_DATA:
        return u->lcr & LCR_DLAB ? u->divisor_low : read_data(u);
    case UART_INTERRUPT_ENABLE:
        return u->lcr & LCR_DLAB ? u->divisor_high : u->ier;
    case UART_INTERRUPT_IDENT:
        return read_ident(u);
    case UART_LINE_CONTROL:
        return u->lcr;
    case UART_MODEM_CONTROL:
        return u->mcr;
    case UART_LINE_STATUS:
        return read_line_status(u);
    case UART_MODEM_STATUS:
        return read_modem_status(u);
    case UART_SCRATCH:
        return u->scr;
    }
    return 0xff;
}

static void write_data(struct uart16550 *u, uint8_t byte)
{
    u->thre_interrupt = false;
    if (u->mcr & MCR_LOOP) {
        uart16550_receive(u, byte, 0);
        transmitter_is_empty(u);
        return;
    }
    if (u->sent_count == (u->fifos ? UART16550_FIFO : 1)) /* full: the last written gives way */
        u->sent_count--;
    u->sent[(u->sent_first + u->sent_count++) % UART16550_FIFO] = byte;
}

/* Enabled while the transmitter is empty, its interrupt comes at once. */
static void write_interrupt_enable(struct uart16550 *u, uint8_t value)
{
    if (value & ~u->ier & IER_THRE && !u->sent_count)
        u->thre_interrupt = true;
    u->ier = value & IER_BITS;
}

/* The other bits count only together with the enable bit; a change of that empties both FIFOs. */
static void write_fifo_control(struct uart16550 *u, uint8_t value)
{
    static const uint8_t triggers[] = {1, 4, 8, 14};
    bool enable = value & FCR_ENABLE, change = enable != u->fifos;

    if (change || (enable && value & FCR_CLEAR_RECEIVER))
        u->received_count = 0;
    if ((change || (enable && value & FCR_CLEAR_TRANSMITTER)) && u->sent_count) {
        u->sent_count = 0;
        transmitter_is_empty(u);
    }
    u->fifos = enable;
    u->trigger = enable ? triggers[value >> FCR_TRIGGER_SHIFT] : 1;
}

static void write_modem_control(struct uart16550 *u, uint8_t value)
{
    u->mcr = value & MCR_BITS;
    see_lines(u, u->mcr & MCR_LOOP ? looped_lines(u) : u->real_lines);
}

void uart16550_write(struct uart16550 *u, unsigned reg, uint8_t value)
{
    switch ((enum uart16550_register)reg) {
    case UART_DATA:
        if (u->lcr & LCR_DLAB)
            u->divisor_low = value;
        else
            write_data(u, value);
        break;
    case UART_INTERRUPT_ENABLE:
        if (u->lcr & LCR_DLAB)
            u->divisor_high = value;
        else
            write_interrupt_enable(u, value);
        break;
    case UART_INTERRUPT_IDENT:
        write_fifo_control(u, value);
        break;
    case UART_LINE_CONTROL:
        u->lcr = value;
        break;
    case UART_MODEM_CONTROL:
        write_modem_control(u, value);
        break;
    case UART_LINE_STATUS: /* read-only */
    case UART_MODEM_STATUS:
        break;
    case UART_SCRATCH:
        u->scr = value;
        break;
    }
}
