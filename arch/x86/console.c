/* Where log lines go: the serial line, and the screen until the guest has it. */
#include "arch/x86/console.h"

#include "arch/x86/serial.h"
#include "lib/log.h"

static struct screen screen;
static bool screen_is_ours;

void console_init(struct console_words words)
{
    serial_init(words);
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

void console_write(const char *text, size_t length)
{
    serial_write(text, length);
    if (screen_is_ours)
        screen_write(&screen, text, length);
}

void console_flush(void)
{
    serial_flush();
}
