/*
 * Text on the screen that the boot loader left: a linear framebuffer of 15 to 32 bits a pixel, or EGA text. Nothing is
 * ever read back, since reading video memory is slow: what stands where is kept in `cells`, and scrolling draws
 * anew only what changes. Pure: it writes to the memory it is given and nothing else.
 */
#pragma once

#include "lib/compiler.h"
#include "lib/error.h"
#include "lib/range.h"

/* Multiboot2 Specification 2.0, 3.6.12 "Framebuffer info". */
enum framebuffer_kind { FRAMEBUFFER_NONE = -1, FRAMEBUFFER_INDEXED = 0, FRAMEBUFFER_RGB = 1, FRAMEBUFFER_TEXT = 2 };

struct framebuffer {
    enum framebuffer_kind kind;
    uint64_t address;       /* physical */
    uint32_t pitch;         /* bytes a line */
    uint32_t width, height; /* pixels, or characters for FRAMEBUFFER_TEXT */
    uint8_t bits_per_pixel;
    uint8_t red_position, red_size, green_position, green_size, blue_position, blue_size; /* FRAMEBUFFER_RGB */
};

enum { SCREEN_COLUMNS_MAX = 160, SCREEN_ROWS_MAX = 64 }; /* of a larger screen the upper left part is used */

struct screen {
    struct framebuffer mode;
    uint8_t *memory;     /* where the framebuffer is mapped; NULL: nothing to draw on */
    uint32_t scale;      /* pixels a dot is wide; it is twice as high */
    uint32_t ink, paper; /* pixel values */
    uint32_t columns, rows, column, row;
    char cells[SCREEN_ROWS_MAX][SCREEN_COLUMNS_MAX];
};

/* The largest that can be mapped (arch/x86/layout.h). */
#define FRAMEBUFFER_BYTES_MAX (256 * MIB)

/* EGA text as a BIOS leaves it. */
struct framebuffer framebuffer_ega_text(void);

/* Can it be drawn on? `physical_bits`: MAXPHYADDR. The error says what is wrong and what the user can do. */
must_check bool framebuffer_check(const struct framebuffer *mode, unsigned physical_bits, struct error *error);

/* The physical range it takes. Of one that framebuffer_check() took. */
struct range framebuffer_range(const struct framebuffer *mode);

/* Starts with a clear screen, writing at the top. `memory`: where framebuffer_range(mode) is mapped; NULL: no screen.
 */
void screen_init(struct screen *screen, const struct framebuffer *mode, void *memory);

/* Clears it, whatever somebody else has drawn there. */
void screen_clear(struct screen *screen);

/* Text with newlines. */
void screen_write(struct screen *screen, const char *text, size_t length);
