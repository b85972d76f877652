/*
 * A 16550A as the guest sees it: registers, FIFOs, interrupt priorities, loopback (National Semiconductor PC16550D data
 * sheet, "Registers"). Time is left out: a character needs none on its way, and the receiver's time-out interrupt comes
 * at once. Pure; the caller keeps others away.
 */
#pragma once

#include "lib/compiler.h"

enum { UART16550_FIFO = 16 };

enum uart16550_register {
    UART_DATA = 0,             /* RBR, THR; with DLAB the divisor's low byte */
    UART_INTERRUPT_ENABLE = 1, /* IER; with DLAB the divisor's high byte */
    UART_INTERRUPT_IDENT = 2,  /* IIR; written: FCR */
    UART_LINE_CONTROL = 3,     /* LCR */
    UART_MODEM_CONTROL = 4,    /* MCR */
    UART_LINE_STATUS = 5,      /* LSR */
    UART_MODEM_STATUS = 6,     /* MSR */
    UART_SCRATCH = 7,          /* SCR */
};

enum { IER_DATA = 0x01, IER_THRE = 0x02, IER_LINE = 0x04, IER_MODEM = 0x08, IER_BITS = 0x0f };
enum {
    IIR_NONE = 0x01,
    IIR_MODEM = 0x00,
    IIR_THRE = 0x02,
    IIR_DATA = 0x04,
    IIR_LINE = 0x06,
    IIR_TIMEOUT = 0x0c,
    IIR_FIFOS = 0xc0
};
enum { FCR_ENABLE = 0x01, FCR_CLEAR_RECEIVER = 0x02, FCR_CLEAR_TRANSMITTER = 0x04, FCR_TRIGGER_SHIFT = 6 };
enum { LCR_8N1 = 0x03, LCR_BREAK = 0x40, LCR_DLAB = 0x80 };
enum { MCR_DTR = 0x01, MCR_RTS = 0x02, MCR_OUT1 = 0x04, MCR_OUT2 = 0x08, MCR_LOOP = 0x10, MCR_BITS = 0x1f };
enum {
    LSR_DATA_READY = 0x01,
    LSR_OVERRUN = 0x02,
    LSR_PARITY = 0x04,
    LSR_FRAMING = 0x08,
    LSR_BREAK = 0x10,
    LSR_THRE = 0x20,
    LSR_TEMT = 0x40,
    LSR_FIFO_ERROR = 0x80,
};
enum {
    MSR_DELTAS = 0x0f,
    MSR_TERI = 0x04,
    MSR_CTS = 0x10,
    MSR_DSR = 0x20,
    MSR_RI = 0x40,
    MSR_DCD = 0x80,
    MSR_LINES = 0xf0
};

struct uart16550 {
    uint8_t ier, lcr, mcr, scr, divisor_low, divisor_high;
    bool fifos;
    uint8_t trigger;     /* bytes that make a received-data interrupt */
    bool thre_interrupt; /* pending */
    bool overrun;
    bool line_idle; /* what was sent has left; the caller keeps it up to date */
    uint8_t modem_lines, modem_deltas;
    uint8_t real_lines; /* the modem lines outside; in loopback they are not seen */
    uint8_t last;       /* what was read last */
    struct {
        uint8_t byte, errors;
    } received[UART16550_FIFO];
    uint8_t received_first, received_count;
    uint8_t sent[UART16550_FIFO];
    uint8_t sent_first, sent_count;
};

/* As after a reset, with 8N1 and these modem lines (MSR bits 7:4). */
void uart16550_init(struct uart16550 *u, uint8_t lines);

/* What the guest reads from and writes to the eight ports; `reg` is 0 to 7. */
uint8_t uart16550_read(struct uart16550 *u, unsigned reg);
void uart16550_write(struct uart16550 *u, unsigned reg, uint8_t value);

/* Something is pending that the guest has enabled. */
bool uart16550_pending(const struct uart16550 *u);
/* The interrupt pin: pending, and let through by OUT2, as on every PC; in loopback OUT2 is off outside. */
bool uart16550_pin(const struct uart16550 *u);

/* A byte from outside with its errors (LSR bits 4:1). While there is no room it is lost with an overrun. */
bool uart16550_has_room(const struct uart16550 *u);
void uart16550_receive(struct uart16550 *u, uint8_t byte, uint8_t errors);

/* The next byte for outside; false if there is none. */
bool uart16550_send(struct uart16550 *u, uint8_t *byte);

/* The modem lines outside (MSR bits 7:4) and which of them have changed meanwhile (bits 3:0). */
void uart16550_set_lines(struct uart16550 *u, uint8_t status);
