#include "boot/block.h"

enum { BLOCK_ALIGN = 2 << 20 };

void block_plan(struct block *block, uint64_t image_bytes, unsigned cpus, unsigned pages_per_cpu, uint64_t pool_bytes)
{
    uint64_t size;

    block->image_bytes = ALIGN_UP(image_bytes, PAGE_SIZE);
    block->cpus_offset = block->image_bytes;
    block->cpus_bytes = (uint64_t)cpus * pages_per_cpu * PAGE_SIZE;
    block->pool_offset = block->cpus_offset + block->cpus_bytes;
    size = ALIGN_UP(block->pool_offset + pool_bytes, BLOCK_ALIGN);
    block->pool_bytes = size - block->pool_offset;
    block->range = (struct range){0, size};
}

/* Inside one GiB, so that one page directory of the EPT leads to all of it (mm/ept_view.h). */
bool block_place(struct block *block, const struct memmap *map, const struct range *avoid, size_t avoid_count,
                 struct error *error)
{
    uint64_t size = range_size(block->range);
    uint64_t start;

    for (uint64_t top = 4 * GIB; top; top -= GIB) {
        const struct range within = {top == GIB ? 1 * MIB : top - GIB, top};

        if (memmap_find_high(map, size, BLOCK_ALIGN, within, avoid, avoid_count, &start)) {
            block->range = (struct range){start, start + size};
            return true;
        }
    }
    return fail(error,
                "Memory: no %lu KiB of free RAM in one piece below 4 GiB for Plinth: the machine has too little "
                "memory, or the boot modules fill it",
                size / KIB);
}
