/* The counters of exits and the histograms of their ticks. Each CPU writes its own (vmx_exit.c); whoever reads may do
 * so while it runs. */
#include "arch/x86/vmx/statistics.h"

#include "arch/x86/virt.h"
#include "arch/x86/vmx/vcpu.h"
#include "lib/options.h"

uint32_t vmx_statistics_pages(void)
{
    return options.statistics == STATISTICS_HISTOGRAM ? TICK_PAGES : 0;
}

bool vmx_statistics_start_cpu(struct error *error)
{
    struct cpu *cpu = cpu_this();

    for (unsigned i = 0; i < vmx_statistics_pages(); i++)
        if (!(cpu->ticks[i] = pool_get(vmx.pool)))
            return fail(error, "Memory: no pages for the statistics of cpu%u: report this as a defect", cpu->index);
    return true;
}

uint64_t virt_tick_bucket(uint32_t index, uint32_t reason, unsigned log2)
{
    const uint64_t *page;

    if (index >= cpu_count || reason >= EXIT_REASONS || log2 >= TICK_BUCKETS)
        return 0;
    page = cpu_at(index)->ticks[reason / TICK_REASONS_A_PAGE];
    return page ? page[reason % TICK_REASONS_A_PAGE * TICK_BUCKETS + log2] : 0;
}

bool virt_statistics(uint32_t index, uint32_t reason, uint64_t *exits, uint64_t *ticks)
{
    if (index >= cpu_count || reason >= EXIT_REASONS)
        return false;
    *ticks = cpu_at(index)->statistics[reason].ticks;
    *exits = cpu_at(index)->statistics[reason].exits;
    for (unsigned log2 = 0; cpu_at(index)->ticks[0] && log2 < TICK_BUCKETS; log2++)
        *exits += virt_tick_bucket(index, reason, log2);
    return true;
}
