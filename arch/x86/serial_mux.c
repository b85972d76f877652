#include "arch/x86/serial_mux.h"

#include "lib/string.h"

enum { CTRL_A = 1, ESCAPE = 0x1b, BREAK_ERRORS = LSR_BREAK, BAD_ERRORS = LSR_PARITY | LSR_FRAMING | LSR_OVERRUN };

static const char prefix[] = "plinth: ";
static const char keys[] = "Ctrl-A h: these keys\n"
                           "Ctrl-A c: to the monitor, and back to the guest\n"
                           "Ctrl-A b: a break, for the guest\n"
                           "Ctrl-A Ctrl-A: one Ctrl-A\n";

/* ---- queues ---- */

static bool push(struct mux_queue *q, uint8_t byte, uint8_t errors)
{
    unsigned at = (q->first + q->count) % MUX_QUEUE;

    if (q->count == MUX_QUEUE)
        return false;
    q->entries[at].byte = byte;
    q->entries[at].errors = errors;
    q->count++;
    return true;
}

static bool pop(struct mux_queue *q, uint8_t *byte, uint8_t *errors)
{
    if (!q->count)
        return false;
    *byte = q->entries[q->first].byte;
    *errors = q->entries[q->first].errors;
    q->first = (uint16_t)((q->first + 1) % MUX_QUEUE);
    q->count--;
    return true;
}

/* ---- what the terminal shows ---- */

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

static void emit_with_prefix(const struct serial_mux *m, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (m->guest_runs && (i == 0 || text[i - 1] == '\n'))
            emit(prefix, sizeof(prefix) - 1);
        emit_lines(&text[i], 1);
    }
}

static void emit_above_monitor_row(struct serial_mux *m, const char *text, size_t length)
{
    if (m->monitor_row_length)
        erase_row();
    emit_with_prefix(m, text, length);
    emit(m->monitor_row, m->monitor_row_length);
}

/*
 * What the guest's row holds, once more. Of the escape sequences only colours (ECMA-48 SGR): a question such as "where
 * is the cursor" would be answered a second time.
 */
static void emit_guest_row(const struct serial_mux *m)
{
    for (unsigned i = 0; i < m->guest_row_length; i++) {
        unsigned end = i + 1;

        if (m->guest_row[i] != ESCAPE) {
            mux_emit(m->guest_row[i]);
            continue;
        }
        if (end < m->guest_row_length && m->guest_row[end] == '[')
            end++;
        while (end < m->guest_row_length && (m->guest_row[end] < '@' || m->guest_row[end] > '~'))
            end++;
        if (end < m->guest_row_length && m->guest_row[end] == 'm')
            emit(m->guest_row + i, end + 1 - i);
        i = end;
    }
}

void mux_flush(struct serial_mux *m)
{
    if (!m->pending_length)
        return;
    if (m->guest_row_length)
        emit("\r\n", 2);
    emit_with_prefix(m, m->pending, m->pending_length);
    m->pending_length = 0;
    emit_guest_row(m);
}

void mux_log(struct serial_mux *m, const char *text, size_t length)
{
    if (m->monitor_has_keys) {
        emit_above_monitor_row(m, text, length);
        return;
    }
    if (length > MUX_PENDING - m->pending_length)
        mux_flush(m);
    if (!m->guest_row_length || length > MUX_PENDING - m->pending_length) {
        emit_with_prefix(m, text, length);
        return;
    }
    memcpy(m->pending + m->pending_length, text, length);
    m->pending_length += (unsigned)length;
}

void mux_tick(struct serial_mux *m)
{
    if (m->quiet && !m->monitor_has_keys)
        mux_flush(m);
    m->quiet = true;
}

/* The row as far as it is kept: its beginning. A return without a line feed begins it anew. */
static void keep_in_row(struct serial_mux *m, char byte)
{
    if (byte == '\r') {
        m->guest_row_returns = true;
        return;
    }
    if (m->guest_row_returns)
        m->guest_row_length = 0;
    m->guest_row_returns = false;
    if (m->guest_row_length < MUX_GUEST_ROW)
        m->guest_row[m->guest_row_length++] = byte;
}

static void end_row(struct serial_mux *m)
{
    m->guest_row_length = 0;
    m->guest_row_returns = false;
}

/* The monitor has the row of the terminal: a line of the guest's comes when it is whole, or as long as can be kept. */
static void show_guest_line(struct serial_mux *m)
{
    erase_row();
    emit_guest_row(m);
    emit("\r\n", 2);
    emit(m->monitor_row, m->monitor_row_length);
    end_row(m);
}

static void guest_writes(struct serial_mux *m, char byte)
{
    m->quiet = false;
    if (!m->monitor_has_keys)
        mux_emit(byte);
    else if (byte == '\n' || m->guest_row_length == MUX_GUEST_ROW)
        show_guest_line(m);
    if (byte != '\n') {
        keep_in_row(m, byte);
        return;
    }
    end_row(m);
    mux_flush(m);
}

void mux_pump(struct serial_mux *m)
{
    uint8_t byte, errors;

    while (uart16550_has_room(&m->guest) && pop(&m->to_guest, &byte, &errors))
        uart16550_receive(&m->guest, byte, errors);
    while (mux_can_emit() && uart16550_send(&m->guest, &byte))
        guest_writes(m, (char)byte);
}

/* ---- what is typed ---- */

static void to_guest(struct serial_mux *m, uint8_t byte, uint8_t errors)
{
    if (!push(&m->to_guest, byte, errors))
        uart16550_receive(&m->guest, byte, errors); /* is lost there, and the guest sees the overrun */
}

static void change_over(struct serial_mux *m)
{
    m->monitor_has_keys = !m->monitor_has_keys;
    if (m->monitor_has_keys) {
        mux_flush(m);
        emit("\r\n", m->guest_row_length ? 2 : 0);
        emit(m->monitor_row, m->monitor_row_length);
    } else {
        erase_row();
        emit_guest_row(m);
    }
}

void mux_call_monitor(struct serial_mux *m)
{
    if (!m->monitor_has_keys && !m->fixed)
        change_over(m);
}

static void show_keys(struct serial_mux *m)
{
    if (m->monitor_has_keys) {
        erase_row();
        emit_lines(keys, sizeof(keys) - 1);
        emit(m->monitor_row, m->monitor_row_length);
        return;
    }
    emit("\r\n", m->guest_row_length ? 2 : 0);
    emit_lines(keys, sizeof(keys) - 1);
    emit_guest_row(m);
}

static void deliver(struct serial_mux *m, uint8_t byte, uint8_t errors)
{
    if (!m->monitor_has_keys)
        to_guest(m, byte, errors);
    else
        (void)push(&m->to_monitor, byte, errors); /* a full queue: nobody has typed that much */
}

static void escape_key(struct serial_mux *m, uint8_t byte)
{
    switch (byte) {
    case 'h':
    case '?':
        show_keys(m);
        break;
    case 'c':
        change_over(m);
        break;
    case 'b':
        to_guest(m, 0, BREAK_ERRORS);
        break;
    case CTRL_A:
        deliver(m, byte, 0);
        break;
    }
}

void mux_input(struct serial_mux *m, uint8_t byte, uint8_t errors)
{
    bool escaped = m->escaped;

    m->escaped = false;
    if (errors)
        deliver(m, byte, errors);
    else if (escaped)
        escape_key(m, byte);
    else if (byte == CTRL_A && !m->fixed)
        m->escaped = true;
    else
        deliver(m, byte, 0);
}

/* ---- the monitor's side ---- */

void mux_set_row(struct serial_mux *m, const char *row, size_t length, const char *echo)
{
    m->monitor_row_length = (unsigned)(length < MUX_MONITOR_ROW ? length : MUX_MONITOR_ROW);
    memcpy(m->monitor_row, row, m->monitor_row_length);
    if (m->monitor_has_keys)
        emit(echo, strlen(echo));
}

void mux_talk(struct serial_mux *m, const char *text)
{
    if (m->monitor_has_keys)
        emit_lines(text, strlen(text));
    else
        mux_log(m, text, strlen(text));
}

enum mux_input mux_take(struct serial_mux *m, uint8_t *byte)
{
    uint8_t errors;

    if (!pop(&m->to_monitor, byte, &errors))
        return MUX_NOTHING;
    if (errors & LSR_BREAK)
        return MUX_BREAK;
    return errors & BAD_ERRORS ? MUX_GARBLED : MUX_BYTE;
}
