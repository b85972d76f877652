/*
 * The log: a ring of text in memory, and the consoles. The ring has the layout of Linux's persistent_ram_buffer
 * (fs/pstore/ram_core.c), which the ramoops driver reads, so that a later boot may show what an earlier one logged.
 */
#include "lib/log.h"

#include "lib/format.h"
#include "lib/string.h"

enum {
    RING_MAGIC = 0x43474244, /* PERSISTENT_RAM_SIG */
    LOCK_SPINS_MAX = 1000000,
};

/* `start` is where the next byte goes; `size` grows up to RING_TEXT, from then on the oldest text gives way. */
struct ring {
    uint32_t magic, start, size;
    char text[LOG_RING_BYTES - 3 * sizeof(uint32_t)];
};
#define RING_TEXT (uint32_t)sizeof(((struct ring *)0)->text)

static struct ring ring aligned(4096);
static enum log_level console_level = LOG_INFO;
static bool locked;

/* False if another CPU held the lock all the time: it may have died with it, and this line may tell why. */
static bool lock(void)
{
    for (unsigned spins = 0; spins < LOCK_SPINS_MAX; spins++) {
        if (!__atomic_exchange_n(&locked, true, __ATOMIC_ACQUIRE))
            return true;
        __builtin_ia32_pause();
    }
    return false;
}

static void unlock(void)
{
    __atomic_store_n(&locked, false, __ATOMIC_RELEASE);
}

/* Without the lock text may be mixed, but `start` is read once and so never leads out of the ring. */
static void ring_write(const char *text, uint32_t length)
{
    uint32_t start = __atomic_load_n(&ring.start, __ATOMIC_RELAXED);
    uint32_t size = __atomic_load_n(&ring.size, __ATOMIC_RELAXED);
    uint32_t first = length < RING_TEXT - start ? length : RING_TEXT - start;

    ring.magic = RING_MAGIC; /* here rather than in an initializer, which would put 64 KiB into the image file */
    memcpy(ring.text + start, text, first);
    memcpy(ring.text, text + first, length - first);
    __atomic_store_n(&ring.start, (start + length) % RING_TEXT, __ATOMIC_RELAXED);
    __atomic_store_n(&ring.size, length < RING_TEXT - size ? size + length : RING_TEXT, __ATOMIC_RELAXED);
}

static void write_line(enum log_level level, const char *line, size_t length)
{
    bool have_lock = lock();

    ring_write(line, (uint32_t)length);
    if (level <= __atomic_load_n(&console_level, __ATOMIC_RELAXED))
        console_write(level, line, length);
    if (have_lock)
        unlock();
}

static const char *mark(enum log_level level)
{
    return level == LOG_ERROR ? "error: " : level == LOG_WARNING ? "warning: " : "";
}

/* What `format_text` put at `length`, or would have, is now part of the line. */
static size_t grown(size_t length, size_t more)
{
    return more < LOG_LINE_MAX - 1 - length ? length + more : LOG_LINE_MAX - 1;
}

static void write_formatted(enum log_level level, size_t length, char line[LOG_LINE_MAX + 1], const char *format,
                            va_list args)
{
    length = grown(length, vformat_text(line + length, LOG_LINE_MAX - length, format, args));
    line[length] = '\n';
    write_line(level, line, length + 1);
}

void log_line(enum log_level level, const char *format, ...)
{
    char line[LOG_LINE_MAX + 1];
    va_list args;

    va_start(args, format);
    write_formatted(level, format_text(line, sizeof(line), "%s", mark(level)), line, format, args);
    va_end(args);
}

void log_cpu(enum log_level level, unsigned cpu, const char *format, ...)
{
    char line[LOG_LINE_MAX + 1];
    va_list args;

    va_start(args, format);
    write_formatted(level, format_text(line, sizeof(line), "%sCPU %u: ", mark(level), cpu), line, format, args);
    va_end(args);
}

void log_set_console_level(enum log_level level)
{
    __atomic_store_n(&console_level, level, __ATOMIC_RELAXED);
}

/* The newest text, at most `size` bytes of it. */
static uint32_t copy_newest(const struct ring *from, char *buffer, size_t size)
{
    uint32_t length = size < from->size ? (uint32_t)size : from->size;
    uint32_t begin = (from->start + RING_TEXT - length) % RING_TEXT;
    uint32_t first = length < RING_TEXT - begin ? length : RING_TEXT - begin;

    memcpy(buffer, from->text + begin, first);
    memcpy(buffer + first, from->text, length - first);
    return length;
}

size_t log_copy(char *buffer, size_t size)
{
    bool have_lock = lock();
    uint32_t length = copy_newest(&ring, buffer, size);

    if (have_lock)
        unlock();
    return length;
}

const void *log_ring(void)
{
    return &ring;
}

/* As ramoops checks it, and that what hasn't gone round yet begins at the beginning. */
bool log_ring_is_whole(const void *bytes)
{
    const struct ring *old = bytes;

    return old->magic == RING_MAGIC && old->size > 0 && old->size <= RING_TEXT && old->start < RING_TEXT &&
           (old->size == RING_TEXT || old->start == old->size);
}

size_t log_ring_copy(const void *bytes, char *buffer, size_t size)
{
    return copy_newest(bytes, buffer, size);
}
