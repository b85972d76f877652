/* The screen that the boot loader left, as a console. Boot only, before the block is taken. */
#pragma once

#include "boot/boot_info.h"

/*
 * Lines go to the screen from now on, and its physical range is returned for host_map_init(). If nothing can be drawn
 * on it, a warning says why, the range is empty, and info->framebuffer tells the guest of none.
 */
struct range boot_screen_start(struct boot_info *info);
