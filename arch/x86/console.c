/* Where log lines go: COM1, and VGA text until the guest has the screen. */
#include "arch/x86/console.h"

#include "arch/x86/uart.h"
#include "lib/log.h"
#include "lib/string.h"

enum { COM1 = 0x3f8, VGA_TEXT = 0xb8000, COLUMNS = 80, ROWS = 25, WHITE_ON_BLACK = 0x07 };

static struct uart com1;
static uint16_t *vga; /* NULL: no text screen */
static unsigned vga_column;

static void vga_scroll(void)
{
    memmove(vga, vga + COLUMNS, (ROWS - 1) * COLUMNS * sizeof(*vga));
    for (unsigned i = 0; i < COLUMNS; i++)
        vga[(ROWS - 1) * COLUMNS + i] = WHITE_ON_BLACK << 8 | ' ';
    vga_column = 0;
}

static void vga_put(char character)
{
    if (character == '\n' || vga_column == COLUMNS)
        vga_scroll();
    if (character == '\n')
        return;
    vga[(ROWS - 1) * COLUMNS + vga_column++] = (uint16_t)(WHITE_ON_BLACK << 8 | (uint8_t)character);
}

void console_init(bool serial, bool vga_text)
{
    com1.present = false;
    if (serial)
        uart_init(&com1, COM1);
    vga = vga_text ? (uint16_t *)(uint64_t)VGA_TEXT : NULL;
}

void console_map_vga(void *text)
{
    if (vga)
        vga = text;
}

void console_write(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n')
            uart_put(&com1, '\r');
        uart_put(&com1, text[i]);
        if (vga)
            vga_put(text[i]);
    }
}

void console_flush(void)
{
    uart_flush(&com1);
}
