/*
 * A guest that starts in real mode, above the firmware's services: the boot sector of one of its disks. Pure: memory
 * only through phys_map(). Boot only.
 */
#pragma once

#include "guest/guest.h"

/*
 * Puts source->resident below the end of base memory, lowers 40:13 and lets INT 15H lead there, so that the guest
 * learns from the firmware's own calls that it and the block are reserved. Fills *entry: the guest starts in the
 * resident code, which reads the boot sector of the disk source->chainload to 0000:7C00. Fails, with nothing written,
 * where there is no such firmware or disk.
 */
must_check bool bios_chainload(const struct guest_source *source, struct guest_entry *entry, struct error *error);
