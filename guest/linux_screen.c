/* screen_info: what the VESA set-up of Linux's real-mode code would have found (Linux's screen_info.h). */
#include "guest/linux_screen.h"

enum { TEXT_COLUMNS = 80, TEXT_LINES = 25, TEXT_MODE = 3, FONT_HEIGHT = 16, EGA_256_KIB = 3 };

static uint8_t byte_or(uint32_t value, uint8_t otherwise)
{
    return value > 0 && value <= UINT8_MAX ? (uint8_t)value : otherwise;
}

/*
 * A BIOS leaves the screen so. The cursor is in the last line, so that the guest's output goes on below
 * Plinth's instead of over it.
 */
static void fill_text(struct screen_info *info, uint32_t width, uint32_t height)
{
    info->orig_video_isVGA = VIDEO_TYPE_VGA_TEXT;
    info->orig_video_mode = TEXT_MODE;
    info->orig_video_cols = byte_or(width, TEXT_COLUMNS);
    info->orig_video_lines = byte_or(height, TEXT_LINES);
    info->orig_video_points = FONT_HEIGHT;
    info->orig_video_ega_bx = EGA_256_KIB;
    info->orig_y = (uint8_t)(info->orig_video_lines - 1);
}

static uint32_t bit_mask(unsigned position, unsigned size)
{
    return (uint32_t)((((uint64_t)1 << (size & 31)) - 1) << (position & 31));
}

/* The bits of a pixel that no colour uses: drivers tell 24 from 32 bits of depth by them. */
static void fill_unused_bits(struct screen_info *info, unsigned bits_per_pixel)
{
    const uint32_t used = bit_mask(info->red_pos, info->red_size) | bit_mask(info->green_pos, info->green_size) |
                          bit_mask(info->blue_pos, info->blue_size);
    const unsigned sizes = (unsigned)info->red_size + info->green_size + info->blue_size;
    uint8_t position = 0;

    if (used == 0 || sizes >= bits_per_pixel)
        return;
    while (used >> position & 1)
        position++;
    info->rsvd_pos = position;
    info->rsvd_size = (uint8_t)(bits_per_pixel - sizes);
}

static bool framebuffer_is_sane(const struct guest_source *source)
{
    return source->screen.address != 0 && source->screen.width - 1 < UINT16_MAX &&
           source->screen.height - 1 < UINT16_MAX && source->screen.pitch - 1 < UINT16_MAX &&
           source->screen.bits_per_pixel - 1u < 32;
}

static void fill_framebuffer(struct screen_info *info, const struct guest_source *source)
{
    const uint64_t bytes = (uint64_t)source->screen.pitch * source->screen.height;

    info->orig_video_isVGA = source->efi.system_table ? VIDEO_TYPE_EFI : VIDEO_TYPE_VLFB;
    info->orig_video_cols = TEXT_COLUMNS;
    info->orig_video_lines = TEXT_LINES;
    info->lfb_base = (uint32_t)source->screen.address;
    info->ext_lfb_base = (uint32_t)(source->screen.address >> 32);
    info->capabilities = info->ext_lfb_base ? VIDEO_CAPABILITY_64BIT_BASE : 0;
    info->lfb_size = source->efi.system_table ? (uint32_t)bytes : (uint32_t)(ALIGN_UP(bytes, 64 * KIB) / (64 * KIB));
    info->lfb_width = (uint16_t)source->screen.width;
    info->lfb_height = (uint16_t)source->screen.height;
    info->lfb_depth = source->screen.bits_per_pixel;
    info->lfb_linelength = (uint16_t)source->screen.pitch;
    info->red_pos = source->screen.red_position;
    info->red_size = source->screen.red_size;
    info->green_pos = source->screen.green_position;
    info->green_size = source->screen.green_size;
    info->blue_pos = source->screen.blue_position;
    info->blue_size = source->screen.blue_size;
    info->pages = 1;
    fill_unused_bits(info, source->screen.bits_per_pixel);
}

void linux_screen_fill(struct screen_info *info, const struct guest_source *source)
{
    if (!source->screen.present && source->has_bios)
        fill_text(info, 0, 0);
    else if (source->screen.present && source->screen.text)
        fill_text(info, source->screen.width, source->screen.height);
    else if (source->screen.present && framebuffer_is_sane(source))
        fill_framebuffer(info, source);
    /* else a framebuffer that Linux can't be told of, or UEFI without one, where nothing says that there is a VGA: all
     * zero means no screen */
}
