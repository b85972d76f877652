#include "vmm/line_edit.h"

#include "lib/format.h"
#include "lib/string.h"

enum {
    CTRL_A = 1,
    CTRL_B = 2,
    CTRL_C = 3,
    CTRL_D = 4,
    CTRL_E = 5,
    CTRL_F = 6,
    BACKSPACE = 8,
    TAB = 9,
    LINE_FEED = 10,
    CTRL_K = 11,
    CTRL_L = 12,
    RETURN = 13,
    CTRL_N = 14,
    CTRL_P = 16,
    CTRL_U = 21,
    CTRL_W = 23,
    ESCAPE = 27,
    RUBOUT = 127,
    ESCAPE_NUMBER_MAX = 99,
};

static void put(struct line_edit *line, const char *text)
{
    size_t room = LINE_OUTPUT_MAX - line->output_length;

    format_text(line->output + line->output_length, room, "%s", text);
    line->output_length += (unsigned)strnlen(text, room - 1);
}

static void clear_output(struct line_edit *line)
{
    line->output_length = 0;
    line->output[0] = '\0';
}

/* From the cursor's old place in a row that holds prompt and line: both written again, the rest erased (ECMA-48 EL,
 * CUB).
 */
static void redraw_row(struct line_edit *line)
{
    char back[16];

    put(line, "\r");
    put(line, line->prompt);
    put(line, line->text);
    put(line, "\x1b[K");
    if (line->cursor < line->length) {
        format_text(back, sizeof(back), "\x1b[%uD", line->length - line->cursor);
        put(line, back);
    }
}

void line_redraw(struct line_edit *line)
{
    clear_output(line);
    redraw_row(line);
}

void line_begin(struct line_edit *line)
{
    line->length = line->cursor = line->noise = line->history_back = 0;
    line->text[0] = '\0';
    line->escape = ESCAPE_NONE;
    line_redraw(line);
}

void line_init(struct line_edit *line, const char *prompt)
{
    memset(line, 0, sizeof(*line));
    line->prompt = prompt;
    line_begin(line);
}

void line_insert(struct line_edit *line, const char *text, size_t length)
{
    size_t room = LINE_MAX_CHARACTERS - line->length;

    if (length > room) {
        line->noise += (unsigned)(length - room);
        length = room;
    }
    memmove(line->text + line->cursor + length, line->text + line->cursor, line->length - line->cursor + 1);
    memcpy(line->text + line->cursor, text, length);
    line->length += (unsigned)length;
    line->cursor += (unsigned)length;
    if (line->cursor == line->length)
        put(line, line->text + line->length - length);
    else
        redraw_row(line);
}

static void erase(struct line_edit *line, unsigned from, unsigned to)
{
    memmove(line->text + from, line->text + to, line->length - to + 1);
    line->length -= to - from;
    line->cursor = from;
    redraw_row(line);
}

static unsigned word_start(const struct line_edit *line)
{
    unsigned at = line->cursor;

    while (at && line->text[at - 1] == ' ')
        at--;
    while (at && line->text[at - 1] != ' ')
        at--;
    return at;
}

static void move_to(struct line_edit *line, unsigned cursor)
{
    line->cursor = cursor;
    redraw_row(line);
}

static void remember(struct line_edit *line)
{
    const char *last = line->history[(line->history_count - 1) % LINE_HISTORY];

    if (!line->length || (line->history_count && !strcmp(last, line->text)))
        return;
    memcpy(line->history[line->history_count++ % LINE_HISTORY], line->text, line->length + 1);
}

/* Shows the line `back` before the one that is being written, which itself is empty again on return to it. */
static void show_history(struct line_edit *line, unsigned back)
{
    unsigned kept = line->history_count < LINE_HISTORY ? line->history_count : LINE_HISTORY;

    if (back > kept)
        return;
    line->history_back = back;
    line->text[0] = '\0';
    if (back)
        memcpy(line->text, line->history[(line->history_count - back) % LINE_HISTORY], sizeof(line->text));
    line->length = line->cursor = (unsigned)strlen(line->text);
    redraw_row(line);
}

static void cursor_key(struct line_edit *line, uint8_t key)
{
    switch (key) {
    case 'A':
        show_history(line, line->history_back + 1);
        break;
    case 'B':
        if (line->history_back)
            show_history(line, line->history_back - 1);
        break;
    case 'C':
        if (line->cursor < line->length)
            move_to(line, line->cursor + 1);
        break;
    case 'D':
        if (line->cursor)
            move_to(line, line->cursor - 1);
        break;
    case 'H':
        move_to(line, 0);
        break;
    case 'F':
        move_to(line, line->length);
        break;
    }
}

/* ESC [ number ~: the keys of a VT220 and of what came after it */
static void numbered_key(struct line_edit *line, unsigned number)
{
    switch (number) {
    case 1:
    case 7:
        move_to(line, 0);
        break;
    case 4:
    case 8:
        move_to(line, line->length);
        break;
    case 3:
        if (line->cursor < line->length)
            erase(line, line->cursor, line->cursor + 1);
        break;
    }
}

/* A byte after ESC: "[" or "O" begins a sequence, which a letter or "~" ends. */
static void feed_escape(struct line_edit *line, uint8_t byte)
{
    if (line->escape == ESCAPE_BEGUN) {
        line->escape = byte == '[' || byte == 'O' ? ESCAPE_SEQUENCE : ESCAPE_NONE;
        line->escape_number = 0;
        return;
    }
    if (byte >= '0' && byte <= '9') {
        if (line->escape_number <= ESCAPE_NUMBER_MAX)
            line->escape_number = line->escape_number * 10 + (unsigned)(byte - '0');
        return;
    }
    if (byte == ';')
        return;
    line->escape = ESCAPE_NONE;
    if (byte == '~')
        numbered_key(line, line->escape_number);
    else
        cursor_key(line, byte);
}

static enum line_event enter(struct line_edit *line)
{
    put(line, "\r\n");
    if (line->noise)
        return LINE_NOISE;
    remember(line);
    return LINE_READY;
}

static void drop(struct line_edit *line)
{
    put(line, "^C\r\n");
    line->length = line->cursor = line->noise = line->history_back = 0;
    line->text[0] = '\0';
    redraw_row(line);
}

static enum line_event feed_control(struct line_edit *line, uint8_t byte)
{
    switch (byte) {
    case RETURN:
    case LINE_FEED:
        return enter(line);
    case TAB:
        return LINE_COMPLETE;
    case BACKSPACE:
    case RUBOUT:
        if (line->cursor)
            erase(line, line->cursor - 1, line->cursor);
        break;
    case CTRL_A:
        cursor_key(line, 'H');
        break;
    case CTRL_B:
        cursor_key(line, 'D');
        break;
    case CTRL_C:
        drop(line);
        break;
    case CTRL_D:
        numbered_key(line, 3);
        break;
    case CTRL_E:
        cursor_key(line, 'F');
        break;
    case CTRL_F:
        cursor_key(line, 'C');
        break;
    case CTRL_K:
        erase(line, line->cursor, line->length);
        break;
    case CTRL_L:
        redraw_row(line);
        break;
    case CTRL_N:
        cursor_key(line, 'B');
        break;
    case CTRL_P:
        cursor_key(line, 'A');
        break;
    case CTRL_U:
        erase(line, 0, line->cursor);
        break;
    case CTRL_W:
        erase(line, word_start(line), line->cursor);
        break;
    case ESCAPE:
        line->escape = ESCAPE_BEGUN;
        break;
    default:
        line->noise++;
    }
    return LINE_GOES_ON;
}

enum line_event line_feed(struct line_edit *line, uint8_t byte)
{
    bool second_half = line->after_return && byte == LINE_FEED;
    const char character = (char)byte;

    clear_output(line);
    line->after_return = byte == RETURN;
    if (second_half)
        return LINE_GOES_ON;
    /* a control character ends an escape sequence that never came to its end: half a sequence must not swallow Enter */
    if (line->escape != ESCAPE_NONE && byte >= ' ' && byte < RUBOUT) {
        feed_escape(line, byte);
        return LINE_GOES_ON;
    }
    line->escape = ESCAPE_NONE;
    if (byte >= ' ' && byte < RUBOUT)
        line_insert(line, &character, 1);
    else
        return feed_control(line, byte);
    return LINE_GOES_ON;
}
