/* arch/x86/framebuffer.c: what is refused, and that what is drawn can be read again, pixel by pixel, in every mode. */
#include "tests/host/support.h"

#include "arch/x86/font.h"
#include "arch/x86/framebuffer.h"

enum { PHYSICAL_BITS = 46, PADDING = 0xa5 };

static struct error error;
static struct screen screen;

static struct framebuffer rgb(uint32_t width, uint32_t height, uint8_t bits)
{
    struct framebuffer mode = {.kind = FRAMEBUFFER_RGB,
                               .address = 0xe0000000,
                               .pitch = width * ((bits + 7u) / 8) + 3, /* lines needn't be aligned */
                               .width = width,
                               .height = height,
                               .bits_per_pixel = bits,
                               .red_position = 16,
                               .red_size = 8,
                               .green_position = 8,
                               .green_size = 8,
                               .blue_position = 0,
                               .blue_size = 8};

    if (bits <= 16) {
        mode.red_position = bits == 15 ? 10 : 11;
        mode.red_size = mode.blue_size = 5;
        mode.green_position = 5;
        mode.green_size = bits == 15 ? 5 : 6;
    }
    return mode;
}

static uint8_t *start(const struct framebuffer *mode)
{
    uint8_t *memory = malloc((size_t)mode->pitch * mode->height);

    memset(memory, PADDING, (size_t)mode->pitch * mode->height);
    screen_init(&screen, mode, memory);
    return memory;
}

static void say(const char *text)
{
    screen_write(&screen, text, strlen(text));
}

static uint32_t pixel(const struct framebuffer *mode, const uint8_t *memory, uint32_t x, uint32_t y)
{
    const uint32_t bytes = (mode->bits_per_pixel + 7u) / 8;
    uint32_t value = 0;

    memcpy(&value, memory + (size_t)y * mode->pitch + x * bytes, bytes);
    return value;
}

/* Which character a cell shows, by its pixels alone; 0 if none looks so. */
static char read_cell(const struct framebuffer *mode, const uint8_t *memory, uint32_t scale, uint32_t left,
                      uint32_t top)
{
    for (char character = ' '; character <= '~'; character++) {
        bool same = true;

        for (uint32_t y = 0; same && y < 16 * scale; y++)
            for (uint32_t x = 0; same && x < 8 * scale; x++) {
                const uint32_t dot = x / scale;
                const bool set = dot >= 1 && dot <= FONT_DOTS_WIDE &&
                                 font_row(character, y / scale / 2) >> (FONT_DOTS_WIDE - dot) & 1;

                same = (pixel(mode, memory, left + x, top + y) != 0) == set;
            }
        if (same)
            return character;
    }
    return 0;
}

static void assert_line(const struct framebuffer *mode, const uint8_t *memory, uint32_t scale, uint32_t row,
                        const char *text)
{
    for (uint32_t i = 0; text[i]; i++)
        assert_int_equal(read_cell(mode, memory, scale, i * 8 * scale, row * 16 * scale), text[i]);
    if (strlen(text) < screen.columns)
        assert_int_equal(read_cell(mode, memory, scale, (uint32_t)strlen(text) * 8 * scale, row * 16 * scale), ' ');
}

static void characters_differ(void **state)
{
    (void)state;
    for (char a = ' '; a <= '~'; a++)
        for (char b = ' '; b < a; b++) {
            bool same = true;

            for (unsigned row = 0; row < FONT_DOTS_HIGH; row++)
                same = same && font_row(a, row) == font_row(b, row);
            assert_false(same);
        }
    assert_int_equal(font_row('\t', 0), font_row('?', 0));
    assert_int_equal(font_row((char)0xe4, 3), font_row('?', 3));
    assert_int_equal(font_row('A', FONT_DOTS_HIGH), 0);
}

static void every_depth_can_be_read(void **state)
{
    static const struct {
        uint8_t bits;
        uint32_t white;
    } depths[] = {{15, 0x7fff}, {16, 0xffff}, {24, 0xffffff}, {32, 0xffffff}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(depths); i++) {
        const struct framebuffer mode = rgb(203, 50, depths[i].bits);
        uint8_t *memory = start(&mode);

        assert_true(framebuffer_check(&mode, PHYSICAL_BITS, &error));
        say("VT-x: this\nCPU {has} none~");
        assert_line(&mode, memory, 1, 0, "VT-x: this");
        assert_line(&mode, memory, 1, 1, "CPU {has} none~");
        assert_int_equal(pixel(&mode, memory, 1, 0), depths[i].white); /* the V's upper left end */
        assert_int_equal(pixel(&mode, memory, mode.width - 1, mode.height - 1), 0);
        for (uint32_t y = 0; y < mode.height; y++)
            assert_int_equal(memory[(size_t)y * mode.pitch + mode.pitch - 1], PADDING);
        free(memory);
    }
}

static void large_screens_get_large_characters(void **state)
{
    const struct framebuffer mode = rgb(3840, 64, 32);
    uint8_t *memory = start(&mode);

    (void)state;
    say("big\nenough\nis\nit");
    assert_int_equal(screen.columns, SCREEN_COLUMNS_MAX);
    assert_line(&mode, memory, 2, 0, "is");
    assert_line(&mode, memory, 2, 1, "it");
    free(memory);
}

static void text_wraps_and_scrolls(void **state)
{
    const struct framebuffer mode = rgb(80, 48, 32); /* 10 x 3 */
    uint8_t *memory = start(&mode);

    (void)state;
    say("0123456789\nabcdefghijklm\n");
    assert_line(&mode, memory, 1, 0, "abcdefghij");
    assert_line(&mode, memory, 1, 1, "klm");
    assert_line(&mode, memory, 1, 2, "");
    say("x");
    assert_line(&mode, memory, 1, 2, "x");
    memset(memory, PADDING, (size_t)mode.pitch * mode.height); /* somebody else's picture */
    screen_clear(&screen);
    say("CRASH");
    assert_line(&mode, memory, 1, 0, "CRASH");
    assert_line(&mode, memory, 1, 1, "");
    free(memory);
}

static void ega_text(void **state)
{
    struct framebuffer mode = framebuffer_ega_text();
    uint16_t *memory;

    (void)state;
    assert_true(framebuffer_check(&mode, PHYSICAL_BITS, &error));
    mode.height = 2;
    memory = (uint16_t *)start(&mode);
    say("gone\nPlinth\n0.1");
    assert_int_equal(memory[0], 0x0700 | 'P');
    assert_int_equal(memory[6], 0x0700 | ' ');
    assert_int_equal(memory[80 + 2], 0x0700 | '1');
    free(memory);
}

static void no_screen_is_no_trouble(void **state)
{
    const struct framebuffer nonsense = {.kind = FRAMEBUFFER_RGB, .red_size = 200, .red_position = 77};

    (void)state;
    screen_init(&screen, &nonsense, NULL);
    say("nobody sees this\n");
    screen_clear(&screen);
}

static void assert_refused(struct framebuffer mode, const char *why)
{
    assert_false(framebuffer_check(&mode, PHYSICAL_BITS, &error));
    if (!strstr(error.text, why))
        fail_msg("\"%s\" doesn't say \"%s\"", error.text, why);
    assert_non_null(strstr(error.text, "gfxpayload="));
}

#define REFUSED(why, ...)                                                                                              \
    do {                                                                                                               \
        struct framebuffer mode = rgb(640, 480, 32);                                                                   \
        __VA_ARGS__;                                                                                                   \
        assert_refused(mode, why);                                                                                     \
    } while (0)

static void nonsense_is_refused(void **state)
{
    (void)state;
    REFUSED("left none", mode.kind = FRAMEBUFFER_NONE);
    REFUSED("palette (8 bits", mode.kind = FRAMEBUFFER_INDEXED; mode.bits_per_pixel = 8);
    REFUSED("12 bits a pixel", mode.bits_per_pixel = 12);
    REFUSED("0 bits a pixel", mode.bits_per_pixel = 0);
    REFUSED("red 30+8", mode.red_position = 30);
    REFUSED("green 8+0", mode.green_size = 0);
    REFUSED("blue 255+255", mode.blue_position = mode.blue_size = 255);
    REFUSED("0x480", mode.width = 0);
    REFUSED("7x480", mode.width = 7);
    REFUSED("640x15", mode.height = 15);
    REFUSED("4294967295x480", mode.width = UINT32_MAX);
    REFUSED("640x4294967295", mode.height = UINT32_MAX);
    REFUSED("2559 bytes a line", mode.pitch = 2559);
    REFUSED("4294967295 bytes a line", mode.pitch = UINT32_MAX);
    REFUSED("at 0x0", mode.address = 0);
    REFUSED("at 0x3ffffffff000", mode.address = ((uint64_t)1 << PHYSICAL_BITS) - 4096);
    REFUSED("at 0xffffffffffffffff", mode.address = UINT64_MAX);
    REFUSED("0x40000000 bytes", mode.pitch = 65536; mode.height = 16384);
}

/* Whatever passes the check is drawn within its own memory, which ASan watches. */
static void random_modes_stay_inside(void **state)
{
    uint64_t seed = 20240607;

    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        static const uint8_t depths[] = {15, 16, 24, 32};
        struct framebuffer mode = rgb(1 + (uint32_t)(random_next(&seed) % 400),
                                      1 + (uint32_t)(random_next(&seed) % 120), depths[random_next(&seed) % 4]);
        uint8_t *memory;

        if (random_next(&seed) % 4 == 0)
            mode.kind = FRAMEBUFFER_TEXT;
        mode.pitch = mode.pitch - 3 + (uint32_t)(random_next(&seed) % 9);
        if (!framebuffer_check(&mode, PHYSICAL_BITS, &error))
            continue;
        memory = start(&mode);
        for (unsigned n = 0; n < 2000; n++) {
            const char character = random_next(&seed) % 20 ? (char)random_next(&seed) : '\n';

            screen_write(&screen, &character, 1);
        }
        free(memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_differ),
        cmocka_unit_test(every_depth_can_be_read),
        cmocka_unit_test(large_screens_get_large_characters),
        cmocka_unit_test(text_wraps_and_scrolls),
        cmocka_unit_test(ega_text),
        cmocka_unit_test(no_screen_is_no_trouble),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(random_modes_stay_inside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
