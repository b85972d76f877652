/* A 16550 UART at I/O ports or in memory (PC16550D data sheet). Every wait is bounded: a UART that isn't there costs
 * nothing. */
#pragma once

#include "lib/compiler.h"

enum { UART_KEPT_MAX = 512 };

struct uart {
    uint16_t port;
    volatile uint8_t *registers; /* NULL: they are at the port */
    bool present;
    bool keeps;   /* what comes in while it sends is kept for uart_get(); else it is somebody else's */
    uint8_t size; /* characters that the transmitter holds: 1 in a UART without FIFOs, or whose FIFOs don't work */
    uint8_t room; /* characters that fit without looking again */
    uint8_t seen; /* the LSR, when last looked at; 0: what it told has been used */
    bool idle;    /* all that was sent has left, when last looked at */
    struct {
        uint8_t status, byte;
    } kept[UART_KEPT_MAX]; /* a ring */
    uint16_t kept_first, kept_count;
};

/* 115200 baud, 8N1, FIFOs on, interrupts off. present is false where nothing answers. */
void uart_init(struct uart *uart, uint16_t port, volatile uint8_t *registers);
void uart_put(struct uart *uart, char character);
void uart_flush(struct uart *uart);

/* Looks at the LSR, once. A byte has come in, which uart_get() takes next. */
bool uart_look(struct uart *uart);
/* What has come in: at most one byte a call, with its errors (LSR bits 4:1; of an overrun: earlier ones were lost).
 * When it finds nothing it has just looked. */
bool uart_get(struct uart *uart, uint8_t *byte, uint8_t *errors);

/* By the last look: a character can be sent without waiting. */
bool uart_has_room(const struct uart *uart);
/* All that was sent has left. */
bool uart_is_idle(const struct uart *uart);
