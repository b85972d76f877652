/*
 * Grace periods: when is it certain that no CPU uses any more what was there before a change of the EPT? By epochs. Who
 * changed something starts an epoch; every CPU, between its last walk in root mode and its next entry, sees that the
 * epoch moved, invalidates (INVEPT) and says so. A CPU that can't touch memory before it has come by here (in
 * wait-for-SIPI, parked, not launched) is quiet and needn't be waited for. Serves both the freeing of tables and the
 * withdrawal of rights. Pure but for atomics; root mode; grace_due() may be called in an NMI handler.
 */
#pragma once

#include "lib/compiler.h"
#include "mm/pgtable.h"

struct grace_cpu {
    uint64_t passed; /* the last epoch that this CPU has invalidated for */
    uint32_t quiet;
} aligned(64);

struct grace {
    struct grace_cpu *cpus;
    unsigned count;
    uint64_t epoch;
};

/* All CPUs are quiet at first. `cpus` stays with the caller. */
void grace_init(struct grace *grace, struct grace_cpu *cpus, unsigned count);

/*
 * The change is made: starts an epoch and returns it. Any CPU. After it, and before the first grace_over(), the caller
 * has to make every CPU look at grace_due() before its next entry (set its slow_work; a kick only if it can't wait).
 */
uint64_t grace_begin(struct grace *grace);

/* Must this CPU invalidate before it enters the guest? */
static inline bool grace_due(const struct grace *grace, unsigned cpu)
{
    return __atomic_load_n(&grace->epoch, __ATOMIC_ACQUIRE) != grace->cpus[cpu].passed;
}

/*
 * What a CPU does when it is due, in this order: epoch = grace_epoch(); make its view afresh, if it is in one
 * (mm/ept_view.h: the copies in it may lead to tables about to be freed); INVEPT; grace_pass(epoch). It holds no
 * pointer into the tables across it. Also to be done by a CPU in root mode while it waits for others, or two would wait
 * for each other.
 */
uint64_t grace_epoch(const struct grace *grace);
void grace_pass(struct grace *grace, unsigned cpu, uint64_t epoch);

/* The last thing before an entry to wait-for-SIPI, or before parking: this CPU is not waited for until grace_wake(). */
void grace_quiet(struct grace *grace, unsigned cpu);
/* The first thing after that, before any walk. What was missed is then due, as ever, before the next entry. */
void grace_wake(struct grace *grace, unsigned cpu);

/* Has this CPU, have all, passed `epoch` or are quiet? A CPU for which it is false may need a kick. */
bool grace_passed_by(const struct grace *grace, unsigned cpu, uint64_t epoch);
bool grace_over(const struct grace *grace, uint64_t epoch);

/* The tables of a tree on their way back to the pool. Starts as 0. */
struct grace_reclaim {
    uint32_t busy;
    uint32_t waiting; /* list of tables that wait for `epoch` */
    uint64_t epoch;
};

/*
 * One step: tables whose grace period is over go to the pool, those retired since start theirs. Never waits; when
 * another CPU is at it, does nothing. Returns how many pages the pool got. `*begun`: an epoch was begun, see
 * grace_begin().
 */
unsigned grace_reclaim(struct grace *grace, struct grace_reclaim *reclaim, struct pgtable *table, bool *begun);
