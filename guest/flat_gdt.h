/* The GDT of a guest that starts in 32-bit protected mode with flat segments. Pure. */
#pragma once

#include "lib/compiler.h"

enum {
    FLAT_CODE = 0x10, /* __BOOT_CS and __BOOT_DS, demanded by Linux's 32-bit boot protocol; GRUB has the same */
    FLAT_DATA = 0x18,
};

/* Flat 4 GiB segments, 32-bit, present, DPL 0, accessed (SDM vol. 3, "Segment Descriptors", 3.4.5). */
static const uint64_t flat_gdt[] = {
    [FLAT_CODE / 8] = 0x00cf9b000000ffff, /* execute, read */
    [FLAT_DATA / 8] = 0x00cf93000000ffff, /* read, write */
};
