/* What is kept of each exit: the backend's side of the option statistics=. Root mode, the CPU itself. */
#pragma once

#include "arch/x86/cpu.h"
#include "arch/x86/instr.h"
#include "lib/error.h"

/* Pages of the pool that one CPU takes. */
uint32_t vmx_statistics_pages(void);
/* Each CPU, before its first entry. */
must_check bool vmx_statistics_start_cpu(struct error *error);

/* The bucket of this CPU that an exit belongs in; statistics=histogram only. */
static inline uint64_t *bucket_of(uint32_t reason, uint64_t ticks)
{
    uint64_t *page = CPU_GS->ticks[reason / TICK_REASONS_A_PAGE];

    return page + reason % TICK_REASONS_A_PAGE * TICK_BUCKETS + log2_floor(ticks);
}
