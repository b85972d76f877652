/*
 * Grace periods by epochs. The one subtle place is a CPU that wakes while another looks whether it is quiet: both sides
 * first write, then read, in one order that all agree on (sequentially consistent), so either the waiter sees the CPU
 * awake, or the CPU sees the new epoch, and invalidates before it uses anything. tests/model/grace.pml checks the
 * scheme, assuming such an order.
 */
#include "mm/grace.h"

void grace_init(struct grace *grace, struct grace_cpu *cpus, unsigned count)
{
    *grace = (struct grace){.cpus = cpus, .count = count, .epoch = 1};
    for (unsigned i = 0; i < count; i++)
        cpus[i] = (struct grace_cpu){.quiet = true};
}

uint64_t grace_begin(struct grace *grace)
{
    return __atomic_add_fetch(&grace->epoch, 1, __ATOMIC_SEQ_CST);
}

uint64_t grace_epoch(const struct grace *grace)
{
    return __atomic_load_n(&grace->epoch, __ATOMIC_SEQ_CST);
}

void grace_pass(struct grace *grace, unsigned cpu, uint64_t epoch)
{
    __atomic_store_n(&grace->cpus[cpu].passed, epoch, __ATOMIC_RELEASE);
}

void grace_quiet(struct grace *grace, unsigned cpu)
{
    __atomic_store_n(&grace->cpus[cpu].quiet, true, __ATOMIC_RELEASE);
}

void grace_wake(struct grace *grace, unsigned cpu)
{
    /* an exchange, for its fence: no walk may start before it is seen */
    __atomic_exchange_n(&grace->cpus[cpu].quiet, false, __ATOMIC_SEQ_CST);
}

bool grace_passed_by(const struct grace *grace, unsigned cpu, uint64_t epoch)
{
    const struct grace_cpu *c = &grace->cpus[cpu];

    return __atomic_load_n(&c->passed, __ATOMIC_ACQUIRE) >= epoch || __atomic_load_n(&c->quiet, __ATOMIC_SEQ_CST);
}

bool grace_over(const struct grace *grace, uint64_t epoch)
{
    for (unsigned i = 0; i < grace->count; i++) {
        if (!grace_passed_by(grace, i, epoch))
            return false;
    }
    return true;
}

static unsigned free_waiting(struct grace_reclaim *reclaim, struct pool *pool)
{
    unsigned count = 0;

    for (void *page; (page = pool_list_next(pool, &reclaim->waiting)); count++)
        pool_put(pool, page);
    return count;
}

unsigned grace_reclaim(struct grace *grace, struct grace_reclaim *reclaim, struct pgtable *table, bool *begun)
{
    unsigned freed = 0;

    *begun = false;
    if (__atomic_exchange_n(&reclaim->busy, true, __ATOMIC_ACQUIRE))
        return 0;
    if (reclaim->waiting && grace_over(grace, reclaim->epoch))
        freed = free_waiting(reclaim, table->pool);
    if (!reclaim->waiting) {
        reclaim->waiting = pool_list_take(&table->retired);
        *begun = reclaim->waiting != 0;
        if (*begun)
            reclaim->epoch = grace_begin(grace);
    }
    __atomic_store_n(&reclaim->busy, false, __ATOMIC_RELEASE);
    return freed;
}
