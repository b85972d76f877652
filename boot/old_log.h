/*
 * What the previous boot's Plinth logged, if its block lay where this one's lies and the memory kept its contents:
 * after a warm reset. Pure: memory only through phys_map(). Boot only.
 */
#pragma once

#include "boot/boot_info.h"
#include "lib/log_ring.h"

/*
 * `ring`: where the block holds the log's ring, before anything is written there; NULL if that can't be read. Prints
 * the end of the log in it, or that there is none. A log that a Linux guest shall see (not with ramoops=off) is copied
 * to LOG_RING_BYTES of `free` below 4 GiB, clear of `avoid`, which become reserved in info->memmap and are returned;
 * else the range is empty. Never fails: without a place the log is only printed.
 */
struct range old_log_save(struct boot_info *info, const struct log_ring *ring, const struct memmap *free,
                          const struct range *avoid, size_t avoid_count);
