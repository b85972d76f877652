/* What happens on an exit: the hottest reason at once, the rest through decode and vmm/; RIP moves only here. */
#include "arch/x86/crash.h"
#include "arch/x86/instr.h"
#include "arch/x86/regs.h"
#include "arch/x86/vmx/events.h"
#include "arch/x86/vmx/exit_reasons.h"
#include "arch/x86/vmx/vcpu.h"
#include "arch/x86/vmx/vmcs.h"

enum { PENDING_DEBUG_BS = BIT(14), DEBUGCTL_BTF = BIT(1), RIGHTS_LONG = BIT(13) };

/* Outside 64-bit mode RIP has 32 bits (26.3.1.4 checks that). Rare, so only where the sum leaves the low half. */
static uint64_t wrap(uint64_t rip)
{
    bool long_mode = vmread64(VMCS_GUEST_EFER) & EFER_LMA && vmread32(VMCS_GUEST_CS_ACCESS_RIGHTS) & RIGHTS_LONG;

    return long_mode ? rip : (uint32_t)rip;
}

void vmx_advance(void)
{
    uint64_t rip = vmread_natural(VMCS_GUEST_RIP), next = rip + vmread32(VMCS_EXIT_INSTRUCTION_LENGTH);
    uint32_t blocking = vmread32(VMCS_GUEST_INTERRUPTIBILITY);

    if ((rip ^ next) >> 32)
        next = wrap(next);
    vmwrite_natural(VMCS_GUEST_RIP, next);
    if (blocking & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS))
        vmwrite32(VMCS_GUEST_INTERRUPTIBILITY, blocking & ~(BLOCKING_BY_STI | BLOCKING_BY_MOV_SS));
    if (vmread_natural(VMCS_GUEST_RFLAGS) & RFLAGS_TF && !(vmread64(VMCS_GUEST_DEBUGCTL) & DEBUGCTL_BTF))
        vmwrite_natural(VMCS_GUEST_PENDING_DEBUG, vmread_natural(VMCS_GUEST_PENDING_DEBUG) | PENDING_DEBUG_BS);
}

static void apply(enum exit_action action, const struct vm_exit *exit)
{
    switch (action) {
    case ACTION_RESUME:
        events_reinject();
        return;
    case ACTION_NEXT:
        vmx_advance();
        return;
    case ACTION_UD:
        vcpu_inject_exception(VECTOR_UD, false, 0);
        return;
    case ACTION_GP:
        vcpu_inject_exception(VECTOR_GP, true, 0);
        return;
    case ACTION_CRASH:
        break;
    }
    crash("VM exit \"%s\" (reason %x, qualification %lx) that Plinth has no answer to", vmx_exit_name(exit->reason),
          exit->reason, exit->qualification);
}

static void handle(struct guest_regs *regs, uint32_t reason)
{
    struct vcpu *vcpu = cpu_this()->vcpu;
    bool stepped = vcpu->step != STEP_NONE && vmx_step_end(vcpu, reason);
    struct vm_exit exit;

    vmx_decode(reason, regs, &exit);
    if (stepped)
        exit.kind = VM_EXIT_STEPPED;
    apply(vmm_exit(regs, &exit), &exit);
}

static void count(uint32_t reason, uint64_t start)
{
    struct vcpu *vcpu = cpu_this()->vcpu;

    if (reason >= EXIT_REASONS)
        return;
    vcpu->statistics[reason].exits++;
    vcpu->statistics[reason].ticks += rdtsc() - start;
}

void vmx_exit(struct guest_regs *regs)
{
    uint64_t start = rdtsc();
    uint32_t reason = vmread32(VMCS_EXIT_REASON);

    if (reason == EXIT_CPUID && cpu_this()->vcpu->step == STEP_NONE) {
        vmm_cpuid(regs);
        vmx_advance();
    } else {
        handle(regs, reason);
    }
    count(reason, start);
}

void vmx_slow_work(void)
{
    vmm_slow_work(cpu_this());
}
