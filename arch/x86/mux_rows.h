/*
 * Who has the row of the terminal in which the cursor stands: the guest, the monitor, or a line of Plinth's log. Nobody
 * cuts another's line: it is waited for, and where it doesn't end it is broken off and comes once more, whole, when it
 * goes on. Pure; the caller keeps others away.
 */
#pragma once

#include "lib/compiler.h"

enum { ROWS_GUEST = 256, ROWS_MONITOR = 160, ROWS_WAITING = 4096, ROWS_TICKS_MAX = 20 };

struct mux_rows {
    bool guest_runs;        /* Plinth's lines get a prefix */
    bool monitor_wanted;    /* the terminal is to show the monitor's row ... */
    bool monitor_shows;     /* ... and does: the guest's line has ended, or nobody waits for that any longer */
    bool nobody_waits;      /* the guest has ended: for the rest of its line least of all */
    char guest[ROWS_GUEST]; /* what the guest has written since its last line feed, as far as it fits */
    unsigned guest_length;
    unsigned broken_length; /* so much of it stands in a row that was broken off */
    bool guest_is_longer;   /* than fits: such a line goes on after a break, without its beginning */
    bool guest_returns;     /* the last byte was a carriage return */
    bool owed;              /* the cursor stands below, at the start of an empty row */
    bool quiet;             /* the guest has written nothing since the last rows_tick() */
    char monitor[ROWS_MONITOR];
    unsigned monitor_length;
    char waiting[ROWS_WAITING]; /* lines of the log that wait for the end of the guest's */
    unsigned waiting_length, waiting_ticks;
};

/* A byte of the guest's. */
void rows_guest(struct mux_rows *r, char byte);

/* Whole lines of the log. */
void rows_log(struct mux_rows *r, const char *text, size_t length);
/* Lines without a prefix, for who sits there. */
void rows_tell(struct mux_rows *r, const char *text);

/* What waits goes out now. */
void rows_flush(struct mux_rows *r);
/* Some hundredths of a second have passed: a guest that has fallen silent within a line isn't waited for any longer,
 * nor one that goes on and on without a line feed. */
void rows_tick(struct mux_rows *r);
/* From now on nobody waits for the guest. */
void rows_guest_has_ended(struct mux_rows *r);

/* The monitor's row comes at the end of the guest's line; and goes. */
void rows_want_monitor(struct mux_rows *r, bool wanted);
/* It comes now. */
void rows_show_monitor(struct mux_rows *r);
/* What is in it; `echo` is what makes that of what was in it. */
void rows_set_monitor(struct mux_rows *r, const char *row, size_t length, const char *echo);

/* Given by serial.c, in host tests by a fake: sends a byte, waiting if need be. */
void mux_emit(char byte);
