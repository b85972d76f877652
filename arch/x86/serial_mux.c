#include "arch/x86/serial_mux.h"

#include "lib/format.h"
#include "lib/string.h"

enum { CTRL_A = 1, BREAK_ERRORS = LSR_BREAK, BAD_ERRORS = LSR_PARITY | LSR_FRAMING | LSR_OVERRUN };

static const char keys[] = "Ctrl-A h: these keys\n"
                           "Ctrl-A c: to the monitor, and back to the guest\n"
                           "Ctrl-A b: a break, for the guest\n"
                           "Ctrl-A Ctrl-A: one Ctrl-A\n";

void mux_init(struct serial_mux *m, bool shared, bool monitor_has_keys)
{
    memset(m, 0, sizeof(*m));
    m->fixed = !shared;
    m->monitor_has_keys = monitor_has_keys;
    m->rows.monitor_wanted = m->rows.monitor_shows = monitor_has_keys;
}

/* ---- queues ---- */

/* Of a queue that isn't empty. */
static struct mux_entry *newest(struct mux_queue *q)
{
    return &q->entries[(q->first + q->count - 1) % MUX_QUEUE];
}

static bool push(struct mux_queue *q, uint8_t byte, uint8_t errors)
{
    if (q->count == MUX_QUEUE)
        return false;
    q->count++;
    *newest(q) = (struct mux_entry){.byte = byte, .errors = errors};
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

/* ---- the guest's bytes and what is typed ---- */

void mux_pump(struct serial_mux *m)
{
    uint8_t byte, errors;

    while (uart16550_has_room(&m->guest) && pop(&m->to_guest, &byte, &errors))
        uart16550_receive(&m->guest, byte, errors);
    while (m->guest.sent_count && mux_can_emit() && uart16550_send(&m->guest, &byte))
        rows_guest(&m->rows, (char)byte);
}

static void to_guest(struct serial_mux *m, uint8_t byte, uint8_t errors)
{
    if (!push(&m->to_guest, byte, errors))
        uart16550_receive(&m->guest, byte, errors); /* is lost there, and the guest sees the overrun */
}

static void change_over(struct serial_mux *m)
{
    __atomic_store_n(&m->monitor_has_keys, !m->monitor_has_keys, __ATOMIC_RELAXED);
    rows_want_monitor(&m->rows, m->monitor_has_keys);
}

void mux_call_monitor(struct serial_mux *m)
{
    if (!m->monitor_has_keys && !m->fixed)
        change_over(m);
}

static void deliver(struct serial_mux *m, uint8_t byte, uint8_t errors)
{
    if (!m->monitor_has_keys)
        to_guest(m, byte, errors);
    else if (!push(&m->to_monitor, byte, errors)) /* nobody has typed that much: noise, and it is told so */
        newest(&m->to_monitor)->errors |= LSR_OVERRUN;
}

static void refuse_key(struct serial_mux *m, uint8_t byte)
{
    char text[64];

    format_text(text, sizeof(text), "error: Ctrl-A and byte %02x: no such key; Ctrl-A h lists them\n", byte);
    mux_talk(m, text);
}

static void escape_key(struct serial_mux *m, uint8_t byte)
{
    switch (byte) {
    case 'h':
    case '?':
        rows_tell(&m->rows, keys);
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
    default:
        refuse_key(m, byte);
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

void mux_talk(struct serial_mux *m, const char *text)
{
    if (m->monitor_has_keys) {
        rows_show_monitor(&m->rows);
        rows_tell(&m->rows, text);
    } else {
        rows_log(&m->rows, text, strlen(text));
    }
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
