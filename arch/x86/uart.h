/* A 16550 UART at I/O ports (PC16550D data sheet). Every wait is bounded: a UART that isn't there costs nothing. */
#pragma once

#include "lib/compiler.h"

enum { UART_KEPT_MAX = 512 };

struct uart {
    uint16_t port;
    bool present;
    bool keeps;   /* what comes in while it sends is kept for uart_get(); else it is somebody else's */
    uint8_t room; /* characters that fit into the FIFO without looking again */
    struct {
        uint8_t status, byte;
    } kept[UART_KEPT_MAX]; /* a ring */
    uint16_t kept_first, kept_count;
};

/* 115200 baud, 8N1, FIFOs on, interrupts off. present is false where nothing answers. */
void uart_init(struct uart *uart, uint16_t port);
void uart_put(struct uart *uart, char character);
void uart_flush(struct uart *uart);

/* What has come in: at most one byte a call, with its errors (LSR bits 4:1; of an overrun: earlier ones were lost). */
bool uart_get(struct uart *uart, uint8_t *byte, uint8_t *errors);

/* A character can be sent without waiting. Looks away from LSR errors: after uart_get() has found nothing. */
bool uart_has_room(struct uart *uart);
/* All that was sent has left. The same. */
bool uart_is_idle(struct uart *uart);
