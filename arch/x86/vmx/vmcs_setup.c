/* Controls and host state of a vCPU's VMCS (SDM vol. 3, 24.5 to 24.8). The guest state is in guest_state.c. */
#include "arch/x86/instr.h"
#include "arch/x86/regs.h"
#include "arch/x86/vmx/controls.h"
#include "arch/x86/vmx/vcpu.h"
#include "arch/x86/vmx/vmcs.h"

/*
 * Optional bits are those without which an instruction that the CPU has would be #UD in the guest, or which make exits
 * cheaper. In root mode branches would reset the guest's bound registers (BNDCFGS), and be recorded as the guest's
 * (LBR_CTL; what IA32_DEBUGCTL asks for ends with the exit by itself).
 */
static const struct controls_word pin_word = {"pin-based", PIN_NMI_EXITING | PIN_VIRTUAL_NMIS, 0};
static const struct controls_word primary_word = {"primary", PRIMARY_MSR_BITMAPS | PRIMARY_SECONDARY_CONTROLS, 0};
static const struct controls_word secondary_word = {"secondary", SECONDARY_EPT | SECONDARY_UNRESTRICTED_GUEST,
                                                    SECONDARY_VPID | SECONDARY_RDTSCP | SECONDARY_INVPCID |
                                                        SECONDARY_XSAVES | SECONDARY_USER_WAIT_PAUSE |
                                                        SECONDARY_PCONFIG | SECONDARY_CONCEAL_VMX_FROM_PT};
static const struct controls_word exit_word = {"VM-exit",
                                               EXIT_SAVE_DEBUG_CONTROLS | EXIT_HOST_ADDRESS_SPACE_64 | EXIT_SAVE_PAT |
                                                   EXIT_LOAD_PAT | EXIT_SAVE_EFER | EXIT_LOAD_EFER,
                                               EXIT_CLEAR_BNDCFGS | EXIT_CLEAR_LBR_CTL};
static const struct controls_word entry_word = {
    "VM-entry", ENTRY_LOAD_DEBUG_CONTROLS | ENTRY_LOAD_PAT | ENTRY_LOAD_EFER, ENTRY_LOAD_BNDCFGS | ENTRY_LOAD_LBR_CTL};

bool vmcs_set_controls(struct error *error)
{
    const struct vmx_capabilities *c = &vmx.capabilities;
    uint32_t pin, primary, secondary, exit, entry;

    if (!controls_choose(&pin_word, c->pin, &pin, error) ||
        !controls_choose(&primary_word, c->primary, &primary, error) ||
        !controls_choose(&secondary_word, c->secondary, &secondary, error) ||
        !controls_choose(&exit_word, c->exit, &exit, error) || !controls_choose(&entry_word, c->entry, &entry, error))
        return false;
    controls_pair(&exit, &entry);
    vmwrite32(VMCS_PIN_BASED_CONTROLS, pin);
    vmwrite32(VMCS_PRIMARY_CONTROLS, primary);
    vmwrite32(VMCS_SECONDARY_CONTROLS, secondary);
    vmwrite32(VMCS_EXIT_CONTROLS, exit);
    vmwrite32(VMCS_ENTRY_CONTROLS, entry);
    if (secondary & SECONDARY_VPID)
        vmwrite16(VMCS_VPID, (uint16_t)(cpu_this()->index + 1));
    if (secondary & SECONDARY_XSAVES)
        vmwrite64(VMCS_XSS_EXITING_BITMAP, 0);
    if (secondary & SECONDARY_PCONFIG)
        vmwrite64(VMCS_PCONFIG_EXITING_BITMAP, 0);
    vmwrite64(VMCS_MSR_BITMAPS, vmx.msr_bitmap_physical);
    vmwrite64(VMCS_EPT_POINTER, ept_pointer(vmx.ept, virt_has_accessed_dirty()));
    vmwrite32(VMCS_EXCEPTION_BITMAP, 0);
    vmwrite32(VMCS_PAGE_FAULT_ERROR_CODE_MASK, 0);
    vmwrite32(VMCS_PAGE_FAULT_ERROR_CODE_MATCH, 0);
    vmwrite32(VMCS_CR3_TARGET_COUNT, 0);
    vmwrite32(VMCS_EXIT_MSR_STORE_COUNT, 0);
    vmwrite32(VMCS_EXIT_MSR_LOAD_COUNT, 0);
    vmwrite32(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
    vmwrite32(VMCS_ENTRY_INTERRUPTION_INFO, 0);
    vmwrite64(VMCS_VMCS_LINK_POINTER, ~(uint64_t)0);
    /* PE and PG are the guest's own with unrestricted guest; NE (and what else is fixed) and three CR4 bits are not */
    vmwrite_natural(VMCS_CR0_MASK, c->cr0_fixed0 & ~(CR0_PE | CR0_PG));
    vmwrite_natural(VMCS_CR4_MASK, c->cr4_fixed0 | CR4_VMXE | CR4_SMXE | CR4_FRED);
    return true;
}

void vmcs_set_host_state(void)
{
    struct cpu *cpu = cpu_this();
    struct descriptor_pointer idt;

    sidt(&idt);
    vmwrite_natural(VMCS_HOST_CR0, read_cr0());
    vmwrite_natural(VMCS_HOST_CR3, read_cr3());
    vmwrite_natural(VMCS_HOST_CR4, read_cr4());
    vmwrite16(VMCS_HOST_CS_SELECTOR, SELECTOR_CODE);
    vmwrite16(VMCS_HOST_SS_SELECTOR, SELECTOR_DATA);
    vmwrite16(VMCS_HOST_DS_SELECTOR, SELECTOR_DATA);
    vmwrite16(VMCS_HOST_ES_SELECTOR, SELECTOR_DATA);
    vmwrite16(VMCS_HOST_FS_SELECTOR, 0);
    vmwrite16(VMCS_HOST_GS_SELECTOR, 0);
    vmwrite16(VMCS_HOST_TR_SELECTOR, SELECTOR_TSS);
    vmwrite_natural(VMCS_HOST_FS_BASE, 0);
    vmwrite_natural(VMCS_HOST_GS_BASE, (uint64_t)cpu);
    vmwrite_natural(VMCS_HOST_TR_BASE, (uint64_t)&cpu->tss);
    vmwrite_natural(VMCS_HOST_GDTR_BASE, (uint64_t)cpu->gdt);
    vmwrite_natural(VMCS_HOST_IDTR_BASE, idt.base);
    vmwrite32(VMCS_HOST_SYSENTER_CS, 0);
    vmwrite_natural(VMCS_HOST_SYSENTER_ESP, 0);
    vmwrite_natural(VMCS_HOST_SYSENTER_EIP, 0);
    vmwrite64(VMCS_HOST_PAT, PAT_RESET);
    vmwrite64(VMCS_HOST_EFER, rdmsr(MSR_IA32_EFER));
    vmwrite_natural(VMCS_HOST_RSP, (uint64_t)(cpu->frame + 1));
    vmwrite_natural(VMCS_HOST_RIP, (uint64_t)vmx.exit_entry);
}
