#include "arch/x86/mux_rows.h"

#include "lib/string.h"

enum { ESCAPE = 0x1b };

static const char prefix[] = "plinth: ";

static void emit(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        mux_emit(text[i]);
}

/* Plinth's text has line feeds alone, and a terminal needs the return too. */
static void emit_lines(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n')
            mux_emit('\r');
        mux_emit(text[i]);
    }
}

static void erase_row(void)
{
    emit("\r\x1b[K", 4); /* ECMA-48 EL */
}

static void emit_with_prefix(const struct mux_rows *r, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (r->guest_runs && (i == 0 || text[i - 1] == '\n'))
            emit(prefix, sizeof(prefix) - 1);
        emit_lines(&text[i], 1);
    }
}

/* ---- the guest's row ---- */

/* Behind the escape sequence at `at`; 0 if it isn't whole. */
static unsigned sequence_end(const struct mux_rows *r, unsigned at)
{
    unsigned end = at + 1;

    if (end < r->guest_length && r->guest[end] == '[')
        end++;
    while (end < r->guest_length && (r->guest[end] < '@' || r->guest[end] > '~'))
        end++;
    return end < r->guest_length ? end + 1 : 0;
}

/*
 * What the guest's row holds, in an empty one. Of the escape sequences only colours (ECMA-48 SGR): a question such as
 * "where is the cursor" would be answered a second time. And the beginning of one whose end is to come.
 */
static void emit_guest_row(const struct mux_rows *r)
{
    for (unsigned i = 0, end; i < r->guest_length; i = end) {
        bool escape = r->guest[i] == ESCAPE;

        end = escape ? sequence_end(r, i) : i + 1;
        if (!end)
            end = r->guest_length;
        else if (escape && r->guest[end - 1] != 'm')
            continue;
        emit(r->guest + i, end - i);
    }
}

static void begin_guest_row(struct mux_rows *r)
{
    r->guest_length = 0;
    r->broken_length = 0;
    r->guest_is_longer = false;
    r->guest_returns = false;
}

/* A return without a line feed begins the row anew. */
static void keep(struct mux_rows *r, char byte)
{
    if (byte == '\r') {
        r->guest_returns = true;
        return;
    }
    if (r->guest_returns)
        begin_guest_row(r);
    if (r->guest_length < ROWS_GUEST)
        r->guest[r->guest_length++] = byte;
    else
        r->guest_is_longer = true;
}

/* All of it has been shown, in a row that was broken off. */
static bool is_whole_above(const struct mux_rows *r)
{
    return r->guest_length && r->guest_length == r->broken_length;
}

static bool row_is_open(const struct mux_rows *r)
{
    return r->guest_length && !r->owed && !r->monitor_shows;
}

static void break_row(struct mux_rows *r)
{
    if (!row_is_open(r))
        return;
    emit("\r\n", 2);
    r->broken_length = r->guest_length;
    if (r->guest_is_longer)
        begin_guest_row(r);
    r->owed = r->guest_length;
}

/* The cursor is to stand where the guest's is. */
static void pay(struct mux_rows *r)
{
    if (!r->owed)
        return;
    r->owed = false;
    emit_guest_row(r);
    if (r->guest_returns)
        mux_emit('\r');
}

/* In the guest's own row, or in an empty one below that it hasn't seen. */
static void show_byte(struct mux_rows *r, char byte)
{
    if (r->owed && (byte == '\r' || (byte == '\n' && is_whole_above(r))))
        return; /* the row was ended when it was broken off */
    if (r->owed && r->guest_returns && byte != '\n')
        r->owed = false; /* what it held is written over */
    pay(r);
    mux_emit(byte);
}

/* A line of the guest's above the monitor's row, when it is whole, or as long as can be kept. */
static void show_line_above(struct mux_rows *r)
{
    if (is_whole_above(r))
        return;
    erase_row();
    emit_guest_row(r);
    emit("\r\n", 2);
    emit(r->monitor, r->monitor_length);
}

static void end_line(struct mux_rows *r)
{
    begin_guest_row(r);
    r->owed = false;
    if (r->monitor_wanted)
        rows_show_monitor(r);
    else
        rows_flush(r);
}

void rows_guest(struct mux_rows *r, char byte)
{
    r->quiet = false;
    if (!r->monitor_shows) {
        show_byte(r, byte);
    } else if (byte == '\n') {
        show_line_above(r);
    } else if (byte != '\r' && !r->guest_returns && r->guest_length == ROWS_GUEST) {
        show_line_above(r);
        begin_guest_row(r);
    }
    if (byte == '\n')
        end_line(r);
    else
        keep(r, byte);
}

/* ---- Plinth's lines ---- */

static void log_above_monitor_row(struct mux_rows *r, const char *text, size_t length)
{
    if (r->monitor_length)
        erase_row();
    emit_with_prefix(r, text, length);
    emit(r->monitor, r->monitor_length);
}

void rows_log(struct mux_rows *r, const char *text, size_t length)
{
    if (r->monitor_shows) {
        log_above_monitor_row(r, text, length);
        return;
    }
    if (r->nobody_waits || length > ROWS_WAITING - r->waiting_length)
        rows_flush(r);
    if (r->nobody_waits || length > ROWS_WAITING)
        break_row(r);
    if (!row_is_open(r)) {
        emit_with_prefix(r, text, length);
        return;
    }
    memcpy(r->waiting + r->waiting_length, text, length);
    r->waiting_length += (unsigned)length;
}

void rows_tell(struct mux_rows *r, const char *text)
{
    if (!r->monitor_shows)
        break_row(r);
    else if (r->monitor_length)
        erase_row();
    emit_lines(text, strlen(text));
    if (r->monitor_shows)
        emit(r->monitor, r->monitor_length);
}

void rows_flush(struct mux_rows *r)
{
    r->waiting_ticks = 0;
    if (!r->waiting_length)
        return;
    break_row(r);
    emit_with_prefix(r, r->waiting, r->waiting_length);
    r->waiting_length = 0;
}

void rows_tick(struct mux_rows *r)
{
    bool waits = r->waiting_length || r->monitor_wanted;

    if (r->monitor_shows)
        return;
    if (!waits && r->quiet)
        pay(r);
    if (waits && (r->quiet || ++r->waiting_ticks >= ROWS_TICKS_MAX)) {
        rows_flush(r);
        if (r->monitor_wanted)
            rows_show_monitor(r);
    }
    r->quiet = true;
}

void rows_guest_has_ended(struct mux_rows *r)
{
    r->nobody_waits = true;
    rows_flush(r);
}

/* ---- the monitor's row ---- */

void rows_show_monitor(struct mux_rows *r)
{
    if (r->monitor_shows)
        return;
    rows_flush(r);
    break_row(r);
    r->monitor_shows = true;
    r->owed = false;
    emit(r->monitor, r->monitor_length);
}

void rows_want_monitor(struct mux_rows *r, bool wanted)
{
    r->monitor_wanted = wanted;
    r->waiting_ticks = 0;
    if (wanted && (r->nobody_waits || !row_is_open(r)))
        rows_show_monitor(r);
    if (wanted || !r->monitor_shows)
        return;
    erase_row();
    r->monitor_shows = false;
    r->owed = r->guest_length;
    r->quiet = false;
}

void rows_set_monitor(struct mux_rows *r, const char *row, size_t length, const char *echo)
{
    if (r->monitor_wanted)
        rows_show_monitor(r);
    r->monitor_length = (unsigned)(length < ROWS_MONITOR ? length : ROWS_MONITOR);
    memcpy(r->monitor, row, r->monitor_length);
    if (r->monitor_shows)
        emit(echo, strlen(echo));
}
