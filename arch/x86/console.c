/* Where log lines go: COM1, and the screen until the guest has it. */
#include "arch/x86/console.h"

#include "arch/x86/uart.h"
#include "lib/log.h"

enum { COM1 = 0x3f8 };

static struct uart com1;
static struct screen screen;
static bool screen_is_ours;

void console_init(bool serial)
{
    com1.present = false;
    if (serial)
        uart_init(&com1, COM1);
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

void console_seize_screen(void)
{
    if (screen_is_ours)
        return;
    screen_is_ours = true;
    screen_clear(&screen);
}

void console_write(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n')
            uart_put(&com1, '\r');
        uart_put(&com1, text[i]);
    }
    if (screen_is_ours)
        screen_write(&screen, text, length);
}

void console_flush(void)
{
    uart_flush(&com1);
}
