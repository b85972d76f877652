/*
 * A pool of zeroed 4 KiB pages of fixed size, made at boot. Lock-free: any CPU, root mode; not NMI-safe.
 * Pages are named by physical address; the pool lies in memory that is mapped linearly.
 */
#pragma once

#include "lib/compiler.h"

struct pool {
    uint64_t physical; /* of the first page; page aligned */
    void *base;        /* where that page is mapped */
    uint32_t *links;   /* one a page, behind the last page: the lists that a page can be on are kept outside the page */
    uint32_t pages;    /* how many there are */
    uint64_t head;     /* of the free list; tagged against ABA */
    uint32_t untouched; /* pages below this index have been handed out before */
    uint32_t used;      /* statistics: pages in use */
};

/*
 * `size` bytes at `base` (physical `physical`) become the pool; whole pages, nothing is touched yet. Of every
 * thousand pages one holds the links.
 */
void pool_init(struct pool *pool, void *base, uint64_t physical, uint64_t size);

/* A zeroed page, or NULL when the pool is empty. */
must_check void *pool_get(struct pool *pool);
void pool_put(struct pool *pool, void *page);

/* The same, but what the page holds is undefined: for one who fills it completely. */
must_check void *pool_get_dirty(struct pool *pool);

/*
 * A list of pages in use that waits for something (see pgtable_reclaim). Pages keep their contents, since a CPU may
 * still walk them: that is why the links are outside. `*list` starts as 0. Taking takes the whole list.
 */
void pool_list_push(struct pool *pool, uint32_t *list, void *page);
uint32_t pool_list_take(uint32_t *list);
/* The first page of a list that was taken, or NULL; *list becomes the rest. */
void *pool_list_next(struct pool *pool, uint32_t *list);

/* Physical address of a pool page, and back. Both check that it lies in the pool, and trap (#UD) if not. */
uint64_t pool_physical(const struct pool *pool, const void *page);
static inline void *pool_pointer(const struct pool *pool, uint64_t physical)
{
    uint64_t offset = physical - pool->physical;

    /* inline: it is the greater part of each step of a page walk */
    if (offset >= pool->pages * PAGE_SIZE || offset % PAGE_SIZE)
        __builtin_trap();
    return (char *)pool->base + offset;
}

uint32_t pool_free_pages(const struct pool *pool);
uint32_t pool_used_pages(const struct pool *pool);
