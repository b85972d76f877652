/*
 * What the previous boot's Plinth logged, if its block lay where this one's lies and the memory kept its contents:
 * after a warm reset. Pure: memory only through phys_map(). Boot only.
 */
#pragma once

#include "boot/boot_info.h"
#include "lib/error.h"

/*
 * `ring`: where the block holds the log's ring, before anything is written there, or NULL. If an earlier boot's is
 * there, its end is printed, and, unless ramoops=off, the whole of it goes to a place of LOG_RING_BYTES below 4 GiB,
 * clear of `avoid`, which becomes reserved in info->memmap and is returned; else the range is empty. Never fails:
 * without a place the log is only printed.
 */
struct range old_log_save(struct boot_info *info, const void *ring, const struct range *avoid, size_t avoid_count);

/*
 * Appends the ramoops driver's parameters for that place to the command line of the guest's kernel: a Linux kernel
 * finds the log in /sys/fs/pstore/console-ramoops-0 once the driver is loaded.
 */
void old_log_tell_guest(struct boot_info *info, struct range place);
