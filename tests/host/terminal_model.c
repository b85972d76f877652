#include "tests/host/support.h"

#include "tests/host/terminal_model.h"

void terminal_guest_line(unsigned number, char text[TERMINAL_TEXT])
{
    snprintf(text, TERMINAL_TEXT, "= %u %.*s", number, (int)(number * 7 % 40),
             "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz");
}

static void row_ends(struct terminal *t)
{
    char text[TERMINAL_TEXT], last[TERMINAL_TEXT] = "";

    t->row[t->length] = '\0';
    terminal_guest_line(t->guest_lines, text);
    if (t->guest_lines)
        terminal_guest_line(t->guest_lines - 1, last);
    if (!strcmp(t->row, text))
        t->guest_lines++;
    else if (!strncmp(t->row, "plinth: LOG ", 12))
        assert_int_equal(atoi(t->row + 12), t->logs++);
    else if (!strncmp(t->row, "ANSWER ", 7))
        assert_int_equal(atoi(t->row + 7), t->answers++);
    else if (!strcmp(t->row, last))
        t->doubled++;
    else if (strncmp(t->row, "> ", 2) != 0) {
        if (strncmp(t->row, text, t->length) != 0 || !t->length)
            fail_msg("\"%s\" is no line, nor the beginning of \"%s\"", t->row, text);
        t->fragments++;
    }
    t->length = 0;
}

void terminal_shows(struct terminal *t, const char *text)
{
    for (; *text; text++) {
        if (!strncmp(text, "\x1b[K", 3)) {
            t->length = t->column;
            text += 2;
        } else if (*text == '\r') {
            t->column = 0;
        } else if (*text == '\n') {
            row_ends(t);
        } else {
            assert_true(t->column < sizeof(t->row) - 1);
            t->row[t->column++] = *text;
            if (t->length < t->column)
                t->length = t->column;
        }
    }
}
