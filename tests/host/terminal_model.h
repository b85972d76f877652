/* A terminal at the other end of the serial line: what its rows say. For random runs with numbered lines. */
#pragma once

#include "lib/compiler.h"

enum { TERMINAL_TEXT = 64 };

struct terminal {
    char row[4096];
    size_t column, length;
    /* The guest's lines ("= N ..."), each whole, once, in order; "plinth: LOG N" and "ANSWER N" too; beginnings of the
     * guest's next line; and its last line once more. Rows that begin with "> " aren't looked at. */
    unsigned guest_lines, logs, answers, fragments, doubled;
};

/* The guest's line with a number, without its end. */
void terminal_guest_line(unsigned number, char text[TERMINAL_TEXT]);

/* Any other row fails the test. */
void terminal_shows(struct terminal *t, const char *text);
