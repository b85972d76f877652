/* EPT violations: pages that are touched for the first time, the trapped APIC, Plinth's block. */
#include "arch/x86/regs.h"
#include "lib/log.h"
#include "lib/string.h"
#include "vmm/apic_trap.h"
#include "vmm/guest_watch.h"
#include "vmm/step_help.h"
#include "vmm/table_pool.h"
#include "vmm/vmm.h"

enum { NOTHING_THERE = 0xff, INSTRUCTION_MAX = 15 };

struct ept *guest_ept;
static uint64_t pointer; /* its root never moves */

void memory_init(struct ept *ept)
{
    guest_ept = ept;
    pointer = ept_pointer(ept, virt_has_accessed_dirty());
}

uint64_t guest_ept_pointer(void)
{
    return pointer;
}

/* As a bus with nothing on it: reads all-ones, writes dropped, and all-ones is #UD when executed. Reported a few times
 * a CPU: the guest must not be able to fill the log. */
static enum exit_action touch_block(const struct vm_exit *exit)
{
    struct vmm_cpu *me = vmm_cpu(cpu_this());

    if (++me->block_accesses <= GUEST_REPORTS_MAX)
        log_warning("cpu%u: the guest %s Plinth's block at %lx%s", cpu_this()->index,
                    exit->memory.write     ? "writes to"
                    : exit->memory.execute ? "executes"
                                           : "reads",
                    exit->memory.address,
                    me->block_accesses == GUEST_REPORTS_MAX ? "; no more reports from this cpu" : "");
    memset(me->detour.scratch, NOTHING_THERE, PAGE_SIZE);
    detour_begin(&me->detour, DETOUR_BLOCK, guest_ept->block);
    return ACTION_RESUME;
}

void memory_stepped(enum detour_purpose purpose)
{
    switch (purpose) {
    case DETOUR_APIC:
        apic_trap_stepped();
        break;
    case DETOUR_NONE: /* the monitor's step */
    case DETOUR_OPEN:
        step_help_end();
        break;
    case DETOUR_BLOCK:
    case DETOUR_INSIDE:
        break;
    }
}

/* One instruction with nothing withheld. */
static void let_through(struct detour *detour, struct ept *open)
{
    (void)step_help_begin();
    detour_begin_open(detour, open);
}

/* Was it only that large pages may not be executed (mm/ept_execute.h)? Then it may now. */
static bool give_execution(struct ept *ept, uint64_t address)
{
    enum ept_execute given = ept_execute(ept, address);

    if (likely(given != EPT_EXECUTE_NO_MEMORY))
        return given == EPT_EXECUTE_GIVEN;
    if (table_pool_execute(ept, address) == EPT_EXECUTE_NO_MEMORY) {
        log_warning("cpu%u: no page left to split the memory at %lx: it is executable as a large page",
                    cpu_this()->index, address);
        ept_execute_anyway(ept, address);
    }
    return true;
}

static enum exit_action touch_mapped(struct detour *detour, const struct vm_exit *exit)
{
    struct ept *open = guest_watch_open_tree();
    bool given = exit->memory.execute && give_execution(detour->base, exit->memory.address);

    detour_forget(detour);
    if (detour->base != guest_ept) {
        let_through(detour, detour->base);
        return ACTION_RESUME;
    }
    if (given || !open || !guest_watch_violation(exit))
        return ACTION_RESUME; /* another CPU was faster, or a right was given back: the exit has dropped the stale
                                 translation */
    if (exit->memory.execute)
        detour_begin_inside(detour, ALIGN_DOWN(exit->memory.address, PAGE_SIZE), open);
    else
        let_through(detour, open);
    return ACTION_RESUME;
}

/* Nothing is left that could give way, but watches. */
static enum exit_action no_memory(const struct detour *detour, uint64_t address)
{
    if (guest_watch_open_tree())
        guest_watch_give_up();
    if (table_pool_fill(detour->base, address) != EPT_NO_MEMORY)
        return ACTION_RESUME;
    log_error("cpu%u: no page left for the EPT at %lx", cpu_this()->index, address);
    return ACTION_CRASH;
}

/* What isn't a page's first touch in the tree that counts. */
static noinline enum exit_action handle_rest(struct detour *detour, const struct vm_exit *exit, enum ept_fill fill)
{
    if (fill == EPT_NO_MEMORY)
        fill = table_pool_fill(detour->base, exit->memory.address);
    switch (fill) {
    case EPT_FILLED:
    case EPT_PRESENT_ALREADY:
        return touch_mapped(detour, exit);
    case EPT_IN_BLOCK:
        return touch_block(exit);
    case EPT_BEYOND:
        return ACTION_GP; /* where MAXPHYADDR has bits beyond it: nothing is there, or keys of MKTME */
    case EPT_NO_MEMORY:
        return no_memory(detour, exit->memory.address);
    }
    return ACTION_CRASH;
}

/* By the base: the shared tables, or the open ones while an access is being let through. */
static inline enum exit_action handle(struct detour *detour, const struct vm_exit *exit)
{
    enum ept_fill fill;

    if (exit->memory.write && apic_trap_write(exit->memory.address))
        return ACTION_RESUME;
    fill = ept_fill(detour->base, exit->memory.address);
    if (unlikely(fill != EPT_FILLED) || unlikely(detour->base != guest_ept))
        return handle_rest(detour, exit, fill);
    detour_forget(detour);
    return ACTION_RESUME;
}

/* An instruction that lies in two pages never finds both executable. */
static bool may_straddle(void)
{
    return vcpu_linear_rip() % PAGE_SIZE > PAGE_SIZE - INSTRUCTION_MAX;
}

/* Inside a page that may not be executed from outside. */
static noinline enum exit_action exit_inside(struct detour *detour, const struct vm_exit *exit)
{
    struct ept *open = detour->base;

    detour_end(detour);
    if (exit->memory.execute) {
        if (may_straddle())
            let_through(detour, open);
        return ACTION_RESUME; /* it leaves the page */
    }
    (void)guest_watch_violation(exit);
    detour->base = open;
    return handle(detour, exit);
}

enum exit_action memory_exit_on_detour(const struct vm_exit *exit, enum detour_purpose purpose)
{
    struct detour *detour = &vmm_cpu(cpu_this())->detour;

    return purpose == DETOUR_INSIDE ? exit_inside(detour, exit) : handle(detour, exit);
}

enum exit_action memory_exit(const struct vm_exit *exit)
{
    struct detour *detour = &vmm_cpu(cpu_this())->detour;

    if (unlikely(detour->base != guest_ept))
        return exit_inside(detour, exit);
    return handle(detour, exit);
}
