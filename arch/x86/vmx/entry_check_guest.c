/* Entry checks of the guest's registers but segments (SDM vol. 3, 26.3.1.1, 26.3.1.3, 26.3.1.4, 26.3.1.6). A failure
 * is exit reason 33. */
#include "arch/x86/vmx/entry_expect.h"
#include "arch/x86/vmx/events.h"

/* vol. 3, 17.4.1 "IA32_DEBUGCTL MSR"; vol. 1, 13.5 for BNDCFGS */
enum { DEBUGCTL_DEFINED = 0xffc7, BNDCFGS_RESERVED = 0xffc, RIGHTS_LONG = BIT(13) };

static bool is_long_mode(const struct entry_checker *c)
{
    return entry_entry(c, ENTRY_IA32E_MODE_GUEST);
}

static bool is_64bit_code(const struct entry_checker *c)
{
    return is_long_mode(c) && entry_get(c, INDEX_GUEST_CS_ACCESS_RIGHTS) & RIGHTS_LONG;
}

/* CR0.NW and CR0.CD are never checked: an entry doesn't change them. */
static void check_cr0(struct entry_checker *c)
{
    const struct vmx_capabilities *can = c->image->capabilities;
    uint64_t cr0 = entry_get(c, INDEX_GUEST_CR0), must = can->cr0_fixed0, free = CR0_NW | CR0_CD;

    if (entry_secondary(c, SECONDARY_UNRESTRICTED_GUEST))
        must &= ~(CR0_PE | CR0_PG);
    entry_expect(c, INDEX_GUEST_CR0, !(must & ~cr0 & ~free) && !(cr0 & ~can->cr0_fixed1 & ~free),
                 "its bits must be as IA32_VMX_CR0_FIXED0 and FIXED1 say");
    entry_expect(c, INDEX_GUEST_CR0, !(cr0 & CR0_PG) || cr0 & CR0_PE, "CR0.PE must be 1 if CR0.PG is 1");
    entry_expect(c, INDEX_GUEST_CR0, !is_long_mode(c) || cr0 & CR0_PG,
                 "CR0.PG must be 1 if \"IA-32e mode guest\" is 1");
}

/* Linear-address masking puts LAM_U57 and LAM_U48 there; a CPU that has it lets CR4.LAM_SUP be 1 (2.5). */
static uint64_t address_of(const struct vmx_capabilities *can, uint64_t cr3)
{
    return can->cr4_fixed1 & CR4_LAM_SUP ? cr3 & ~(BIT(61) | BIT(62)) : cr3;
}

static void check_cr3_and_cr4(struct entry_checker *c)
{
    const struct vmx_capabilities *can = c->image->capabilities;
    uint64_t cr4 = entry_get(c, INDEX_GUEST_CR4);

    entry_expect(c, INDEX_GUEST_CR4, !(can->cr4_fixed0 & ~cr4) && !(cr4 & ~can->cr4_fixed1),
                 "its bits must be as IA32_VMX_CR4_FIXED0 and FIXED1 say");
    entry_expect(c, INDEX_GUEST_CR4, !(cr4 & CR4_CET) || entry_get(c, INDEX_GUEST_CR0) & CR0_WP,
                 "CR4.CET must be 0 if CR0.WP is 0");
    entry_expect(c, INDEX_GUEST_CR4, !is_long_mode(c) || cr4 & CR4_PAE,
                 "CR4.PAE must be 1 if \"IA-32e mode guest\" is 1");
    entry_expect(c, INDEX_GUEST_CR4, is_long_mode(c) || !(cr4 & CR4_PCIDE),
                 "CR4.PCIDE must be 0 if \"IA-32e mode guest\" is 0");
    entry_expect(c, INDEX_GUEST_CR3, entry_within_width(c, address_of(can, entry_get(c, INDEX_GUEST_CR3))),
                 "bits beyond the CPU's physical-address width must be 0");
}

static void check_debug_registers(struct entry_checker *c)
{
    if (!entry_entry(c, ENTRY_LOAD_DEBUG_CONTROLS))
        return;
    entry_expect(c, INDEX_GUEST_DEBUGCTL, !(entry_get(c, INDEX_GUEST_DEBUGCTL) & ~(uint64_t)DEBUGCTL_DEFINED),
                 "reserved bits must be 0");
    entry_expect(c, INDEX_GUEST_DR7, !(entry_get(c, INDEX_GUEST_DR7) >> 32), "bits 63:32 must be 0");
}

static void check_efer(struct entry_checker *c)
{
    uint64_t efer = entry_get(c, INDEX_GUEST_EFER);

    if (!entry_entry(c, ENTRY_LOAD_EFER))
        return;
    entry_expect(c, INDEX_GUEST_EFER, !(efer & ~EFER_DEFINED), "reserved bits must be 0");
    entry_expect(c, INDEX_GUEST_EFER, !(efer & EFER_LMA) == !is_long_mode(c), "LMA must be as \"IA-32e mode guest\"");
    entry_expect(c, INDEX_GUEST_EFER,
                 !(entry_get(c, INDEX_GUEST_CR0) & CR0_PG) || !(efer & EFER_LMA) == !(efer & EFER_LME),
                 "LMA must be as LME if CR0.PG is 1");
}

static void check_bndcfgs(struct entry_checker *c)
{
    if (!entry_entry(c, ENTRY_LOAD_BNDCFGS))
        return;
    entry_expect(c, INDEX_GUEST_BNDCFGS, !(entry_get(c, INDEX_GUEST_BNDCFGS) & BNDCFGS_RESERVED),
                 "bits 11:2 must be 0");
    entry_expect_canonical(c, INDEX_GUEST_BNDCFGS);
}

static void check_msrs(struct entry_checker *c)
{
    entry_expect_canonical(c, INDEX_GUEST_SYSENTER_ESP);
    entry_expect_canonical(c, INDEX_GUEST_SYSENTER_EIP);
    if (entry_entry(c, ENTRY_LOAD_PAT))
        entry_expect_pat(c, INDEX_GUEST_PAT);
    entry_expect(c, INDEX_GUEST_PERF_GLOBAL_CTRL,
                 !entry_entry(c, ENTRY_LOAD_PERF_GLOBAL_CTRL) ||
                     !(entry_get(c, INDEX_GUEST_PERF_GLOBAL_CTRL) & ~c->image->perf_global_ctrl),
                 "reserved bits must be 0");
    check_efer(c);
    check_bndcfgs(c);
    if (entry_entry(c, ENTRY_LOAD_CET))
        entry_expect_cet(c, INDEX_GUEST_S_CET, INDEX_GUEST_SSP, INDEX_GUEST_INTERRUPT_SSP_TABLE);
    entry_expect(c, INDEX_GUEST_PKRS, !entry_entry(c, ENTRY_LOAD_PKRS) || !(entry_get(c, INDEX_GUEST_PKRS) >> 32),
                 "bits 63:32 must be 0");
}

static void check_descriptor_tables(struct entry_checker *c)
{
    entry_expect_canonical(c, INDEX_GUEST_GDTR_BASE);
    entry_expect_canonical(c, INDEX_GUEST_IDTR_BASE);
    entry_expect(c, INDEX_GUEST_GDTR_LIMIT, !(entry_get(c, INDEX_GUEST_GDTR_LIMIT) >> 16), "bits 31:16 must be 0");
    entry_expect(c, INDEX_GUEST_IDTR_LIMIT, !(entry_get(c, INDEX_GUEST_IDTR_LIMIT) >> 16), "bits 31:16 must be 0");
}

/* RIP needs only bits 63:N alike, not N-1: the instruction at the upper end of the lower half has a next one. */
static void check_rip(struct entry_checker *c)
{
    int64_t above = (int64_t)entry_get(c, INDEX_GUEST_RIP) >> c->image->linear_bits;

    if (is_64bit_code(c))
        entry_expect(c, INDEX_GUEST_RIP, above == 0 || above == -1,
                     "bits 63 down to the CPU's linear-address width must be alike");
    else
        entry_expect(c, INDEX_GUEST_RIP, !(entry_get(c, INDEX_GUEST_RIP) >> 32),
                     "bits 63:32 must be 0 outside 64-bit code");
    if (entry_entry(c, ENTRY_LOAD_CET) && !is_64bit_code(c))
        entry_expect(c, INDEX_GUEST_SSP, !(entry_get(c, INDEX_GUEST_SSP) >> 32),
                     "bits 63:32 must be 0 outside 64-bit code");
}

static void check_rflags(struct entry_checker *c)
{
    const uint64_t reserved = ~(BIT(22) - 1) | BIT(15) | BIT(5) | BIT(3);
    const uint32_t external = INTERRUPTION_VALID | INTERRUPTION_EXTERNAL;
    uint64_t rflags = entry_get(c, INDEX_GUEST_RFLAGS), info = entry_get(c, INDEX_ENTRY_INTERRUPTION_INFO);

    entry_expect(c, INDEX_GUEST_RFLAGS, !(rflags & reserved) && rflags & RFLAGS_FIXED,
                 "bits 63:22, 15, 5 and 3 must be 0, bit 1 must be 1");
    entry_expect(c, INDEX_GUEST_RFLAGS,
                 !(rflags & RFLAGS_VM) || (!is_long_mode(c) && entry_get(c, INDEX_GUEST_CR0) & CR0_PE),
                 "VM must be 0 in long mode and in real mode");
    entry_expect(c, INDEX_GUEST_RFLAGS,
                 (info & (INTERRUPTION_VALID | INTERRUPTION_TYPE)) != external || rflags & RFLAGS_IF,
                 "IF must be 1 if an external interrupt is injected");
}

/* With EPT the four entries come from the VMCS. Table 4-8: bits 2:1, 8:5 and those beyond the width are reserved. */
static void check_pdptes(struct entry_checker *c)
{
    const uint64_t reserved = 0x1e6;

    if (!(entry_get(c, INDEX_GUEST_CR0) & CR0_PG) || !(entry_get(c, INDEX_GUEST_CR4) & CR4_PAE) || is_long_mode(c) ||
        !entry_secondary(c, SECONDARY_EPT))
        return;
    for (enum vmcs_index i = INDEX_GUEST_PDPTE0; i <= INDEX_GUEST_PDPTE3; i++) {
        uint64_t entry = entry_get(c, i);

        entry_expect(c, i, !(entry & 1) || (!(entry & reserved) && entry_within_width(c, entry)),
                     "reserved bits of a present PDPTE must be 0");
    }
}

void entry_check_guest_registers(struct entry_checker *c)
{
    c->section = "26.3.1.1";
    check_cr0(c);
    check_cr3_and_cr4(c);
    check_debug_registers(c);
    check_msrs(c);
    c->section = "26.3.1.3";
    check_descriptor_tables(c);
    c->section = "26.3.1.4";
    check_rip(c);
    check_rflags(c);
    c->section = "26.3.1.6";
    check_pdptes(c);
}
