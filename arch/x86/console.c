/* Where log lines go: the serial line, and the screen until the guest has it. */
#include "arch/x86/console.h"

#include "arch/x86/instr.h"
#include "arch/x86/serial.h"
#include "lib/log_ring.h"

enum { CACHE_LINE = 64 }; /* smaller than a CPU's own is right too */

static enum log_level serial_takes = LOG_INFO, screen_takes = LOG_INFO;
static struct screen screen;
static bool screen_is_ours;

void console_init(struct console_words words)
{
    serial_init(words);
}

void console_set_levels(enum log_level serial_level, enum log_level screen_level)
{
    serial_takes = serial_level;
    screen_takes = screen_level;
    log_set_console_level(serial_level > screen_level ? serial_level : screen_level);
}

enum log_level console_set_serial_level(enum log_level level)
{
    enum log_level before = serial_takes;

    console_set_levels(level, screen_takes);
    return before;
}

void console_set_screen(const struct framebuffer *mode, void *memory)
{
    screen_init(&screen, mode, memory);
    screen_is_ours = true;
}

void console_yield_screen(void)
{
    screen_is_ours = false;
}

void console_seize(void)
{
    serial_guest_has_ended();
    if (screen_is_ours)
        return;
    screen_is_ours = true;
    screen_clear(&screen);
}

void console_write(enum log_level level, const char *text, size_t length)
{
    if (level <= serial_takes)
        serial_write(text, length);
    if (screen_is_ours && level <= screen_takes)
        screen_write(&screen, text, length);
}

/* A reset need not write caches back. Every CPU with long mode has CLFLUSH. */
void log_write_back(const void *start, size_t length)
{
    const uint64_t first = ALIGN_DOWN((uint64_t)start, CACHE_LINE);

    for (uint64_t line = first; line < (uint64_t)start + length; line += CACHE_LINE)
        clflush((const void *)line);
}

void console_flush(void)
{
    serial_flush();
}
