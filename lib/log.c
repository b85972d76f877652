/* The log: a ring of text in memory (lib/log_ring.h), and the consoles. */
#include "lib/log.h"

#include "lib/format.h"
#include "lib/log_ring.h"
#include "lib/string.h"

enum { LOCK_SPINS_MAX = 1000000 };

static struct log_ring ring aligned(4096);
static enum log_level console_level = LOG_INFO;
static bool locked;
static uint32_t progress;

void log_made_progress(void)
{
    __atomic_store_n(&progress, progress + 1, __ATOMIC_RELAXED);
}

bool log_goes_on(struct log_wait *wait)
{
    uint32_t now = __atomic_load_n(&progress, __ATOMIC_RELAXED);

    wait->spins = now == wait->progress ? wait->spins + 1 : 0;
    wait->progress = now;
    return wait->spins < LOCK_SPINS_MAX;
}

/* False if the CPU that holds the lock may have died with it; this line may tell why. */
static bool lock(void)
{
    struct log_wait wait = {0, 0};

    do {
        if (!__atomic_exchange_n(&locked, true, __ATOMIC_ACQUIRE))
            return true;
        __builtin_ia32_pause();
    } while (log_goes_on(&wait));
    return false;
}

static void unlock(void)
{
    __atomic_store_n(&locked, false, __ATOMIC_RELEASE);
}

static void write_line(enum log_level level, const char *line, size_t length)
{
    bool have_lock = lock();

    log_ring_write(&ring, line, (uint32_t)length);
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

size_t log_copy(char *buffer, size_t size)
{
    bool have_lock = lock();
    size_t length = log_ring_copy(&ring, buffer, size);

    if (have_lock)
        unlock();
    return length;
}

struct log_ring *log_ring(void)
{
    return &ring;
}
