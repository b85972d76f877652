/* A 16550 UART at I/O ports (PC16550D data sheet). Every wait is bounded: a UART that isn't there costs nothing. */
#pragma once

#include "lib/compiler.h"

struct uart {
    uint16_t port;
    bool present;
    uint8_t room; /* characters that fit into the FIFO without looking again */
};

/* 115200 baud, 8N1, FIFOs on, interrupts off. present is false where nothing answers. */
void uart_init(struct uart *uart, uint16_t port);
void uart_put(struct uart *uart, char character);
void uart_flush(struct uart *uart);
