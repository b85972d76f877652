/*
 * One serial line for two: the guest, which sees a 16550A of its own, and Plinth with its log and its monitor. Ctrl-A
 * and another key choose; the guest's lines and Plinth's are never mixed within a line. Pure; the caller keeps others
 * away.
 */
#pragma once

#include "arch/x86/uart16550.h"
#include "lib/compiler.h"

enum { MUX_GUEST_ROW = 256, MUX_MONITOR_ROW = 160, MUX_PENDING = 4096, MUX_QUEUE = 512 };

/* A break is no byte, and garbled is one with a framing or parity error or behind others that were lost. */
enum mux_input { MUX_NOTHING, MUX_BYTE, MUX_BREAK, MUX_GARBLED };

struct mux_queue {
    struct {
        uint8_t byte, errors; /* LSR bits 4:1 */
    } entries[MUX_QUEUE];
    uint16_t first, count;
};

struct serial_mux {
    struct uart16550 guest;
    bool fixed;            /* one of the two has the line for itself: there are no keys to change over */
    bool monitor_has_keys; /* what is typed goes to the monitor; else to the guest */
    bool guest_runs;       /* Plinth's lines get a prefix */
    bool escaped;          /* Ctrl-A was the last byte */
    struct mux_queue to_guest, to_monitor;
    char guest_row[MUX_GUEST_ROW]; /* what the guest has written since its last line feed */
    unsigned guest_row_length;
    bool guest_row_returns; /* and a carriage return behind it */
    char monitor_row[MUX_MONITOR_ROW];
    unsigned monitor_row_length;
    char pending[MUX_PENDING]; /* Plinth's lines that wait for the end of the guest's */
    unsigned pending_length;
    bool quiet; /* the guest has written nothing since the last mux_tick() */
};

/* A byte has come in, with its errors (LSR bits 4:1). */
void mux_input(struct serial_mux *m, uint8_t byte, uint8_t errors);

/* Moves what can be moved: what was typed into the guest's receiver, what it sends out to the line. */
void mux_pump(struct serial_mux *m);

/* Whole lines of the log. */
void mux_log(struct serial_mux *m, const char *text, size_t length);
/* What waits for the end of the guest's line goes out now; the line follows once more, from its start. */
void mux_flush(struct serial_mux *m);
/* Some tenths of a second have passed: a guest that has fallen silent within a line is waited for no longer. */
void mux_tick(struct serial_mux *m);

/* As Ctrl-A c, unless the monitor has the keys already. */
void mux_call_monitor(struct serial_mux *m);

/* The monitor's side: its row (prompt and what is typed), its answers, and what was typed to it. */
void mux_set_row(struct serial_mux *m, const char *row, size_t length, const char *echo);
void mux_talk(struct serial_mux *m, const char *text);
enum mux_input mux_take(struct serial_mux *m, uint8_t *byte);

/* ---- given by serial.c, in host tests by a fake ---- */

/* Sends a byte, waiting if need be. */
void mux_emit(char byte);
/* A byte can be sent without waiting. */
bool mux_can_emit(void);
