/*
 * Letting the guest execute exactly one instruction, all events held off: by RFLAGS.TF with every exception
 * intercepted. Where the exit came in the middle of an event's delivery, the delivery is what is repeated, and the
 * preemption timer (SDM vol. 3, 25.5.1), which has run out when it starts, ends the guest's time right after it; the
 * trap flag can't, as a delivery clears it, and an external interrupt can't be delivered with IF clear. Any other exit
 * on the way cancels the step; the guest then comes back to the same instruction.
 *
 * The monitor trap flag (25.5.2) would do for all, but not every CPU has it, and one way that is tested everywhere is
 * better than two. It stands in for the timer where there is none.
 */
#include "arch/x86/instr.h"
#include "arch/x86/regs.h"
#include "arch/x86/vmx/controls.h"
#include "arch/x86/vmx/events.h"
#include "arch/x86/vmx/exit_reasons.h"
#include "arch/x86/vmx/vcpu.h"
#include "arch/x86/vmx/vmcs.h"

/* 24.4.2 "Pending debug exceptions", table 24-4, and table 27-1 share these bits. */
enum {
    DEBUG_BREAKPOINTS = 0xf,
    DEBUG_BUS_LOCK = BIT(11),
    PENDING_DEBUG_ENABLED = BIT(12), /* one of the breakpoints met is enabled in DR7 */
    DEBUG_BS = BIT(14),
};
enum { RFLAGS_IOPL_SHIFT = 12 };

static bool has_preemption_timer(void)
{
    return vmx.capabilities.pin >> 32 & PIN_PREEMPTION_TIMER;
}

/* What is delivered: again, or by an injection that was decided on before the step. */
static enum step_means choose_means(void)
{
    if (!vcpu_is_delivering())
        return STEP_TRAP_FLAG;
    return has_preemption_timer() ? STEP_PREEMPTION_TIMER : STEP_MONITOR_TRAP;
}

/* With TF set, an STI or MOV SS shadow would need a pending #DB (26.3.1.5); IF is 0, so the shadow says nothing anyway.
 * Without the shadow what is pending would come before the instruction. Fields that are as they must be already, as
 * nearly always, aren't written. */
static void begin_trap_flag(struct vcpu *vcpu)
{
    uint64_t rflags = vmread_natural(VMCS_GUEST_RFLAGS);
    uint32_t interruptibility = vmread32(VMCS_GUEST_INTERRUPTIBILITY);

    vcpu->step_saved.rflags = rflags;
    vcpu->step_saved.keeps_if = vcpu_cpl() > (rflags >> RFLAGS_IOPL_SHIFT & 3);
    vcpu->step_saved.interruptibility = interruptibility;
    vcpu->step_saved.debugctl = vmread64(VMCS_GUEST_DEBUGCTL);
    vcpu->step_saved.pending_debug = vmread_natural(VMCS_GUEST_PENDING_DEBUG);
    if (unlikely(vcpu->step_saved.pending_debug))
        vmwrite_natural(VMCS_GUEST_PENDING_DEBUG, 0);
    vmwrite32(VMCS_EXCEPTION_BITMAP, ~0u);
    if (unlikely(vcpu->step_saved.debugctl & DEBUGCTL_BTF))
        vmwrite64(VMCS_GUEST_DEBUGCTL, vcpu->step_saved.debugctl & ~(uint64_t)DEBUGCTL_BTF);
    if (unlikely(interruptibility & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS)))
        vmwrite32(VMCS_GUEST_INTERRUPTIBILITY, interruptibility & ~(BLOCKING_BY_STI | BLOCKING_BY_MOV_SS));
    vmwrite_natural(VMCS_GUEST_RFLAGS, (rflags & ~RFLAGS_IF) | RFLAGS_TF);
}

void vcpu_step_begin(void)
{
    struct vcpu *vcpu = cpu_this()->vcpu;

    vmwrite_natural(VMCS_HOST_RIP, (uint64_t)vmx_step_exit_entry);
    vcpu->step = choose_means();
    switch (vcpu->step) {
    case STEP_NONE:
        break;
    case STEP_PREEMPTION_TIMER:
        vmwrite32(VMCS_PREEMPTION_TIMER_VALUE, 0);
        vmwrite32(VMCS_PIN_BASED_CONTROLS, vmread32(VMCS_PIN_BASED_CONTROLS) | PIN_PREEMPTION_TIMER);
        break;
    case STEP_MONITOR_TRAP:
        vmwrite32(VMCS_PRIMARY_CONTROLS, vmread32(VMCS_PRIMARY_CONTROLS) | PRIMARY_MONITOR_TRAP_FLAG);
        break;
    case STEP_TRAP_FLAG:
        begin_trap_flag(vcpu);
        break;
    }
}

static bool is_single_step(uint32_t reason)
{
    uint32_t info = vmread32(VMCS_EXIT_INTERRUPTION_INFO);

    return reason == EXIT_EXCEPTION_OR_NMI && (info & INTERRUPTION_VECTOR) == VECTOR_DB &&
           (info & INTERRUPTION_TYPE) == INTERRUPTION_HARDWARE_EXCEPTION &&
           vmread_natural(VMCS_EXIT_QUALIFICATION) & DEBUG_BS;
}

/* The #DB that ended the step may have told of more than its end: breakpoints that the instruction's data has met. */
static uint64_t other_traps(void)
{
    uint64_t traps = vmread_natural(VMCS_EXIT_QUALIFICATION) & (DEBUG_BREAKPOINTS | DEBUG_BUS_LOCK), dr7;

    if (likely(!traps))
        return 0;
    dr7 = vmread_natural(VMCS_GUEST_DR7);
    for (unsigned i = 0; i < 4; i++)
        if (traps & BIT(i) && dr7 >> 2 * i & 3) /* Li, Gi */
            traps |= PENDING_DEBUG_ENABLED;
    return traps & PENDING_DEBUG_ENABLED ? traps : traps & ~(uint64_t)DEBUG_BREAKPOINTS;
}

/*
 * Which of TF and IF become again what they were. POPF and IRET load both (one that loads TF is taken for any other
 * instruction), but leave IF alone where CPL > IOPL; IF is set if STI has set it. What CLI did can't be seen.
 */
static uint64_t flags_to_restore(const struct vcpu *vcpu, bool done, uint64_t rflags)
{
    if (!done)
        return RFLAGS_IF | RFLAGS_TF;
    if (rflags & RFLAGS_TF)
        return RFLAGS_TF | (rflags & RFLAGS_IF ? 0 : RFLAGS_IF);
    return vcpu->step_saved.keeps_if ? RFLAGS_IF : 0;
}

static bool end_trap_flag(const struct vcpu *vcpu, uint32_t reason)
{
    const uint32_t shadows = BLOCKING_BY_STI | BLOCKING_BY_MOV_SS;
    uint64_t rflags = vmread_natural(VMCS_GUEST_RFLAGS), found, pending;
    bool done = is_single_step(reason);
    uint64_t restored = flags_to_restore(vcpu, done, rflags);

    vmwrite_natural(VMCS_GUEST_RFLAGS, (rflags & ~restored) | (vcpu->step_saved.rflags & restored));
    vmwrite32(VMCS_EXCEPTION_BITMAP, 0);
    if (unlikely(vcpu->step_saved.debugctl & DEBUGCTL_BTF))
        vmwrite64(VMCS_GUEST_DEBUGCTL, vcpu->step_saved.debugctl);
    pending = found = vmread_natural(VMCS_GUEST_PENDING_DEBUG);
    if (!(vcpu->step_saved.rflags & RFLAGS_TF))
        pending &= ~(uint64_t)DEBUG_BS; /* of our own trap flag: an exit before the #DB may have saved it (27.3.4) */
    pending |= vcpu->step_saved.pending_debug;
    if (done)
        pending |= other_traps();
    /* the guest steps itself too: it gets the #DB that we took */
    if (done && vcpu->step_saved.rflags & RFLAGS_TF && !(vcpu->step_saved.debugctl & DEBUGCTL_BTF))
        pending |= DEBUG_BS;
    if (unlikely(pending != found))
        vmwrite_natural(VMCS_GUEST_PENDING_DEBUG, pending);
    if (!done)
        vmwrite32(VMCS_GUEST_INTERRUPTIBILITY,
                  vmread32(VMCS_GUEST_INTERRUPTIBILITY) | (vcpu->step_saved.interruptibility & shadows));
    return done;
}

bool vcpu_is_stepping(void)
{
    return cpu_this()->vcpu->step != STEP_NONE;
}

void vcpu_set_interrupt_flag(bool on)
{
    uint64_t rflags = vmread_natural(VMCS_GUEST_RFLAGS) & ~(uint64_t)RFLAGS_IF;

    vmwrite_natural(VMCS_GUEST_RFLAGS, rflags | (on ? RFLAGS_IF : 0));
}

/* SDM vol. 2, "SYSCALL": segments don't come from the descriptors that the selectors name. */
static void load_syscall_segments(uint16_t selector)
{
    const uint32_t code = 0xa09b, data = 0xc093; /* accessed, present, DPL 0, in pages; 64-bit; up and large */

    vmwrite16(VMCS_GUEST_CS_SELECTOR, selector & (uint16_t)~3);
    vmwrite_natural(VMCS_GUEST_CS_BASE, 0);
    vmwrite32(VMCS_GUEST_CS_LIMIT, ~0u);
    vmwrite32(VMCS_GUEST_CS_ACCESS_RIGHTS, code);
    vmwrite16(VMCS_GUEST_SS_SELECTOR, (uint16_t)(selector + 8));
    vmwrite_natural(VMCS_GUEST_SS_BASE, 0);
    vmwrite32(VMCS_GUEST_SS_LIMIT, ~0u);
    vmwrite32(VMCS_GUEST_SS_ACCESS_RIGHTS, data);
}

bool vcpu_syscall(uint8_t length)
{
    struct guest_regs *regs = cpu_this()->frame;
    uint64_t rflags = vmread_natural(VMCS_GUEST_RFLAGS) & ~(uint64_t)RFLAGS_RF;
    uint32_t shadows = BLOCKING_BY_STI | BLOCKING_BY_MOV_SS;

    if (!vcpu_is_64bit() || !(vmread64(VMCS_GUEST_EFER) & EFER_SCE))
        return false;
    regs->rcx = vmread_natural(VMCS_GUEST_RIP) + length;
    regs->r11 = rflags;
    vmwrite_natural(VMCS_GUEST_RIP, rdmsr(MSR_IA32_LSTAR));
    vmwrite_natural(VMCS_GUEST_RFLAGS, (rflags & ~(uint64_t)(uint32_t)rdmsr(MSR_IA32_FMASK)) | RFLAGS_FIXED);
    load_syscall_segments((uint16_t)(rdmsr(MSR_IA32_STAR) >> 32));
    vmwrite32(VMCS_GUEST_INTERRUPTIBILITY, vmread32(VMCS_GUEST_INTERRUPTIBILITY) & ~shadows);
    return true;
}

bool vmx_step_end(struct vcpu *vcpu, uint32_t reason)
{
    enum step_means means = vcpu->step;

    reason &= EXIT_REASON_BASIC | EXIT_REASON_ENTRY_FAILURE; /* not: from an enclave */
    vcpu->step = STEP_NONE;
    vmwrite_natural(VMCS_HOST_RIP, (uint64_t)vmx.exit_entry);
    switch (means) {
    case STEP_NONE:
        return false;
    case STEP_PREEMPTION_TIMER:
        if (!vcpu->polls) /* else the timer, which has run out, makes for a look a little early */
            vmwrite32(VMCS_PIN_BASED_CONTROLS, vmread32(VMCS_PIN_BASED_CONTROLS) & ~(uint32_t)PIN_PREEMPTION_TIMER);
        return reason == EXIT_PREEMPTION_TIMER;
    case STEP_MONITOR_TRAP:
        vmwrite32(VMCS_PRIMARY_CONTROLS, vmread32(VMCS_PRIMARY_CONTROLS) & ~(uint32_t)PRIMARY_MONITOR_TRAP_FLAG);
        return reason == EXIT_MONITOR_TRAP_FLAG;
    case STEP_TRAP_FLAG:
        return end_trap_flag(vcpu, reason);
    }
    return false;
}
