/*
 * Letting the guest execute exactly one instruction, all events held off: by the monitor trap flag where the CPU has it
 * (SDM vol. 3, 25.5.2), else by RFLAGS.TF with every exception intercepted. Any other exit on the way cancels the step;
 * the guest then comes back to the same instruction.
 */
#include "arch/x86/instr.h"
#include "arch/x86/regs.h"
#include "arch/x86/vmx/controls.h"
#include "arch/x86/vmx/events.h"
#include "arch/x86/vmx/exit_reasons.h"
#include "arch/x86/vmx/vcpu.h"
#include "arch/x86/vmx/vmcs.h"

enum { DEBUGCTL_BTF = BIT(1), PENDING_DEBUG_BS = BIT(14), DB_QUALIFICATION_BS = BIT(14) };

static bool has_monitor_trap_flag(void)
{
    return vmx.capabilities.primary >> 32 & PRIMARY_MONITOR_TRAP_FLAG;
}

void vcpu_step_begin(void)
{
    struct vcpu *vcpu = cpu_this()->vcpu;
    uint64_t rflags = vmread_natural(VMCS_GUEST_RFLAGS);
    uint32_t interruptibility = vmread32(VMCS_GUEST_INTERRUPTIBILITY);

    vcpu->stepping = true;
    vcpu->step_saved.rflags = rflags;
    vcpu->step_saved.interruptibility = interruptibility;
    vcpu->step_saved.debugctl = vmread64(VMCS_GUEST_DEBUGCTL);
    rflags &= ~RFLAGS_IF;
    if (has_monitor_trap_flag()) {
        vmwrite32(VMCS_PRIMARY_CONTROLS, vmread32(VMCS_PRIMARY_CONTROLS) | PRIMARY_MONITOR_TRAP_FLAG);
    } else {
        rflags |= RFLAGS_TF;
        vmwrite32(VMCS_EXCEPTION_BITMAP, ~0u);
        vmwrite64(VMCS_GUEST_DEBUGCTL, vcpu->step_saved.debugctl & ~(uint64_t)DEBUGCTL_BTF);
    }
    /* with TF set, an STI or MOV SS shadow would need a pending #DB (26.3.1.5); IF is 0, so the shadow says nothing
     * anyway */
    vmwrite32(VMCS_GUEST_INTERRUPTIBILITY, interruptibility & ~(BLOCKING_BY_STI | BLOCKING_BY_MOV_SS));
    vmwrite_natural(VMCS_GUEST_RFLAGS, rflags);
}

static bool is_single_step(uint32_t reason)
{
    uint32_t info = vmread32(VMCS_EXIT_INTERRUPTION_INFO);

    if (reason == EXIT_MONITOR_TRAP_FLAG)
        return true;
    return reason == EXIT_EXCEPTION_OR_NMI && (info & INTERRUPTION_VECTOR) == VECTOR_DB &&
           (info & INTERRUPTION_TYPE) == INTERRUPTION_HARDWARE_EXCEPTION &&
           vmread_natural(VMCS_EXIT_QUALIFICATION) & DB_QUALIFICATION_BS;
}

bool vmx_step_end(struct vcpu *vcpu, uint32_t reason)
{
    const uint64_t changed = RFLAGS_IF | RFLAGS_TF;
    uint64_t rflags = vmread_natural(VMCS_GUEST_RFLAGS);
    bool done = is_single_step(reason);

    vcpu->stepping = false;
    vmwrite_natural(VMCS_GUEST_RFLAGS, (rflags & ~changed) | (vcpu->step_saved.rflags & changed));
    if (has_monitor_trap_flag()) {
        vmwrite32(VMCS_PRIMARY_CONTROLS, vmread32(VMCS_PRIMARY_CONTROLS) & ~(uint32_t)PRIMARY_MONITOR_TRAP_FLAG);
    } else {
        vmwrite32(VMCS_EXCEPTION_BITMAP, 0);
        vmwrite64(VMCS_GUEST_DEBUGCTL, vcpu->step_saved.debugctl);
        /* the guest steps itself too: it gets the #DB that we took */
        if (done && vcpu->step_saved.rflags & RFLAGS_TF && !(vcpu->step_saved.debugctl & DEBUGCTL_BTF))
            vmwrite_natural(VMCS_GUEST_PENDING_DEBUG, vmread_natural(VMCS_GUEST_PENDING_DEBUG) | PENDING_DEBUG_BS);
    }
    if (!done)
        vmwrite32(VMCS_GUEST_INTERRUPTIBILITY,
                  vmread32(VMCS_GUEST_INTERRUPTIBILITY) |
                      (vcpu->step_saved.interruptibility & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS)));
    return done;
}
