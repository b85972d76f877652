/* Which RAM is free while Plinth boots. Boot only. */
#pragma once

#include "boot/block.h"
#include "boot/boot_info.h"
#include "lib/error.h"

enum { RAM_BUSY_MAX = 2 + BOOT_MODULES_MAX };

/* On UEFI the loader's map need not tell all that the firmware keeps: that is taken out of info->memmap. *free is the
 * same without what boot services may have left to be used later. */
must_check bool ram_reserve_firmware(struct boot_info *info, struct memmap *free, struct error *error);

/* What must not be written to before the guest runs: the image as it was loaded, and the modules. Returns how many. */
unsigned ram_busy(const struct boot_info *info, struct range busy[RAM_BUSY_MAX]);

/* Places the block that block_plan() has made and reserves it in info->memmap. */
must_check bool ram_take_block(struct boot_info *info, const struct memmap *free, struct block *block,
                               struct error *error);
