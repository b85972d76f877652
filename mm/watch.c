/*
 * The table of watched ranges. Each slot carries a sequence number that is odd while it is being written; a reader that
 * meets one, or sees it change, looks again: the writer needs a few instructions. The parts are loaded with acquire and
 * stored with release order, so that the number is read after, and was written before, what it guards.
 */
#include "mm/watch.h"

static struct watch read_slot(const struct watch_slot *slot)
{
    struct watch watch;
    uint32_t before;

    do {
        before = __atomic_load_n(&slot->sequence, __ATOMIC_ACQUIRE);
        watch.range.start = __atomic_load_n(&slot->watch.range.start, __ATOMIC_ACQUIRE);
        watch.range.end = __atomic_load_n(&slot->watch.range.end, __ATOMIC_ACQUIRE);
        watch.denied = __atomic_load_n(&slot->watch.denied, __ATOMIC_ACQUIRE);
        watch.owner = __atomic_load_n(&slot->watch.owner, __ATOMIC_ACQUIRE);
        watch.detail = __atomic_load_n(&slot->watch.detail, __ATOMIC_ACQUIRE);
        watch.idle = __atomic_load_n(&slot->watch.idle, __ATOMIC_ACQUIRE);
    } while ((before & 1) || __atomic_load_n(&slot->sequence, __ATOMIC_RELAXED) != before);
    return watch;
}

static void write_slot(struct watch_slot *slot, const struct watch *watch)
{
    __atomic_store_n(&slot->sequence, slot->sequence + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->watch.range.start, watch->range.start, __ATOMIC_RELEASE);
    __atomic_store_n(&slot->watch.range.end, watch->range.end, __ATOMIC_RELEASE);
    __atomic_store_n(&slot->watch.denied, watch->denied, __ATOMIC_RELEASE);
    __atomic_store_n(&slot->watch.owner, watch->owner, __ATOMIC_RELEASE);
    __atomic_store_n(&slot->watch.detail, watch->detail, __ATOMIC_RELEASE);
    __atomic_store_n(&slot->watch.idle, watch->idle, __ATOMIC_RELEASE);
    __atomic_store_n(&slot->sequence, slot->sequence + 1, __ATOMIC_RELEASE);
}

static void lock(struct watches *watches)
{
    while (__atomic_exchange_n(&watches->busy, true, __ATOMIC_ACQUIRE))
        __builtin_ia32_pause();
}

static void unlock(struct watches *watches)
{
    __atomic_store_n(&watches->busy, false, __ATOMIC_RELEASE);
}

int watch_add(struct watches *watches, struct watch watch)
{
    int slot = 0;

    lock(watches);
    while (slot < WATCH_MAX && watches->slots[slot].watch.owner)
        slot++;
    if (slot < WATCH_MAX) {
        write_slot(&watches->slots[slot], &watch);
        if ((uint32_t)slot >= watches->used)
            __atomic_store_n(&watches->used, slot + 1, __ATOMIC_RELEASE);
    }
    unlock(watches);
    return slot < WATCH_MAX ? slot : -1;
}

void watch_remove(struct watches *watches, int slot)
{
    lock(watches);
    write_slot(&watches->slots[slot], &(struct watch){0});
    unlock(watches);
}

void watch_set_idle(struct watches *watches, int slot, bool idle)
{
    struct watch watch;

    lock(watches);
    watch = watches->slots[slot].watch;
    watch.idle = idle;
    write_slot(&watches->slots[slot], &watch);
    unlock(watches);
}

static bool covers(const struct watch *watch, uint64_t address)
{
    return watch->owner && !watch->idle && address >= watch->range.start && address < watch->range.end;
}

int watch_find(const struct watches *watches, uint64_t address, uint64_t access, struct watch *found)
{
    uint32_t used = __atomic_load_n(&watches->used, __ATOMIC_ACQUIRE);

    for (uint32_t i = 0; i < used; i++) {
        *found = read_slot(&watches->slots[i]);
        if (covers(found, address) && (found->denied & access))
            return (int)i;
    }
    return -1;
}

struct watch watch_get(const struct watches *watches, int slot)
{
    return read_slot(&watches->slots[slot]);
}

static void shorten(uint64_t address, uint64_t boundary, uint64_t *end)
{
    if (boundary > address && boundary < *end)
        *end = boundary;
}

uint64_t watch_denied(const struct watches *watches, uint64_t address, uint64_t *end)
{
    uint32_t used = __atomic_load_n(&watches->used, __ATOMIC_ACQUIRE);
    uint64_t denied = 0;

    for (uint32_t i = 0; i < used; i++) {
        struct watch watch = read_slot(&watches->slots[i]);
        struct range pages = watch_pages(watch.range);

        if (!watch.owner || watch.idle)
            continue;
        if (address >= pages.start && address < pages.end)
            denied |= watch.denied;
        shorten(address, pages.start, end);
        shorten(address, pages.end, end);
    }
    return denied;
}
