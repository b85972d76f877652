/* Puts things one behind another into a piece of memory that has a physical address; or only counts their bytes. Pure.
 */
#pragma once

#include "lib/compiler.h"

struct writer {
    uint8_t *at;       /* as mapped; NULL: nothing is written, only counted */
    uint64_t physical; /* of `at` */
    uint64_t used;
};

/* The next `size` bytes, aligned to `align` (a power of two), become those at `from` (zeros if it is NULL). Returns
 * their offset. The memory is large enough: the caller has counted before. */
uint64_t writer_put(struct writer *writer, const void *from, uint64_t size, uint64_t align);

/* Overwrites what was put at an offset. */
void writer_patch(struct writer *writer, uint64_t offset, const void *from, uint64_t size);

/* The physical address of what lies at an offset; below 4 GiB, as all that guests get here. */
static inline uint32_t writer_address(const struct writer *writer, uint64_t offset)
{
    return (uint32_t)(writer->physical + offset);
}
