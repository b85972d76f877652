/* EPT violations: pages that are touched for the first time, the trapped APIC, Plinth's block. */
#include "arch/x86/regs.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/pgtable_merge.h"
#include "vmm/apic_trap.h"
#include "vmm/shootdown.h"
#include "vmm/vmm.h"

enum { BLOCK_REPORTS_MAX = 4, NOTHING_THERE = 0xff };

struct ept *guest_ept;

uint64_t guest_ept_pointer(void)
{
    return ept_pointer(guest_ept, virt_has_accessed_dirty());
}

/* As a bus with nothing on it: reads all-ones, writes dropped, and all-ones is #UD when executed. Reported a few times
 * a CPU: the guest must not be able to fill the log. */
static enum exit_action touch_block(const struct vm_exit *exit)
{
    struct vmm_cpu *me = vmm_cpu(cpu_this());

    if (++me->block_accesses <= BLOCK_REPORTS_MAX)
        log_warning("cpu%u: the guest %s Plinth's block at %lx%s", cpu_this()->index,
                    exit->memory.write     ? "writes to"
                    : exit->memory.execute ? "executes"
                                           : "reads",
                    exit->memory.address,
                    me->block_accesses == BLOCK_REPORTS_MAX ? "; no more reports from this cpu" : "");
    memset(me->detour.scratch, NOTHING_THERE, PAGE_SIZE);
    detour_begin(&me->detour, DETOUR_BLOCK, guest_ept->block);
    return ACTION_RESUME;
}

void memory_stepped(enum detour_purpose purpose)
{
    if (purpose == DETOUR_APIC)
        apic_trap_stepped();
}

/* The pool is empty: tables that say no more than one entry could are merged, which frees pages. */
static enum ept_fill fill_after_merge(uint64_t address)
{
    if (pgtable_merge(&guest_ept->table, 0, (uint64_t)1 << guest_ept->physical_bits)) {
        shootdown(); /* the tables leave the tree, */
        shootdown(); /* and what waited for that returns to the pool */
    }
    return ept_fill(guest_ept, address);
}

enum exit_action memory_exit(const struct vm_exit *exit)
{
    uint64_t address = exit->memory.address;
    enum ept_fill fill;

    if (exit->memory.write && apic_trap_write(address))
        return ACTION_RESUME;
    fill = ept_fill(guest_ept, address);
    if (unlikely(fill == EPT_NO_MEMORY))
        fill = fill_after_merge(address);
    switch (fill) {
    case EPT_FILLED:
    case EPT_PRESENT_ALREADY: /* another CPU was faster, or a right was given back: the CPU has dropped its stale
                                 translation by the exit */
        detour_forget(&vmm_cpu(cpu_this())->detour);
        return ACTION_RESUME;
    case EPT_IN_BLOCK:
        return touch_block(exit);
    case EPT_BEYOND:
        return ACTION_GP; /* no guest can form such an address: MAXPHYADDR is checked before EPT */
    case EPT_NO_MEMORY:
        log_error("cpu%u: no page left for the EPT at %lx", cpu_this()->index, address);
        return ACTION_CRASH;
    }
    return ACTION_CRASH;
}
