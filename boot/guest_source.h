/* From what the boot loader told to what the guest's loader (guest/load.h) wants to know. Boot only. */
#pragma once

#include "boot/boot_info.h"
#include "guest/guest.h"

/*
 * All but `block` and `avoid`. `free` is given for its memory: it must live as long as *source. On UEFI the firmware's
 * boot services regions are left out of it.
 */
void guest_source_describe(const struct boot_info *info, struct memmap *free, struct guest_source *source);
