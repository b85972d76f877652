/*
 * A guest that starts in real mode, above the firmware's services: the boot sector of one of its disks, or a kernel's
 * set-up code. Pure: memory only through phys_map(). Boot only.
 */
#pragma once

#include "guest/guest.h"

/* Where the resident code goes, and what it is told. */
struct bios_plan {
    struct range place;  /* whole pages at the end of base memory */
    uint64_t map_offset; /* in them: the e820 map */
    uint32_t vector15;   /* the firmware's own */
    uint16_t base_memory;
    uint16_t setup_segment, setup_stack; /* set-up code to jump to, and its SP; 0: the disk's boot sector */
};

/* Finds the place, and fills all but the last two fields. Fails where the firmware is no BIOS or there is no room. */
must_check bool bios_prepare(const struct guest_source *source, struct bios_plan *plan, struct error *error);

/*
 * Puts source->resident there, lowers 40:13, lets INT 15H lead there, so that the guest learns from the firmware's own
 * calls that it and the block are reserved, and fills *entry but for the last three fields: real mode, or, for a start
 * on the bare machine, the protected mode from which the code goes there.
 */
void bios_write(const struct guest_source *source, const struct bios_plan *plan, struct guest_entry *entry);

/*
 * Both, and fills *entry: the guest starts in the resident code, which reads the boot sector of the disk
 * source->chainload to 0000:7C00. Fails, with nothing written, where there is no such firmware or disk.
 */
must_check bool bios_chainload(const struct guest_source *source, struct guest_entry *entry, struct error *error);
