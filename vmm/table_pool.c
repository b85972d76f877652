/*
 * One CPU at a time makes room, by tables enough for a while, and takes what it needs before the next one may. So each
 * fills in its turn. But what it filled may be evicted again before its instruction has ended, if that needs much more
 * and others need as much: a CPU that comes here for one and the same instruction again and again takes larger pieces,
 * uncached, which need no tables.
 */
#include "vmm/table_pool.h"

#include "lib/log.h"
#include "mm/pgtable_merge.h"
#include "vmm/guest_watch.h"
#include "vmm/shootdown.h"
#include "vmm/vmm.h"

enum { EVICT_PART = 8, EVICT_PER_CPU = 4, PATIENCE = 16 };

static bool busy;
static uint64_t evicted_count;

unsigned table_pool_merge(uint64_t keep)
{
    struct ept *open = guest_watch_open_tree();
    unsigned merged = pgtable_merge_but(&guest_ept->table, 0, ept_limit(guest_ept), keep);

    return open ? merged + pgtable_merge_but(&open->table, 0, ept_limit(open), keep) : merged;
}

uint64_t table_pool_evicted(void)
{
    return __atomic_load_n(&evicted_count, __ATOMIC_RELAXED);
}

static unsigned evict(uint64_t keep)
{
    unsigned wanted = guest_ept->table.pool->pages / EVICT_PART + EVICT_PER_CPU * cpu_count;
    struct ept *open = guest_watch_open_tree();
    unsigned evicted = ept_evict(guest_ept, keep, wanted);

    if (open)
        evicted += ept_evict(open, keep, wanted);
    if (evicted && !table_pool_evicted())
        log_info("cpu%u: the page pool is empty: tables that can be made again give way from now on",
                 cpu_this()->index);
    __atomic_add_fetch(&evicted_count, evicted, __ATOMIC_RELAXED);
    return evicted;
}

/* Lock held. */
static bool make_room(uint64_t keep)
{
    const struct pool *pool = guest_ept->table.pool;

    if (!pool_free_pages(pool) && table_pool_merge(keep))
        shootdown_and_free();
    if (!pool_free_pages(pool) && evict(keep))
        shootdown_and_free();
    return pool_free_pages(pool);
}

bool table_pool_make_room(uint64_t keep)
{
    bool room;

    shootdown_lock(&busy);
    room = make_room(keep);
    shootdown_unlock(&busy);
    return room;
}

bool table_pool_protect(struct ept *tree, uint64_t start, uint64_t end, uint64_t rights)
{
    while (!ept_protect(tree, start, end, rights))
        if (!table_pool_make_room(start))
            return false;
    return true;
}

static bool is_patient(void)
{
    struct vmm_cpu *me = vmm_cpu(cpu_this());
    uint64_t rip = vcpu_rip();

    me->short_of_pages = rip == me->short_of_pages_rip ? me->short_of_pages + 1 : 0;
    me->short_of_pages_rip = rip;
    return me->short_of_pages < PATIENCE;
}

enum ept_fill table_pool_fill(struct ept *tree, uint64_t address)
{
    enum ept_fill fill = EPT_NO_MEMORY;

    shootdown_lock(&busy);
    if (!is_patient())
        fill = ept_fill_coarse(tree, address);
    while (fill == EPT_NO_MEMORY && (fill = ept_fill(tree, address)) == EPT_NO_MEMORY && make_room(address))
        ;
    if (fill == EPT_NO_MEMORY)
        fill = ept_fill_coarse(tree, address);
    shootdown_unlock(&busy);
    return fill;
}

enum ept_execute table_pool_execute(struct ept *tree, uint64_t address)
{
    enum ept_execute given;

    shootdown_lock(&busy);
    while ((given = ept_execute(tree, address)) == EPT_EXECUTE_NO_MEMORY && make_room(address))
        ;
    shootdown_unlock(&busy);
    return given;
}
