/*
 * What the previous boot's Plinth logged, if its block lay where this one's lies and the memory kept its contents:
 * after a warm reset. It may have been another build. Pure: memory only through phys_map(). Boot only.
 */
#pragma once

#include "boot/boot_info.h"
#include "lib/log_ring.h"

/*
 * The ring in the block, before anything is written there; NULL if there is none. This build has its own at physical
 * address `own`; elsewhere, where another build had it, only one that is whole counts. Both are page-aligned.
 */
struct log_ring *old_log_find(struct range block, uint64_t own);

/*
 * `ring`: what old_log_find() has found, NULL if nothing. It is not found any more afterwards, also where nothing is
 * written to. Prints the end of the log in it, or that there is none. For a Linux guest (not with ramoops=off)
 * LOG_RING_BYTES of `free` below 4 GiB, clear of `avoid`, become reserved in info->memmap and are returned, with the
 * log copied there if there is one; else the range is empty. Never fails: without a place the log is only printed.
 */
struct range old_log_save(struct boot_info *info, struct log_ring *ring, const struct memmap *free,
                          const struct range *avoid, size_t avoid_count);
