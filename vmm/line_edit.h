/*
 * A line editor for a terminal at the other end of a serial line: bytes in, what the terminal is to be sent out.
 * Arrows, Home, End, Delete, Ctrl-U, -K, -W, -L, -C, -P, -N, history. Takes any bytes whatever. Pure; the caller keeps
 * others away.
 */
#pragma once

#include "lib/compiler.h"

enum { LINE_MAX_CHARACTERS = 127, LINE_HISTORY = 16, LINE_OUTPUT_MAX = 320 };

enum line_event {
    LINE_GOES_ON,  /* send `output`; nothing else */
    LINE_READY,    /* Enter: `text` is the line */
    LINE_NOISE,    /* Enter on a line with bytes that are no text, or too many: it is to be refused */
    LINE_COMPLETE, /* Tab: the caller may call line_insert() */
};

struct line_edit {
    const char *prompt;
    char text[LINE_MAX_CHARACTERS + 1]; /* always terminated */
    unsigned length, cursor;
    unsigned noise; /* bytes of this line that were dropped */
    char history[LINE_HISTORY][LINE_MAX_CHARACTERS + 1];
    unsigned history_count; /* lines ever remembered */
    unsigned history_back;  /* how far back the line shown is; 0: the one that is being written */
    enum { ESCAPE_NONE, ESCAPE_BEGUN, ESCAPE_SEQUENCE } escape;
    unsigned escape_number;
    bool after_return;            /* a line feed that follows belongs to it */
    char output[LINE_OUTPUT_MAX]; /* terminated; what the last call wants sent */
    unsigned output_length;
};

/* An empty line, no history; output is the prompt. */
void line_init(struct line_edit *line, const char *prompt);

/* One byte from the terminal. After LINE_READY and LINE_NOISE the line is to be begun anew by line_begin(). */
enum line_event line_feed(struct line_edit *line, uint8_t byte);

/* A new, empty line; output is the prompt. */
void line_begin(struct line_edit *line);

/* Inserts printable text at the cursor as if it were typed; what doesn't fit is noise. Adds to the output. */
void line_insert(struct line_edit *line, const char *text, size_t length);

/* Output is the prompt and the line once more, for a terminal whose cursor is in a row of its own. */
void line_redraw(struct line_edit *line);
