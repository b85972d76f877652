#include "arch/x86/framebuffer.h"

#include "arch/x86/font.h"
#include "lib/string.h"

enum {
    CELL_WIDTH = 8, /* dots: 5 of the font, and what keeps characters apart */
    CELL_MARGIN = 1,
    DOT_HEIGHT = 2,
    SCALE_MAX = 2,
    LARGE_WIDTH = 2560, /* from here on characters of 8x16 pixels are too small to read */
    PIXEL_BYTES_MAX = 4,
    SIZE_MAX_PIXELS = 16384,
    EGA_ADDRESS = 0xb8000,
    EGA_COLUMNS = 80,
    EGA_ROWS = 25,
    EGA_GREY_ON_BLACK = 0x07,
};
enum { CELL_PIXELS = CELL_WIDTH * SCALE_MAX, CELL_WORDS = CELL_PIXELS * PIXEL_BYTES_MAX / 8 };

#define REMEDY "put \"set gfxpayload=1024x768x32\" (or text) between multiboot2 and boot in GRUB's entry"

/* A framebuffer's lines need not be aligned. */
struct packed word {
    uint64_t value;
};

struct framebuffer framebuffer_ega_text(void)
{
    return (struct framebuffer){.kind = FRAMEBUFFER_TEXT,
                                .address = EGA_ADDRESS,
                                .pitch = EGA_COLUMNS * 2,
                                .width = EGA_COLUMNS,
                                .height = EGA_ROWS,
                                .bits_per_pixel = 16};
}

static uint32_t pixel_bytes(const struct framebuffer *mode)
{
    return mode->kind == FRAMEBUFFER_TEXT ? 2 : (mode->bits_per_pixel + 7u) / 8;
}

static bool is_inside_pixel(const struct framebuffer *mode, unsigned position, unsigned size)
{
    return size > 0 && position + size <= mode->bits_per_pixel;
}

static bool check_pixels(const struct framebuffer *mode, struct error *error)
{
    if (mode->kind == FRAMEBUFFER_INDEXED)
        return fail(error,
                    "Screen: the framebuffer has a palette (%u bits a pixel), which Plinth can't draw on: " REMEDY,
                    mode->bits_per_pixel);
    if (mode->kind == FRAMEBUFFER_TEXT)
        return true;
    if (mode->bits_per_pixel != 15 && mode->bits_per_pixel != 16 && mode->bits_per_pixel != 24 &&
        mode->bits_per_pixel != 32)
        return fail(error, "Screen: the framebuffer has %u bits a pixel, not 15, 16, 24 or 32: " REMEDY,
                    mode->bits_per_pixel);
    if (!is_inside_pixel(mode, mode->red_position, mode->red_size) ||
        !is_inside_pixel(mode, mode->green_position, mode->green_size) ||
        !is_inside_pixel(mode, mode->blue_position, mode->blue_size))
        return fail(error,
                    "Screen: the framebuffer's colours (red %u+%u, green %u+%u, blue %u+%u) aren't in its %u "
                    "bits: " REMEDY,
                    mode->red_position, mode->red_size, mode->green_position, mode->green_size, mode->blue_position,
                    mode->blue_size, mode->bits_per_pixel);
    return true;
}

static bool check_geometry(const struct framebuffer *mode, unsigned physical_bits, struct error *error)
{
    const bool text = mode->kind == FRAMEBUFFER_TEXT;
    const uint32_t least_width = text ? 1 : CELL_WIDTH, least_height = text ? 1 : FONT_DOTS_HIGH * DOT_HEIGHT;
    const uint64_t top = (uint64_t)1 << physical_bits, size = (uint64_t)mode->pitch * mode->height;

    if (mode->width < least_width || mode->width > SIZE_MAX_PIXELS || mode->height < least_height ||
        mode->height > SIZE_MAX_PIXELS || mode->pitch < mode->width * pixel_bytes(mode) ||
        mode->pitch > SIZE_MAX_PIXELS * PIXEL_BYTES_MAX || (text && mode->pitch % 2))
        return fail(error, "Screen: a framebuffer of %ux%u with %u bytes a line makes no sense: " REMEDY, mode->width,
                    mode->height, mode->pitch);
    if (size > FRAMEBUFFER_BYTES_MAX || mode->address == 0 || mode->address >= top || size > top - mode->address)
        return fail(error, "Screen: a framebuffer of 0x%lx bytes can't be at 0x%lx: " REMEDY, size, mode->address);
    return true;
}

bool framebuffer_check(const struct framebuffer *mode, unsigned physical_bits, struct error *error)
{
    if (mode->kind == FRAMEBUFFER_NONE)
        return fail(error, "Screen: the boot loader left none that Plinth can draw on: " REMEDY);
    return check_pixels(mode, error) && check_geometry(mode, physical_bits, error);
}

struct range framebuffer_range(const struct framebuffer *mode)
{
    return (struct range){mode->address, mode->address + (uint64_t)mode->pitch * mode->height};
}

static void store(uint8_t *at, uint64_t value)
{
    ((volatile struct word *)at)->value = value; /* volatile: no library call that would write it bytewise */
}

/* All bits of the three colours. */
static uint32_t white(const struct framebuffer *mode)
{
    const uint64_t red = (((uint64_t)1 << mode->red_size) - 1) << mode->red_position;
    const uint64_t green = (((uint64_t)1 << mode->green_size) - 1) << mode->green_position;
    const uint64_t blue = (((uint64_t)1 << mode->blue_size) - 1) << mode->blue_position;

    return (uint32_t)(red | green | blue);
}

/* One line of pixels of a character into `words`; returns how many words that are: 8 or 16 pixels fill whole ones. */
static unsigned compose(const struct screen *screen, uint8_t dots, uint64_t words[CELL_WORDS])
{
    const uint32_t bytes = pixel_bytes(&screen->mode), pixels = CELL_WIDTH * screen->scale;
    uint8_t *at = (uint8_t *)words;

    for (uint32_t x = 0; x < pixels; x++, at += bytes) {
        const unsigned dot = x / screen->scale;
        const bool set = dots << dot & 1 << (FONT_DOTS_WIDE - 1 + CELL_MARGIN);

        memcpy(at, set ? &screen->ink : &screen->paper, bytes); /* little-endian, as pixels are */
    }
    return pixels * bytes / 8;
}

static void draw_pixels(const struct screen *screen, uint32_t row, uint32_t column, char character)
{
    const uint32_t lines = FONT_DOTS_HIGH * DOT_HEIGHT * screen->scale;
    const uint32_t left = column * CELL_WIDTH * screen->scale * pixel_bytes(&screen->mode);
    uint8_t *line = screen->memory + (uint64_t)row * lines * screen->mode.pitch + left;
    uint64_t words[CELL_WORDS];

    for (uint32_t y = 0; y < lines; y++, line += screen->mode.pitch) {
        const unsigned count = compose(screen, font_row(character, y / (DOT_HEIGHT * screen->scale)), words);

        for (unsigned i = 0; i < count; i++)
            store(line + i * 8, words[i]);
    }
}

static void draw_cell(struct screen *screen, uint32_t row, uint32_t column, char character)
{
    screen->cells[row][column] = character;
    if (screen->mode.kind == FRAMEBUFFER_TEXT)
        ((volatile uint16_t *)(screen->memory + (uint64_t)row * screen->mode.pitch))[column] =
            (uint16_t)(EGA_GREY_ON_BLACK << 8 | (uint8_t)character);
    else
        draw_pixels(screen, row, column, character);
}

static void set_cell(struct screen *screen, uint32_t row, uint32_t column, char character)
{
    if (screen->cells[row][column] != character)
        draw_cell(screen, row, column, character);
}

/* Everything but the padding at the ends of the lines. */
static void paint_paper(const struct screen *screen)
{
    const struct framebuffer *mode = &screen->mode;

    for (uint32_t y = 0; y < mode->height; y++) {
        uint8_t *line = screen->memory + (uint64_t)y * mode->pitch;
        uint32_t size = mode->width * pixel_bytes(mode), at = 0;

        for (; at + 8 <= size; at += 8)
            store(line + at, 0); /* paper is black, which is 0 in every mode */
        for (; at < size; at++)
            ((volatile uint8_t *)line)[at] = 0;
    }
}

void screen_clear(struct screen *screen)
{
    screen->row = screen->column = 0;
    if (!screen->memory)
        return;
    memset(screen->cells, ' ', sizeof(screen->cells));
    if (screen->mode.kind == FRAMEBUFFER_RGB)
        paint_paper(screen);
    for (uint32_t row = 0; screen->mode.kind == FRAMEBUFFER_TEXT && row < screen->rows; row++)
        for (uint32_t column = 0; column < screen->columns; column++)
            draw_cell(screen, row, column, ' ');
}

static uint32_t at_most(uint32_t value, uint32_t most)
{
    return value < most ? value : most;
}

void screen_init(struct screen *screen, const struct framebuffer *mode, void *memory)
{
    const bool text = mode->kind == FRAMEBUFFER_TEXT;

    memset(screen, 0, sizeof(*screen));
    if (!memory)
        return;
    screen->mode = *mode;
    screen->memory = memory;
    screen->scale = mode->width < LARGE_WIDTH ? 1 : SCALE_MAX;
    screen->ink = text ? 0 : white(mode);
    screen->paper = 0;
    screen->columns = at_most(text ? mode->width : mode->width / (CELL_WIDTH * screen->scale), SCREEN_COLUMNS_MAX);
    screen->rows =
        at_most(text ? mode->height : mode->height / (FONT_DOTS_HIGH * DOT_HEIGHT * screen->scale), SCREEN_ROWS_MAX);
    screen_clear(screen);
}

static void scroll(struct screen *screen)
{
    for (uint32_t row = 0; row < screen->rows; row++)
        for (uint32_t column = 0; column < screen->columns; column++)
            set_cell(screen, row, column, row + 1 < screen->rows ? screen->cells[row + 1][column] : ' ');
}

static void new_line(struct screen *screen)
{
    screen->column = 0;
    if (screen->row + 1 < screen->rows)
        screen->row++;
    else
        scroll(screen);
}

static void put(struct screen *screen, char character)
{
    if (character == '\n') {
        new_line(screen);
        return;
    }
    if (screen->column == screen->columns)
        new_line(screen);
    set_cell(screen, screen->row, screen->column++, character);
}

void screen_write(struct screen *screen, const char *text, size_t length)
{
    for (size_t i = 0; screen->memory && i < length; i++)
        put(screen, text[i]);
}
