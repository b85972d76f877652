/* What happens on an exit: the hottest reason at once, the rest through decode and vmm/; RIP moves only here. */
#include "arch/x86/crash.h"
#include "arch/x86/instr.h"
#include "arch/x86/mitigations.h"
#include "arch/x86/regs.h"
#include "arch/x86/vmx/events.h"
#include "arch/x86/vmx/exit_reasons.h"
#include "arch/x86/vmx/statistics.h"
#include "arch/x86/vmx/vcpu.h"
#include "arch/x86/vmx/vmcs.h"
#include "lib/options.h"

/*
 * RIP goes to the next instruction: true in the common case. What is rare is left to finish_advance(): RIP wraps, the
 * shadow of STI or MOV SS ends, or the guest steps itself.
 */
static inline bool advance_simply(void)
{
    uint64_t rip = vmread_natural(VMCS_GUEST_RIP), length = vmread_raw(VMCS_EXIT_INSTRUCTION_LENGTH);
    uint32_t low;

    vmwrite_sure(VMCS_GUEST_RIP, rip + length);
    return likely(!__builtin_add_overflow((uint32_t)rip, (uint32_t)length, &low)) &&
           likely(!(vmread32(VMCS_GUEST_INTERRUPTIBILITY) & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS))) &&
           likely(!(vmread_natural(VMCS_GUEST_RFLAGS) & RFLAGS_TF));
}

/* Outside 64-bit mode RIP has 32 bits, and an entry checks that (26.3.1.4). */
static void finish_advance(void)
{
    uint64_t rip = vmread_natural(VMCS_GUEST_RIP);
    uint32_t blocking = vmread32(VMCS_GUEST_INTERRUPTIBILITY);

    if (!vcpu_is_64bit())
        vmwrite_natural(VMCS_GUEST_RIP, (uint32_t)rip);
    vmwrite32(VMCS_GUEST_INTERRUPTIBILITY, blocking & ~(BLOCKING_BY_STI | BLOCKING_BY_MOV_SS));
    if (events_is_single_stepped())
        events_note_single_step();
}

static void advance(void)
{
    if (!advance_simply())
        finish_advance();
}

/* An injection pushes RFLAGS as they are; a fault would set RF in what it pushes (17.3.1.1). */
static inline void inject_ud(void)
{
    vmwrite_sure(VMCS_GUEST_RFLAGS, vmread_natural(VMCS_GUEST_RFLAGS) | RFLAGS_RF);
    vmwrite_sure(VMCS_ENTRY_INTERRUPTION_INFO, INTERRUPTION_VALID | INTERRUPTION_HARDWARE_EXCEPTION | VECTOR_UD);
}

static noinline void apply_rarely(enum exit_action action, uint32_t reason)
{
    switch (action) {
    case ACTION_RESUME:
        return;
    case ACTION_NEXT:
        return; /* done by apply() */
    case ACTION_DONE:
        return;
    case ACTION_AGAIN: /* RF: its breakpoint has been met (17.3.1.1) */
        finish_advance();
        vmwrite_natural(VMCS_GUEST_RFLAGS, vmread_natural(VMCS_GUEST_RFLAGS) | RFLAGS_RF);
        return;
    case ACTION_UD:
        inject_ud();
        return;
    case ACTION_GP:
        vcpu_inject_fault(VECTOR_GP, 0, 0);
        return;
    case ACTION_CRASH:
        break;
    }
    crash("VM exit \"%s\" (reason %x, qualification %lx) that Plinth has no answer to", vmx_exit_name(reason), reason,
          vmread_natural(VMCS_EXIT_QUALIFICATION));
}

static inline void apply(enum exit_action action, uint32_t reason)
{
    if (likely(action == ACTION_NEXT))
        advance();
    else
        apply_rarely(action, reason);
}

static void finish(enum exit_action action, uint32_t reason)
{
    if (likely(action == ACTION_RESUME))
        events_reinject();
    else
        apply(action, reason);
}

/* `stepped`: this exit is the end of the one instruction of vcpu_step_begin(). */
static void handle(struct guest_regs *regs, uint32_t reason, bool stepped)
{
    struct vm_exit exit;

    if (stepped)
        exit = (struct vm_exit){.kind = VM_EXIT_STEPPED, .reason = reason};
    else
        vmx_decode(reason, regs, &exit);
    finish(vmm_exit(regs, &exit), reason);
}

/* A failed entry, that will do now: it left the guest and what was to be injected as they were (26.7). Asked here, so
 * that no entry need be looked at before. */
static bool is_remedied(uint32_t reason)
{
    return reason == (EXIT_REASON_ENTRY_FAILURE | EXIT_ENTRY_FAILURE_GUEST_STATE) && events_mend_single_step();
}

/* An EPT violation outside a step needs no more of the switch over exits than its own case. */
static noinline void handle_rest(struct guest_regs *regs, uint32_t reason)
{
    struct vm_exit exit;

    if (unlikely(reason != EXIT_EPT_VIOLATION)) {
        if (!is_remedied(reason))
            handle(regs, reason, false);
        return;
    }
    vmx_decode_violation(reason, &exit);
    finish(memory_exit(&exit), reason);
}

/*
 * An exit is over. `kept` is a constant in the paths that follow: HOST_RIP chooses among them, so that no exit asks
 * what is to be kept. Differences of the TSC's low half: no exit lasts 2^32 ticks.
 */
static always_inline void count(enum statistics kept, uint32_t reason, uint32_t start)
{
    uint64_t ticks;

    if (kept == STATISTICS_OFF)
        return;
    ticks = rdtsc_low() - start;
    CPU_GS->statistics[reason].ticks += ticks;
    if (kept == STATISTICS_COUNTS)
        CPU_GS->statistics[reason].exits++;
    else
        ++*bucket_of(reason, ticks);
}

/* Where it doesn't matter that an exit asks. */
static noinline void count_any(uint32_t reason, uint32_t start)
{
    if (reason < EXIT_REASONS)
        count(options.statistics, reason, start);
}

/* After paths that touch data of Plinth's beyond the register frame, the counters and the policies, which are no
 * secret. */
static void flush_touched(void)
{
    if (mitigations.l1d_flush != L1D_FLUSH_NEVER)
        mitigations_flush_l1d();
}

static always_inline void exit_slowly(struct guest_regs *regs, enum statistics kept, uint32_t start)
{
    uint32_t reason = vmread32(VMCS_EXIT_REASON);

    switch (reason) {
    case EXIT_CPUID:
        vmm_cpuid_special(regs);
        advance();
        break;
    case EXIT_VMCALL:
        inject_ud(); /* no hypercalls: what the guest sees has no VMX */
        break;
    case EXIT_XSETBV:
        apply(vmm_xsetbv(regs), reason);
        break;
    case EXIT_RDMSR:
        apply(msr_read(regs), reason);
        break;
    case EXIT_WRMSR:
        apply(msr_write(regs), reason);
        break;
    case EXIT_INIT:
    case EXIT_SIPI: /* only the VMCS is touched; and a CPU that comes late misses its SIPI */
        handle(regs, reason, false);
        break;
    default:
        handle_rest(regs, reason);
        /* ports: the serial line's rows, and what is in them goes over the line */
        if (mitigations.l1d_flush == L1D_FLUSH_COND && reason != EXIT_IO_INSTRUCTION)
            mitigations_flush_l1d();
    }
    if (reason < EXIT_REASONS)
        count(kept, reason, start);
}

static noinline void exit_slowly_counted(struct guest_regs *regs, uint32_t start)
{
    exit_slowly(regs, STATISTICS_COUNTS, start);
}

static noinline void exit_slowly_sorted(struct guest_regs *regs, uint32_t start)
{
    exit_slowly(regs, STATISTICS_HISTOGRAM, start);
}

static noinline void exit_slowly_uncounted(struct guest_regs *regs)
{
    exit_slowly(regs, STATISTICS_OFF, 0);
}

static noinline void finish_cpuid(uint32_t start)
{
    finish_advance();
    count_any(EXIT_CPUID, start);
}

/*
 * The path of CPUID, the one frequent exit, is written for its length, which `make bench` counts: no call on it but the
 * last, so that nothing is saved across one. True: there is no more to be done.
 */
static always_inline bool exit_quickly(struct guest_regs *regs, enum statistics kept, uint32_t start)
{
    if (unlikely(vmread32(VMCS_EXIT_REASON) != EXIT_CPUID) || !vmm_cpuid_is_plain((uint32_t)regs->rax))
        return false;
    vmm_cpuid_plain(regs);
    if (advance_simply())
        count(kept, EXIT_CPUID, start);
    else
        finish_cpuid(start);
    return true;
}

void vmx_exit(struct guest_regs *regs)
{
    uint32_t start = rdtsc_low();

    if (!exit_quickly(regs, STATISTICS_COUNTS, start))
        exit_slowly_counted(regs, start);
}

/* statistics=histogram */
void vmx_exit_sorted(struct guest_regs *regs)
{
    uint32_t start = rdtsc_low();

    if (!exit_quickly(regs, STATISTICS_HISTOGRAM, start))
        exit_slowly_sorted(regs, start);
}

/* statistics=off */
void vmx_exit_uncounted(struct guest_regs *regs)
{
    if (!exit_quickly(regs, STATISTICS_OFF, 0))
        exit_slowly_uncounted(regs);
}

/* Where there is time to ask which of them it is. */
void vmx_exit_any(struct guest_regs *regs)
{
    switch (options.statistics) {
    case STATISTICS_COUNTS:
        vmx_exit(regs);
        break;
    case STATISTICS_HISTOGRAM:
        vmx_exit_sorted(regs);
        break;
    case STATISTICS_OFF:
        vmx_exit_uncounted(regs);
        break;
    }
    if (mitigations.l1d_flush == L1D_FLUSH_ALWAYS)
        mitigations_flush_l1d();
}

/* An exit after vcpu_step_begin(): maybe the step's end, maybe something on the way that cancels it. */
void vmx_step_exit(struct guest_regs *regs)
{
    uint32_t start = rdtsc_low(), reason = vmread32(VMCS_EXIT_REASON);

    handle(regs, reason, vmx_step_end(cpu_this()->vcpu, reason));
    count_any(reason, start);
    flush_touched();
}

void vmx_slow_work(void)
{
    vmm_slow_work(cpu_this());
    flush_touched();
}
