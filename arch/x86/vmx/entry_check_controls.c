/* Entry checks of the controls (SDM vol. 3, 26.2.1 "Checks on VMX Controls"). A failure is VMfail with error 7. */
#include "arch/x86/vmx/entry_expect.h"
#include "arch/x86/vmx/events.h"

/* IA32_VMX_MISC, IA32_VMX_EPT_VPID_CAP (appendix A.6, A.10) */
enum {
    MISC_CR3_TARGETS_SHIFT = 16,
    MISC_CR3_TARGETS_MASK = 0x1ff,
    EPT_5_LEVELS = BIT(7),
    EPT_UNCACHEABLE = BIT(8),
    EPT_ACCESSED_DIRTY = BIT(21),
    EPT_SHADOW_STACK = BIT(23),
};

/* 24.6.11, table 24-9 "Format of Extended-Page-Table Pointer" */
enum { EPTP_TYPE = 7, EPTP_WALK = 7 << 3, EPTP_ACCESSED_DIRTY = BIT(6), EPTP_SHADOW_STACK = BIT(7), EPTP_LOW = 0xfff };
enum { WALK_4 = 3 << 3, WALK_5 = 4 << 3, TYPE_UC = 0, TYPE_WB = 6 };

static void check_reserved_bits(struct entry_checker *c)
{
    const struct vmx_capabilities *can = c->image->capabilities;

    entry_expect(c, INDEX_PIN_BASED_CONTROLS, entry_controls_allowed(entry_get(c, INDEX_PIN_BASED_CONTROLS), can->pin),
                 "its bits must be as IA32_VMX_(TRUE_)PINBASED_CTLS allows");
    entry_expect(c, INDEX_PRIMARY_CONTROLS, entry_controls_allowed(entry_get(c, INDEX_PRIMARY_CONTROLS), can->primary),
                 "its bits must be as IA32_VMX_(TRUE_)PROCBASED_CTLS allows");
    entry_expect(c, INDEX_SECONDARY_CONTROLS,
                 !entry_primary(c, PRIMARY_SECONDARY_CONTROLS) ||
                     entry_controls_allowed(entry_get(c, INDEX_SECONDARY_CONTROLS), can->secondary),
                 "its bits must be as IA32_VMX_PROCBASED_CTLS2 allows");
    entry_expect(c, INDEX_CR3_TARGET_COUNT,
                 entry_get(c, INDEX_CR3_TARGET_COUNT) <= (can->misc >> MISC_CR3_TARGETS_SHIFT & MISC_CR3_TARGETS_MASK),
                 "there must not be more CR3 targets than IA32_VMX_MISC bits 24:16 say");
}

static void check_bitmaps(struct entry_checker *c)
{
    if (entry_primary(c, PRIMARY_IO_BITMAPS)) {
        entry_expect_page(c, INDEX_IO_BITMAP_A);
        entry_expect_page(c, INDEX_IO_BITMAP_B);
    }
    if (entry_primary(c, PRIMARY_MSR_BITMAPS))
        entry_expect_page(c, INDEX_MSR_BITMAPS);
    if (entry_secondary(c, SECONDARY_VMCS_SHADOWING)) {
        entry_expect_page(c, INDEX_VMREAD_BITMAP);
        entry_expect_page(c, INDEX_VMWRITE_BITMAP);
    }
}

static void check_nmi_controls(struct entry_checker *c)
{
    entry_expect(c, INDEX_PIN_BASED_CONTROLS, entry_pin(c, PIN_NMI_EXITING) || !entry_pin(c, PIN_VIRTUAL_NMIS),
                 "\"virtual NMIs\" must be 0 if \"NMI exiting\" is 0");
    entry_expect(c, INDEX_PRIMARY_CONTROLS,
                 entry_pin(c, PIN_VIRTUAL_NMIS) || !entry_primary(c, PRIMARY_NMI_WINDOW_EXITING),
                 "\"NMI-window exiting\" must be 0 if \"virtual NMIs\" is 0");
}

static bool walk_length_allowed(const struct entry_checker *c, uint64_t pointer)
{
    return (pointer & EPTP_WALK) == WALK_4 ||
           ((pointer & EPTP_WALK) == WALK_5 && c->image->capabilities->ept_vpid & EPT_5_LEVELS);
}

static bool memory_type_allowed(const struct entry_checker *c, uint64_t pointer)
{
    uint64_t can = c->image->capabilities->ept_vpid;

    return ((pointer & EPTP_TYPE) == TYPE_UC && can & EPT_UNCACHEABLE) ||
           ((pointer & EPTP_TYPE) == TYPE_WB && can & EPT_WRITE_BACK);
}

static void check_ept_pointer(struct entry_checker *c)
{
    const uint64_t named = EPTP_TYPE | EPTP_WALK | EPTP_ACCESSED_DIRTY | EPTP_SHADOW_STACK;
    uint64_t pointer = entry_get(c, INDEX_EPT_POINTER), can = c->image->capabilities->ept_vpid;

    entry_expect(c, INDEX_EPT_POINTER, memory_type_allowed(c, pointer),
                 "the memory type (bits 2:0) must be one that IA32_VMX_EPT_VPID_CAP allows");
    entry_expect(c, INDEX_EPT_POINTER, walk_length_allowed(c, pointer),
                 "bits 5:3 must be 3, a walk of 4 levels (or 4 where the CPU has that)");
    entry_expect(c, INDEX_EPT_POINTER, !(pointer & EPTP_ACCESSED_DIRTY) || can & EPT_ACCESSED_DIRTY,
                 "bit 6 must be 0 on a CPU without accessed and dirty flags for EPT");
    entry_expect(c, INDEX_EPT_POINTER, !(pointer & EPTP_SHADOW_STACK) || can & EPT_SHADOW_STACK,
                 "bit 7 must be 0 on a CPU without supervisor shadow-stack control");
    entry_expect(c, INDEX_EPT_POINTER, !(pointer & EPTP_LOW & ~named) && entry_within_width(c, pointer),
                 "bits 11:8 and those beyond the physical-address width must be 0");
}

static void check_what_needs_ept(struct entry_checker *c)
{
    const uint32_t needs =
        SECONDARY_UNRESTRICTED_GUEST | SECONDARY_MODE_BASED_EXECUTE | SECONDARY_PML | SECONDARY_SUB_PAGE_WRITE;

    entry_expect(c, INDEX_SECONDARY_CONTROLS, entry_secondary(c, SECONDARY_EPT) || !entry_secondary(c, needs),
                 "\"unrestricted guest\", \"mode-based execute control\", \"PML\" and \"sub-page write permissions\" "
                 "must be 0 if \"enable EPT\" is 0");
    entry_expect(c, INDEX_SECONDARY_CONTROLS,
                 !entry_secondary(c, SECONDARY_PT_GUEST_PHYSICAL) ||
                     (entry_secondary(c, SECONDARY_EPT) && entry_entry(c, ENTRY_LOAD_RTIT_CTL) &&
                      entry_exit(c, EXIT_CLEAR_RTIT_CTL)),
                 "\"PT uses guest physical addresses\" needs \"enable EPT\", \"load IA32_RTIT_CTL\" and \"clear "
                 "IA32_RTIT_CTL\"");
}

static void check_vm_functions(struct entry_checker *c)
{
    const uint64_t eptp_switching = BIT(0);
    uint64_t functions = entry_get(c, INDEX_VM_FUNCTION_CONTROLS);

    if (!entry_secondary(c, SECONDARY_VM_FUNCTIONS))
        return;
    entry_expect(c, INDEX_VM_FUNCTION_CONTROLS, !(functions & ~eptp_switching), "bits 63:1 are reserved");
    if (!(functions & eptp_switching))
        return;
    entry_expect(c, INDEX_VM_FUNCTION_CONTROLS, entry_secondary(c, SECONDARY_EPT),
                 "\"EPTP switching\" must be 0 if \"enable EPT\" is 0");
    entry_expect_page(c, INDEX_EPTP_LIST_ADDRESS);
}

static void check_ept_controls(struct entry_checker *c)
{
    if (entry_secondary(c, SECONDARY_EPT))
        check_ept_pointer(c);
    check_what_needs_ept(c);
    check_vm_functions(c);
    if (entry_secondary(c, SECONDARY_PML))
        entry_expect_page(c, INDEX_PML_ADDRESS);
    if (entry_secondary(c, SECONDARY_SUB_PAGE_WRITE))
        entry_expect_page(c, INDEX_SUB_PAGE_TABLE_POINTER);
    if (entry_secondary(c, SECONDARY_EPT_VIOLATION_VE))
        entry_expect_page(c, INDEX_VE_INFORMATION_ADDRESS);
}

void entry_check_execution_controls(struct entry_checker *c)
{
    c->section = "26.2.1.1";
    check_reserved_bits(c);
    check_bitmaps(c);
    check_nmi_controls(c);
    entry_expect(c, INDEX_VPID, !entry_secondary(c, SECONDARY_VPID) || entry_get(c, INDEX_VPID),
                 "the VPID must not be 0 if \"enable VPID\" is 1");
    check_ept_controls(c);
}

static void check_tpr_shadow(struct entry_checker *c)
{
    const uint32_t needs = SECONDARY_VIRTUALIZE_X2APIC | SECONDARY_APIC_REGISTERS | SECONDARY_VIRTUAL_INTERRUPTS;

    if (entry_primary(c, PRIMARY_TPR_SHADOW)) {
        entry_expect_page(c, INDEX_VIRTUAL_APIC_ADDRESS);
        entry_expect(c, INDEX_TPR_THRESHOLD,
                     entry_secondary(c, SECONDARY_VIRTUAL_INTERRUPTS) || !(entry_get(c, INDEX_TPR_THRESHOLD) >> 4),
                     "bits 31:4 must be 0 without \"virtual-interrupt delivery\"");
        return;
    }
    entry_expect(c, INDEX_SECONDARY_CONTROLS, !entry_secondary(c, needs),
                 "\"virtualize x2APIC mode\", \"APIC-register virtualization\" and \"virtual-interrupt delivery\" must "
                 "be 0 if \"use TPR shadow\" is 0");
}

static void check_posted_interrupts(struct entry_checker *c)
{
    const uint64_t line = 64;
    uint64_t descriptor = entry_get(c, INDEX_POSTED_INTERRUPT_DESCRIPTOR);

    if (!entry_pin(c, PIN_POSTED_INTERRUPTS))
        return;
    entry_expect(c, INDEX_PIN_BASED_CONTROLS,
                 entry_secondary(c, SECONDARY_VIRTUAL_INTERRUPTS) && entry_exit(c, EXIT_ACKNOWLEDGE_INTERRUPT),
                 "\"process posted interrupts\" needs \"virtual-interrupt delivery\" and \"acknowledge interrupt on "
                 "exit\"");
    entry_expect(c, INDEX_POSTED_INTERRUPT_VECTOR, entry_get(c, INDEX_POSTED_INTERRUPT_VECTOR) <= INTERRUPTION_VECTOR,
                 "the posted-interrupt vector must be 0 to 255");
    entry_expect(c, INDEX_POSTED_INTERRUPT_DESCRIPTOR, !(descriptor & (line - 1)) && entry_within_width(c, descriptor),
                 "this address must be aligned to 64 and not go beyond the physical-address width");
}

void entry_check_apic_controls(struct entry_checker *c)
{
    c->section = "26.2.1.1";
    check_tpr_shadow(c);
    if (entry_secondary(c, SECONDARY_VIRTUALIZE_APIC_ACCESSES)) {
        entry_expect_page(c, INDEX_APIC_ACCESS_ADDRESS);
        entry_expect(c, INDEX_SECONDARY_CONTROLS, !entry_secondary(c, SECONDARY_VIRTUALIZE_X2APIC),
                     "\"virtualize APIC accesses\" and \"virtualize x2APIC mode\" must not both be 1");
    }
    entry_expect(c, INDEX_PIN_BASED_CONTROLS,
                 !entry_secondary(c, SECONDARY_VIRTUAL_INTERRUPTS) || entry_pin(c, PIN_EXTERNAL_INTERRUPT_EXITING),
                 "\"external-interrupt exiting\" must be 1 if \"virtual-interrupt delivery\" is 1");
    check_posted_interrupts(c);
}

void entry_check_exit_controls(struct entry_checker *c)
{
    c->section = "26.2.1.2";
    entry_expect(c, INDEX_EXIT_CONTROLS,
                 entry_controls_allowed(entry_get(c, INDEX_EXIT_CONTROLS), c->image->capabilities->exit),
                 "its bits must be as IA32_VMX_(TRUE_)EXIT_CTLS allows");
    entry_expect(c, INDEX_EXIT_CONTROLS,
                 entry_pin(c, PIN_PREEMPTION_TIMER) || !entry_exit(c, EXIT_SAVE_PREEMPTION_TIMER),
                 "\"save VMX-preemption timer value\" must be 0 if \"activate VMX-preemption timer\" is 0");
    entry_expect_msr_area(c, INDEX_EXIT_MSR_STORE_COUNT, INDEX_EXIT_MSR_STORE_ADDRESS);
    entry_expect_msr_area(c, INDEX_EXIT_MSR_LOAD_COUNT, INDEX_EXIT_MSR_LOAD_ADDRESS);
}
