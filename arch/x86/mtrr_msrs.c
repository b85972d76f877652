#include "arch/x86/mtrr_msrs.h"

#include "arch/x86/exception.h"
#include "arch/x86/instr.h"
#include "arch/x86/regs.h"

enum { CAPABILITY_VCNT = 0xff, CAPABILITY_FIXED = BIT(8), CAPABILITY_SMRR = BIT(11) };

static unsigned key_bits(void)
{
    const uint64_t in_force = BIT(0) | BIT(1); /* locked, enabled */
    const unsigned shift = 32, mask = 0xf;     /* MK_TME_KEYID_BITS */
    uint64_t activate;

    if (cpuid(0, 0).eax < 7 || !(cpuid(7, 0).ecx & CPUID_7_ECX_TME) || !rdmsr_safe(MSR_IA32_TME_ACTIVATE, &activate))
        return 0;
    return (activate & in_force) == in_force ? activate >> shift & mask : 0;
}

unsigned cpu_physical_bits(void)
{
    return (cpuid(0x80000000, 0).eax >= 0x80000008 ? cpuid(0x80000008, 0).eax & 0xff : 36) - key_bits();
}

static void read_fixed(uint64_t *fixed)
{
    fixed[0] = rdmsr(MSR_IA32_MTRR_FIX64K_00000);
    for (unsigned i = 0; i < 2; i++)
        fixed[1 + i] = rdmsr(MSR_IA32_MTRR_FIX16K_80000 + i);
    for (unsigned i = 0; i < 8; i++)
        fixed[3 + i] = rdmsr(MSR_IA32_MTRR_FIX4K_C0000 + i);
}

/* Some CPUs and outer hypervisors let only SMM read them: without, the MTRRs have the last word, which firmware sets to
 * the same. */
static void read_smrr(struct mtrr_state *mtrr)
{
    if (!rdmsr_safe(MSR_IA32_SMRR_PHYSBASE, &mtrr->smrr_base) || !rdmsr_safe(MSR_IA32_SMRR_PHYSMASK, &mtrr->smrr_mask))
        mtrr->smrr_base = mtrr->smrr_mask = 0;
}

void mtrr_msrs_read(struct mtrr_state *mtrr)
{
    *mtrr = (struct mtrr_state){.physical_bits = cpu_physical_bits(), .default_type = MEMORY_WB | BIT(11)};
    if (!(cpuid(1, 0).edx & CPUID_1_EDX_MTRR))
        return; /* a virtual CPU without: everything write-back */
    mtrr->capability = rdmsr(MSR_IA32_MTRRCAP);
    mtrr->default_type = rdmsr(MSR_IA32_MTRR_DEF_TYPE);
    if (mtrr->capability & CAPABILITY_FIXED)
        read_fixed(mtrr->fixed);
    if (mtrr->capability & CAPABILITY_SMRR)
        read_smrr(mtrr);
    for (unsigned i = 0; i < (mtrr->capability & CAPABILITY_VCNT) && i < MTRR_VARIABLE_MAX; i++) {
        mtrr->variable[i].base = rdmsr(MSR_IA32_MTRR_PHYSBASE0 + 2 * i);
        mtrr->variable[i].mask = rdmsr(MSR_IA32_MTRR_PHYSBASE0 + 2 * i + 1);
    }
}
