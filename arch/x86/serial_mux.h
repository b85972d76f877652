/*
 * One serial line for two: the guest, which sees a 16550A of its own, and Plinth with its log and its monitor. Ctrl-A
 * and another key choose who gets what is typed; what the terminal shows is decided in mux_rows.h. Pure; the caller
 * keeps others away.
 */
#pragma once

#include "arch/x86/mux_rows.h"
#include "arch/x86/uart16550.h"
#include "lib/compiler.h"

enum { MUX_QUEUE = 512 };

/* A break is no byte, and garbled is one with a framing or parity error or beside others that were lost. */
enum mux_input { MUX_NOTHING, MUX_BYTE, MUX_BREAK, MUX_GARBLED };

struct mux_entry {
    uint8_t byte, errors; /* LSR bits 4:1 */
};

struct mux_queue {
    struct mux_entry entries[MUX_QUEUE];
    uint16_t first, count;
};

struct serial_mux {
    struct uart16550 guest;
    bool fixed;            /* one of the two has the line for itself: there are no keys to change over */
    bool monitor_has_keys; /* what is typed goes to the monitor; else to the guest */
    bool escaped;          /* Ctrl-A was the last byte */
    struct mux_queue to_guest, to_monitor;
    struct mux_rows rows;
};

/* For both, or for one of them alone. The guest's UART is still to be made. */
void mux_init(struct serial_mux *m, bool shared, bool monitor_has_keys);

/* A byte has come in, with its errors (LSR bits 4:1). */
void mux_input(struct serial_mux *m, uint8_t byte, uint8_t errors);

/* Moves what can be moved: what was typed into the guest's receiver, what it sends out to the line. */
void mux_pump(struct serial_mux *m);

/* As Ctrl-A c, unless the monitor has the keys already. */
void mux_call_monitor(struct serial_mux *m);

/* The monitor's side: its answers, and what was typed to it. */
void mux_talk(struct serial_mux *m, const char *text);
enum mux_input mux_take(struct serial_mux *m, uint8_t *byte);

/* Given by serial.c, in host tests by a fake: a byte can be sent without waiting. */
bool mux_can_emit(void);
