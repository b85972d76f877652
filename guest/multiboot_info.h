/* The multiboot information of both versions, as a kernel gets it. Pure. Boot only. */
#pragma once

#include "guest/guest.h"
#include "guest/multiboot_place.h"
#include "guest/writer.h"

enum { MULTIBOOT_GDT_OFFSET = 0 }; /* in plan->information, with both versions */

/*
 * Writes all that belongs to it, the GDT first, by means of `writer` (empty, at plan->information, or only counting).
 * Returns the offset of the structure that EBX shall point to.
 */
uint64_t multiboot1_write(struct writer *writer, const struct guest_source *source, const struct multiboot_plan *plan);
uint64_t multiboot2_write(struct writer *writer, const struct guest_source *source,
                          const struct multiboot_header *header, const struct multiboot_plan *plan);

/* mem_lower and mem_upper of both: KiB of RAM from `start` on without a hole. */
uint32_t multiboot_kib_from(const struct memmap *map, uint64_t start);
