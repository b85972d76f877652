/* Entry checks of the host state (SDM vol. 3, 26.2.2 to 26.2.4). A failure is VMfail with error 8. */
#include "arch/x86/vmx/entry_expect.h"

enum { SELECTOR_RPL_TI = 7 };

static void check_control_registers(struct entry_checker *c)
{
    const struct vmx_capabilities *can = c->image->capabilities;
    uint64_t cr0 = entry_get(c, INDEX_HOST_CR0), cr3 = entry_get(c, INDEX_HOST_CR3), cr4 = entry_get(c, INDEX_HOST_CR4);

    entry_expect(c, INDEX_HOST_CR0, !(can->cr0_fixed0 & ~cr0) && !(cr0 & ~can->cr0_fixed1),
                 "its bits must be as IA32_VMX_CR0_FIXED0 and FIXED1 say");
    entry_expect(c, INDEX_HOST_CR4, !(can->cr4_fixed0 & ~cr4) && !(cr4 & ~can->cr4_fixed1),
                 "its bits must be as IA32_VMX_CR4_FIXED0 and FIXED1 say");
    entry_expect(c, INDEX_HOST_CR4, !(cr4 & CR4_CET) || cr0 & CR0_WP, "CR4.CET must be 0 if CR0.WP is 0");
    entry_expect(c, INDEX_HOST_CR3, entry_within_width(c, cr3),
                 "bits beyond the CPU's physical-address width must be 0");
}

static void check_efer(struct entry_checker *c)
{
    const uint64_t long_mode = EFER_LME | EFER_LMA;
    uint64_t efer = entry_get(c, INDEX_HOST_EFER);

    if (!entry_exit(c, EXIT_LOAD_EFER))
        return;
    entry_expect(c, INDEX_HOST_EFER, !(efer & ~EFER_DEFINED), "reserved bits must be 0");
    entry_expect(c, INDEX_HOST_EFER, (efer & long_mode) == (entry_exit(c, EXIT_HOST_ADDRESS_SPACE_64) ? long_mode : 0),
                 "LMA and LME must be as \"host address-space size\"");
}

static void check_msrs(struct entry_checker *c)
{
    entry_expect_canonical(c, INDEX_HOST_SYSENTER_ESP);
    entry_expect_canonical(c, INDEX_HOST_SYSENTER_EIP);
    check_efer(c);
    if (entry_exit(c, EXIT_LOAD_PAT))
        entry_expect_pat(c, INDEX_HOST_PAT);
    entry_expect(c, INDEX_HOST_PERF_GLOBAL_CTRL,
                 !entry_exit(c, EXIT_LOAD_PERF_GLOBAL_CTRL) ||
                     !(entry_get(c, INDEX_HOST_PERF_GLOBAL_CTRL) & ~c->image->perf_global_ctrl),
                 "reserved bits must be 0");
    if (entry_exit(c, EXIT_LOAD_CET))
        entry_expect_cet(c, INDEX_HOST_S_CET, INDEX_HOST_SSP, INDEX_HOST_INTERRUPT_SSP_TABLE);
    entry_expect(c, INDEX_HOST_PKRS, !entry_exit(c, EXIT_LOAD_PKRS) || !(entry_get(c, INDEX_HOST_PKRS) >> 32),
                 "bits 63:32 must be 0");
}

static void check_selectors(struct entry_checker *c)
{
    for (enum vmcs_index i = INDEX_HOST_ES_SELECTOR; i <= INDEX_HOST_TR_SELECTOR; i++)
        entry_expect(c, i, !(entry_get(c, i) & SELECTOR_RPL_TI), "RPL and TI must be 0");
    entry_expect(c, INDEX_HOST_CS_SELECTOR, entry_get(c, INDEX_HOST_CS_SELECTOR), "this selector must not be 0");
    entry_expect(c, INDEX_HOST_TR_SELECTOR, entry_get(c, INDEX_HOST_TR_SELECTOR), "this selector must not be 0");
}

static void check_bases(struct entry_checker *c)
{
    for (enum vmcs_index i = INDEX_HOST_FS_BASE; i <= INDEX_HOST_IDTR_BASE; i++)
        entry_expect_canonical(c, i);
}

/* The CPU is in 64-bit mode when it executes the entry, so no other host is possible. */
static void check_address_space(struct entry_checker *c)
{
    entry_expect(c, INDEX_EXIT_CONTROLS, entry_exit(c, EXIT_HOST_ADDRESS_SPACE_64),
                 "\"host address-space size\" must be 1, as IA32_EFER.LMA is 1");
    entry_expect(c, INDEX_HOST_CR4, entry_get(c, INDEX_HOST_CR4) & CR4_PAE,
                 "CR4.PAE must be 1 with \"host address-space size\"");
    entry_expect_canonical(c, INDEX_HOST_RIP);
}

void entry_check_host(struct entry_checker *c)
{
    c->section = "26.2.2";
    check_control_registers(c);
    check_msrs(c);
    c->section = "26.2.3";
    check_selectors(c);
    check_bases(c);
    c->section = "26.2.4";
    check_address_space(c);
}
