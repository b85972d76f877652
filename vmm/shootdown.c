#include "vmm/shootdown.h"

#include "arch/x86/clock.h"
#include "arch/x86/instr.h"
#include "arch/x86/virt.h"
#include "lib/log.h"
#include "mm/grace.h"
#include "vmm/guest_watch.h"
#include "vmm/vmm.h"

enum { ANSWER_MS = 1000 };

static struct grace_cpu cpus[CPUS_MAX];
static struct grace grace;
static struct grace_reclaim reclaim, reclaim_open;

void shootdown_init(void)
{
    grace_init(&grace, cpus, cpu_count);
}

void shootdown_catch_up(struct cpu *cpu)
{
    uint64_t epoch;

    if (!grace_due(&grace, cpu->index))
        return;
    epoch = grace_epoch(&grace);
    detour_forget(&vmm_cpu(cpu)->detour);
    vcpu_flush_ept(guest_ept_pointer());
    grace_pass(&grace, cpu->index, epoch);
}

void shootdown_quiet(struct cpu *cpu)
{
    grace_quiet(&grace, cpu->index);
}

void shootdown_awake(struct cpu *cpu)
{
    grace_wake(&grace, cpu->index);
    shootdown_catch_up(cpu);
}

static void kick_others(uint64_t epoch)
{
    for (uint32_t i = 0; i < cpu_count; i++)
        if (cpu_at(i) != cpu_this() && !grace_passed_by(&grace, i, epoch))
            virt_kick(cpu_at(i));
}

static void wait_for_all(uint64_t epoch)
{
    uint64_t end = rdtsc() + clock_tsc_khz() * ANSWER_MS;

    while (!grace_over(&grace, epoch) && rdtsc() < end) {
        shootdown_catch_up(cpu_this());
        cpu_pause();
    }
    for (uint32_t i = 0; i < cpu_count; i++)
        if (!grace_passed_by(&grace, i, epoch))
            log_warning("cpu%u doesn't answer cpu%u's request to drop old translations", i, cpu_this()->index);
}

/* Tables that fell out of use, on their way back to the pool. */
static void reclaim_tables(void)
{
    struct ept *open = guest_watch_open_tree();
    bool begun, open_begun = false;

    grace_reclaim(&grace, &reclaim, &guest_ept->table, &begun);
    if (open)
        grace_reclaim(&grace, &reclaim_open, &open->table, &open_begun);
    if (begun || open_begun)
        kick_others(grace_epoch(&grace)); /* not waited for: the next step finds it over */
}

void shootdown(void)
{
    uint64_t epoch = grace_begin(&grace);

    kick_others(epoch);
    wait_for_all(epoch);
    reclaim_tables();
}

void shootdown_and_free(void)
{
    reclaim_tables();
    shootdown();
}

void shootdown_lock(bool *lock)
{
    while (__atomic_exchange_n(lock, true, __ATOMIC_ACQUIRE)) {
        shootdown_catch_up(cpu_this());
        cpu_pause();
    }
}

void shootdown_unlock(bool *lock)
{
    __atomic_store_n(lock, false, __ATOMIC_RELEASE);
}
