#include "arch/x86/vmx/events.h"

#include "arch/x86/instr.h"
#include "arch/x86/vmx/controls.h"
#include "arch/x86/vmx/vcpu.h"
#include "arch/x86/vmx/vmcs.h"

/* 26.2.1.3: an error code is delivered only in protected mode; in real mode exceptions have none. */
void vcpu_inject_exception(uint8_t vector, bool has_error, uint32_t error)
{
    has_error = has_error && vmread_natural(VMCS_GUEST_CR0) & CR0_PE;
    if (has_error)
        vmwrite32(VMCS_ENTRY_EXCEPTION_ERROR_CODE, error);
    vmwrite32(VMCS_ENTRY_INTERRUPTION_INFO, INTERRUPTION_VALID | INTERRUPTION_HARDWARE_EXCEPTION | vector |
                                                (has_error ? (uint32_t)INTERRUPTION_ERROR_CODE : 0));
}

/* The image of RFLAGS that an injection pushes is the guest's own; for a fault the CPU would set RF in it (17.3.1.1).
 */
void vcpu_inject_fault(uint8_t vector, uint32_t error, uint64_t cr2)
{
    if (vector == VECTOR_PF)
        write_cr2(cr2);
    vmwrite_natural(VMCS_GUEST_RFLAGS, vmread_natural(VMCS_GUEST_RFLAGS) | RFLAGS_RF);
    vcpu_inject_exception(vector, true, error);
}

/* 17.2.3, 17.3.1.5: an injection doesn't write DR6. */
void vcpu_inject_task_trap(void)
{
    const uint64_t bt = BIT(15);

    write_dr6(read_dr6() | bt);
    vcpu_inject_exception(VECTOR_DB, false, 0);
}

void vcpu_block_nmis(bool block)
{
    uint32_t blocking = vmread32(VMCS_GUEST_INTERRUPTIBILITY) & ~(uint32_t)BLOCKING_BY_NMI;

    vmwrite32(VMCS_GUEST_INTERRUPTIBILITY, blocking | (block ? (uint32_t)BLOCKING_BY_NMI : 0));
}

/* 26.3.1.5: an NMI can't be injected under blocking by NMI or MOV SS, nor, on some CPUs, by STI; and not beside another
 * event. During a step it would run the guest's handler with what is meant for one instruction; the window's exit ends
 * the step. */
void vcpu_inject_nmi(void)
{
    uint32_t activity = vmread32(VMCS_GUEST_ACTIVITY);
    uint32_t blocked = vmread32(VMCS_GUEST_INTERRUPTIBILITY) & (BLOCKING_BY_NMI | BLOCKING_BY_MOV_SS | BLOCKING_BY_STI);
    uint32_t taken = (vmread32(VMCS_ENTRY_INTERRUPTION_INFO) | vmread32(VMCS_IDT_VECTORING_INFO)) & INTERRUPTION_VALID;

    if (activity == ACTIVITY_WAIT_FOR_SIPI)
        return; /* takes no NMI, and keeps none (8.4.2) */
    if (blocked || taken || cpu_this()->vcpu->step != STEP_NONE) {
        cpu_this()->nmi_count = 1; /* the CPU too remembers one, not more */
        vmwrite32(VMCS_PRIMARY_CONTROLS, vmread32(VMCS_PRIMARY_CONTROLS) | PRIMARY_NMI_WINDOW_EXITING);
        return;
    }
    vmwrite32(VMCS_ENTRY_INTERRUPTION_INFO, INTERRUPTION_VALID | INTERRUPTION_NMI | VECTOR_NMI);
}

/* 24.9.3 and 26.6.1.1; the software types need the instruction's length. NMI: the blocking that its delivery began must
 * not stand in the way. */
void events_reinject(void)
{
    uint32_t info = vmread32(VMCS_IDT_VECTORING_INFO);
    uint32_t type = info & INTERRUPTION_TYPE;

    if (!(info & INTERRUPTION_VALID) || vmread32(VMCS_ENTRY_INTERRUPTION_INFO) & INTERRUPTION_VALID)
        return;
    if (info & INTERRUPTION_ERROR_CODE)
        vmwrite32(VMCS_ENTRY_EXCEPTION_ERROR_CODE, vmread32(VMCS_IDT_VECTORING_ERROR_CODE));
    if (type == INTERRUPTION_SOFTWARE_INTERRUPT || type == INTERRUPTION_SOFTWARE_EXCEPTION ||
        type == INTERRUPTION_PRIVILEGED_SOFTWARE_EXCEPTION)
        vmwrite32(VMCS_ENTRY_INSTRUCTION_LENGTH, vmread32(VMCS_EXIT_INSTRUCTION_LENGTH));
    if (type == INTERRUPTION_NMI)
        vmwrite32(VMCS_GUEST_INTERRUPTIBILITY, vmread32(VMCS_GUEST_INTERRUPTIBILITY) & ~(uint32_t)BLOCKING_BY_NMI);
    vmwrite32(VMCS_ENTRY_INTERRUPTION_INFO, info & ~(uint32_t)INTERRUPTION_NMI_UNBLOCKING);
}
