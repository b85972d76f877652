/*
 * What a loader must not put anything on, and finding room beside it. Pure; boot only.
 */
#pragma once

#include "guest/guest.h"
#include "guest/image.h"

/* What is always kept out, the files, their new places, a kernel's segments and its parameters. */
enum { KEEP_OUT_MAX = 8 + 1 + 1 + IMAGE_SEGMENTS_MAX + 2 * GUEST_MODULES_MAX + 1 };
_Static_assert(ARRAY_SIZE(((struct guest_source *)0)->avoid) == 8, "KEEP_OUT_MAX");

struct keep_out {
    struct range ranges[KEEP_OUT_MAX];
    unsigned count;
};

enum end { LOWEST, HIGHEST };

/* A file's memory changes hands in whole pages (Linux gives its initrd's back so), which nobody else may have a part
 * of.
 */
static inline struct range whole_pages(struct range range)
{
    return (struct range){ALIGN_DOWN(range.start, PAGE_SIZE), ALIGN_UP(range.end, PAGE_SIZE)};
}

/* An empty range keeps nothing out. */
void keep_out_add(struct keep_out *out, struct range range);

/* Plinth's block, and what the caller wants to stay as it is. */
struct keep_out keep_out_always(const struct guest_source *source);

/* The memory that is free before the guest runs: less than its map says where firmware still has some. */
const struct memmap *keep_out_free_memory(const struct guest_source *source);

/* The lowest or the highest place of `size` bytes in it and in `within`, clear of `out`. False: there is none. */
must_check bool keep_out_find(const struct keep_out *out, const struct guest_source *source, uint64_t size,
                              uint64_t align, struct range within, enum end end, struct range *place);
