/*
 * Coming out of the guest now and then, whatever it does: by the VMX-preemption timer (SDM vol. 3, 25.5.1
 * "VMX-Preemption Timer"), which counts in root mode not at all, so its rest is saved on every exit: else a guest that
 * exits often would never be interrupted. In deep sleep (C3 and deeper) the timer stands still, and the next look comes
 * after it: where that is too late, MWAIT exits and does nothing, as it may end for no reason (SDM vol. 2, MWAIT).
 */
#include "arch/x86/clock.h"
#include "arch/x86/vmx/controls.h"
#include "arch/x86/vmx/vcpu.h"
#include "arch/x86/vmx/vmcs.h"

enum { MISC_TIMER_SHIFT = 0x1f };

bool virt_can_poll(void)
{
    return vmx.capabilities.pin >> 32 & PIN_PREEMPTION_TIMER &&
           vmx.capabilities.exit >> 32 & EXIT_SAVE_PREEMPTION_TIMER;
}

void vcpu_poll_in(uint32_t microseconds)
{
    struct vcpu *vcpu = cpu_this()->vcpu;
    uint64_t ticks = clock_tsc_khz() * microseconds / 1000 >> (vmx.capabilities.misc & MISC_TIMER_SHIFT);

    if (!vcpu->polls) {
        vmwrite32(VMCS_PIN_BASED_CONTROLS, vmread32(VMCS_PIN_BASED_CONTROLS) | PIN_PREEMPTION_TIMER);
        vmwrite32(VMCS_EXIT_CONTROLS, vmread32(VMCS_EXIT_CONTROLS) | EXIT_SAVE_PREEMPTION_TIMER);
        vcpu->polls = true;
    }
    vmwrite32(VMCS_PREEMPTION_TIMER_VALUE, ticks > UINT32_MAX ? UINT32_MAX : (uint32_t)ticks);
}

void vcpu_keep_awake(bool awake)
{
    const uint32_t can = (uint32_t)(vmx.capabilities.primary >> 32), controls = vmread32(VMCS_PRIMARY_CONTROLS);
    const uint32_t wanted = awake ? controls | (can & PRIMARY_MWAIT_EXITING) : controls & ~PRIMARY_MWAIT_EXITING;

    if (wanted != controls)
        vmwrite32(VMCS_PRIMARY_CONTROLS, wanted);
}
