/* The screen as Linux's zero page describes it. Pure. Boot only. */
#pragma once

#include "guest/boot_params.h"
#include "guest/guest.h"

/* Fills a zeroed screen_info from source->screen: VGA text (also if a BIOS machine's loader told nothing of the
 * screen), a linear framebuffer, or none. */
void linux_screen_fill(struct screen_info *info, const struct guest_source *source);
