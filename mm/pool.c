/*
 * The pool of pages. The free list is a stack of page indexes whose head carries a counter, so that a head
 * that was popped and pushed again meanwhile isn't mistaken for the old one (ABA). The links lie outside the pages.
 */
#include "mm/pool.h"
#include "lib/string.h"

enum { LINK_END = 0 }; /* a link is a page's index + 1 */

void pool_init(struct pool *pool, void *base, uint64_t physical, uint64_t size)
{
    uint64_t pages = size / PAGE_SIZE;
    uint64_t link_pages = ALIGN_UP(pages * sizeof(uint32_t), PAGE_SIZE) / PAGE_SIZE;

    *pool = (struct pool){.physical = physical, .base = base};
    pool->pages = (uint32_t)(pages - link_pages);
    pool->links = (uint32_t *)((char *)base + pool->pages * PAGE_SIZE);
}

static void *page_at(const struct pool *pool, uint32_t index)
{
    return (char *)pool->base + index * PAGE_SIZE;
}

static uint32_t index_of(const struct pool *pool, const void *page)
{
    uint64_t offset = (uint64_t)((const char *)page - (const char *)pool->base);

    if (offset >= pool->pages * PAGE_SIZE || offset % PAGE_SIZE)
        __builtin_trap(); /* going on would hand out somebody else's memory */
    return (uint32_t)(offset / PAGE_SIZE);
}

static uint64_t head_with(uint64_t old, uint32_t link)
{
    return ((old >> 32) + 1) << 32 | link;
}

static bool pop_free(struct pool *pool, uint32_t *index)
{
    uint64_t head = __atomic_load_n(&pool->head, __ATOMIC_ACQUIRE);
    uint32_t first, rest;

    do {
        first = (uint32_t)head;
        if (first == LINK_END)
            return false;
        rest = __atomic_load_n(&pool->links[first - 1], __ATOMIC_RELAXED);
    } while (!__atomic_compare_exchange_n(&pool->head, &head, head_with(head, rest), true, __ATOMIC_ACQUIRE,
                                          __ATOMIC_ACQUIRE));
    *index = first - 1;
    return true;
}

static bool take_untouched(struct pool *pool, uint32_t *index)
{
    *index = __atomic_load_n(&pool->untouched, __ATOMIC_RELAXED);
    do {
        if (*index >= pool->pages)
            return false;
    } while (
        !__atomic_compare_exchange_n(&pool->untouched, index, *index + 1, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return true;
}

void *pool_get_dirty(struct pool *pool)
{
    uint32_t index;

    if (!pop_free(pool, &index) && !take_untouched(pool, &index))
        return NULL;
    __atomic_add_fetch(&pool->used, 1, __ATOMIC_RELAXED);
    return page_at(pool, index);
}

void *pool_get(struct pool *pool)
{
    void *page = pool_get_dirty(pool);

    return page ? memset(page, 0, PAGE_SIZE) : NULL;
}

void pool_put(struct pool *pool, void *page)
{
    uint32_t index = index_of(pool, page);
    uint64_t head = __atomic_load_n(&pool->head, __ATOMIC_RELAXED);

    __atomic_sub_fetch(&pool->used, 1, __ATOMIC_RELAXED);
    do {
        __atomic_store_n(&pool->links[index], (uint32_t)head, __ATOMIC_RELAXED);
    } while (!__atomic_compare_exchange_n(&pool->head, &head, head_with(head, index + 1), true, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED));
}

void pool_list_push(struct pool *pool, uint32_t *list, void *page)
{
    uint32_t index = index_of(pool, page);
    uint32_t head = __atomic_load_n(list, __ATOMIC_RELAXED);

    /* no counter needed: the list is only ever taken whole */
    do {
        __atomic_store_n(&pool->links[index], head, __ATOMIC_RELAXED);
    } while (!__atomic_compare_exchange_n(list, &head, index + 1, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

uint32_t pool_list_take(uint32_t *list)
{
    return __atomic_exchange_n(list, LINK_END, __ATOMIC_ACQUIRE);
}

void *pool_list_next(struct pool *pool, uint32_t *list)
{
    uint32_t first = *list;

    if (first == LINK_END)
        return NULL;
    *list = __atomic_load_n(&pool->links[first - 1], __ATOMIC_RELAXED);
    return page_at(pool, first - 1);
}

uint64_t pool_physical(const struct pool *pool, const void *page)
{
    return pool->physical + index_of(pool, page) * PAGE_SIZE;
}

uint32_t pool_used_pages(const struct pool *pool)
{
    return __atomic_load_n(&pool->used, __ATOMIC_RELAXED);
}

uint32_t pool_free_pages(const struct pool *pool)
{
    return pool->pages - pool_used_pages(pool);
}
