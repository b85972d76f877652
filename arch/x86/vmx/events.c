#include "arch/x86/vmx/events.h"

#include "arch/x86/instr.h"
#include "arch/x86/vmx/controls.h"
#include "arch/x86/vmx/vcpu.h"
#include "arch/x86/vmx/vmcs.h"

enum { DEBUGCTL_LBR = BIT(0), DR7_GD = BIT(13) };

/* 26.2.1.3: an error code is delivered only in protected mode; in real mode exceptions have none. */
static void inject_exception(uint8_t vector, bool has_error, uint32_t error)
{
    has_error = has_error && vmread_natural(VMCS_GUEST_CR0) & CR0_PE;
    if (has_error)
        vmwrite32(VMCS_ENTRY_EXCEPTION_ERROR_CODE, error);
    vmwrite32(VMCS_ENTRY_INTERRUPTION_INFO, INTERRUPTION_VALID | INTERRUPTION_HARDWARE_EXCEPTION | vector |
                                                (has_error ? (uint32_t)INTERRUPTION_ERROR_CODE : 0));
}

bool vcpu_is_delivering(void)
{
    return (vmread32(VMCS_IDT_VECTORING_INFO) | vmread32(VMCS_ENTRY_INTERRUPTION_INFO)) & INTERRUPTION_VALID;
}

void vcpu_inject_int(uint8_t vector, uint8_t length)
{
    vmwrite32(VMCS_ENTRY_INSTRUCTION_LENGTH, length);
    vmwrite32(VMCS_ENTRY_INTERRUPTION_INFO, INTERRUPTION_VALID | INTERRUPTION_SOFTWARE_INTERRUPT | vector);
}

bool events_is_single_stepped(void)
{
    return vmread_natural(VMCS_GUEST_RFLAGS) & RFLAGS_TF && !(vmread64(VMCS_GUEST_DEBUGCTL) & DEBUGCTL_BTF);
}

void events_note_single_step(void)
{
    vmwrite_natural(VMCS_GUEST_PENDING_DEBUG, vmread_natural(VMCS_GUEST_PENDING_DEBUG) | PENDING_DEBUG_BS);
}

bool events_mend_single_step(void)
{
    if (vmread_natural(VMCS_GUEST_PENDING_DEBUG) & PENDING_DEBUG_BS ||
        !(vmread32(VMCS_GUEST_INTERRUPTIBILITY) & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS)) ||
        !events_is_single_stepped())
        return false;
    events_note_single_step();
    return true;
}

/* The image of RFLAGS that an injection pushes is the guest's own; for a fault the CPU would set RF in it (17.3.1.1).
 */
void vcpu_inject_fault(uint8_t vector, uint32_t error, uint64_t cr2)
{
    if (vector == VECTOR_PF)
        write_cr2(cr2);
    vmwrite_natural(VMCS_GUEST_RFLAGS, vmread_natural(VMCS_GUEST_RFLAGS) | RFLAGS_RF);
    inject_exception(vector, true, error);
}

/* 17.2.3, 17.3.1.5: an injection doesn't write DR6. */
void vcpu_inject_task_trap(void)
{
    const uint64_t bt = BIT(15);

    write_dr6(read_dr6() | bt);
    inject_exception(VECTOR_DB, false, 0);
}

static bool is_software(uint32_t info)
{
    uint32_t type = info & INTERRUPTION_TYPE;

    return type == INTERRUPTION_SOFTWARE_INTERRUPT || type == INTERRUPTION_SOFTWARE_EXCEPTION ||
           type == INTERRUPTION_PRIVILEGED_SOFTWARE_EXCEPTION;
}

/* 27.1: a #DB that exits has written none of this, and an injection doesn't either (26.6.1.2); 17.2.3, 17.2.4, 17.4.1.
 * The bits for bus locks and transactions are 0 in DR6 when they are 1 in the qualification (table 27-1). */
static void finish_debug_exception(uint32_t info)
{
    const uint64_t active_low = BIT(11) | BIT(16);
    uint64_t qualification = is_software(info) ? 0 : vmread_natural(VMCS_EXIT_QUALIFICATION); /* INT1 tells nothing */

    write_dr6((read_dr6() | (qualification & ~active_low)) & ~(qualification & active_low));
    vmwrite_natural(VMCS_GUEST_DR7, vmread_natural(VMCS_GUEST_DR7) & ~(uint64_t)DR7_GD);
    vmwrite64(VMCS_GUEST_DEBUGCTL, vmread64(VMCS_GUEST_DEBUGCTL) & ~(uint64_t)(DEBUGCTL_LBR | DEBUGCTL_BTF));
    /* the delivery ends them; with BTF gone they would go with other pending exceptions (26.3.1.5) */
    vmwrite32(VMCS_GUEST_INTERRUPTIBILITY,
              vmread32(VMCS_GUEST_INTERRUPTIBILITY) & ~(uint32_t)(BLOCKING_BY_STI | BLOCKING_BY_MOV_SS));
}

/* With its own type: INT3, INTO and INT1 are injected as such, with their length, so that the handler returns behind
 * them (26.6.1.1). */
void vcpu_reflect_exception(void)
{
    uint32_t info = vmread32(VMCS_EXIT_INTERRUPTION_INFO);

    if ((info & INTERRUPTION_VECTOR) == VECTOR_PF)
        write_cr2(vmread_natural(VMCS_EXIT_QUALIFICATION));
    if ((info & INTERRUPTION_VECTOR) == VECTOR_DB)
        finish_debug_exception(info);
    if (info & INTERRUPTION_ERROR_CODE)
        vmwrite32(VMCS_ENTRY_EXCEPTION_ERROR_CODE, vmread32(VMCS_EXIT_INTERRUPTION_ERROR_CODE));
    if (is_software(info))
        vmwrite32(VMCS_ENTRY_INSTRUCTION_LENGTH, vmread32(VMCS_EXIT_INSTRUCTION_LENGTH));
    vmwrite32(VMCS_ENTRY_INTERRUPTION_INFO, info & ~(uint32_t)INTERRUPTION_NMI_UNBLOCKING);
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
    if (is_software(info))
        vmwrite32(VMCS_ENTRY_INSTRUCTION_LENGTH, vmread32(VMCS_EXIT_INSTRUCTION_LENGTH));
    if (type == INTERRUPTION_NMI)
        vmwrite32(VMCS_GUEST_INTERRUPTIBILITY, vmread32(VMCS_GUEST_INTERRUPTIBILITY) & ~(uint32_t)BLOCKING_BY_NMI);
    vmwrite32(VMCS_ENTRY_INTERRUPTION_INFO, info & ~(uint32_t)INTERRUPTION_NMI_UNBLOCKING);
}
