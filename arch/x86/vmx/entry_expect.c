/* Entry checks that several fields have in common. */
#include "arch/x86/vmx/entry_expect.h"

void entry_expect_page(struct entry_checker *c, enum vmcs_index field)
{
    uint64_t address = entry_get(c, field);

    entry_expect(c, field, !(address & (PAGE_SIZE - 1)), "bits 11:0 of this address must be 0");
    entry_expect(c, field, entry_within_width(c, address),
                 "this address must not go beyond the CPU's physical-address width");
}

/* 24.7.2: 16 bytes for each MSR */
void entry_expect_msr_area(struct entry_checker *c, enum vmcs_index count, enum vmcs_index address)
{
    uint64_t start = entry_get(c, address), bytes = entry_get(c, count) * 16;

    if (!bytes)
        return;
    entry_expect(c, address, !(start & 0xf), "bits 3:0 of an MSR area's address must be 0");
    entry_expect(c, address, entry_within_width(c, start) && entry_within_width(c, start + bytes - 1),
                 "an MSR area must not go beyond the physical-address width");
}

void entry_expect_canonical(struct entry_checker *c, enum vmcs_index field)
{
    unsigned unused = 64 - c->image->linear_bits;
    uint64_t value = entry_get(c, field);

    entry_expect(c, field, (uint64_t)((int64_t)(value << unused) >> unused) == value, "this address must be canonical");
}

void entry_expect_pat(struct entry_checker *c, enum vmcs_index field)
{
    uint64_t pat = entry_get(c, field);
    bool valid = true;

    for (unsigned i = 0; i < 8; i++, pat >>= 8)
        valid = valid && ((pat & 0xff) < 2 || ((pat & 0xff) > 3 && (pat & 0xff) < 8));
    entry_expect(c, field, valid, "each byte of PAT must be 0, 1, 4, 5, 6 or 7");
}

void entry_expect_cet(struct entry_checker *c, enum vmcs_index s_cet, enum vmcs_index ssp, enum vmcs_index table)
{
    const uint64_t reserved = 0x3c0, suppress_and_tracker = BIT(10) | BIT(11);
    uint64_t value = entry_get(c, s_cet);

    entry_expect(c, s_cet, !(value & reserved), "bits 9:6 of IA32_S_CET must be 0");
    entry_expect(c, s_cet, (value & suppress_and_tracker) != suppress_and_tracker,
                 "SUPPRESS (bit 10) and TRACKER (bit 11) must not both be 1");
    entry_expect_canonical(c, s_cet);
    entry_expect(c, ssp, !(entry_get(c, ssp) & 3), "bits 1:0 of SSP must be 0");
    entry_expect_canonical(c, ssp);
    entry_expect_canonical(c, table);
}
