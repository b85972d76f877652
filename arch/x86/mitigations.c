/* Which of the CPU's leaks are there, and what is done (Intel: "Speculative Execution Side Channel Mitigations"). */
#include "arch/x86/mitigations.h"

#include "arch/x86/regs.h"

/* CPUID.07H.0 */
enum { EBX_RTM = BIT(11), EDX_MD_CLEAR = BIT(10), EDX_L1D_FLUSH = BIT(28) };

/* IA32_ARCH_CAPABILITIES, SDM vol. 4, table 2-2 */
#define RDCL_NO        BIT(0)
#define SKIP_L1D_FLUSH BIT(3)
#define MDS_NO         BIT(5)
#define PSCHANGE_MC_NO BIT(6)
#define TAA_NO         BIT(8)
#define SBDR_SSDP_NO   BIT(13)
#define FBSDP_NO       BIT(14)
#define PSDP_NO        BIT(15)
#define FB_CLEAR       BIT(17)
#define RFDS_NO        BIT(27)
#define RFDS_CLEAR     BIT(28)
#define STALE_DATA_NO  (SBDR_SSDP_NO | FBSDP_NO | PSDP_NO)

enum { FAMILY_P6 = 6 };

/* CPUs of family 6 that don't speculate past a fault as L1TF and MDS need, and are too old to say so: Atom up to
 * Airmont, and Xeon Phi (not for MDS). Goldmont has neither, and says RDCL_NO only with newer microcode. */
static const struct older_cpu {
    uint8_t model;
    bool mds;
} older[] = {
    {0x1c, false}, {0x26, false}, {0x27, false}, {0x35, false}, {0x36, false}, /* Bonnell, Saltwell */
    {0x37, true},  {0x4a, true},  {0x4d, true},                                /* Silvermont */
    {0x4c, true},  {0x5a, true},  {0x75, true},                                /* Airmont */
    {0x57, true},  {0x85, true},                                               /* Xeon Phi */
    {0x5c, false}, {0x5f, false}, {0x7a, false},                               /* Goldmont, Goldmont Plus */
};

static const struct older_cpu *find_older(uint32_t model)
{
    for (unsigned i = 0; i < ARRAY_SIZE(older); i++)
        if (older[i].model == model)
            return &older[i];
    return NULL;
}

/* Of the family that has such flaws at all, and doesn't say by this bit that it hasn't. */
static bool says_nothing(const struct cpu_security *cpu, uint64_t immune)
{
    return cpu->family == FAMILY_P6 && !(cpu->arch_capabilities & immune);
}

static bool has_l1tf(const struct cpu_security *cpu)
{
    return says_nothing(cpu, RDCL_NO) && !find_older(cpu->model);
}

static bool has_mds(const struct cpu_security *cpu)
{
    const struct older_cpu *known = find_older(cpu->model);

    return says_nothing(cpu, MDS_NO) && (!known || known->mds);
}

/*
 * iTLB multihit: all of family 6 up to where PSCHANGE_MC_NO says otherwise, but for Atom and Xeon Phi (Intel: "Machine
 * Check Error Avoidance on Page Size Change"). Atoms since Tremont, which the table lacks: 0x86, 0x96, 0x9c.
 */
static bool has_itlb_multihit(const struct cpu_security *cpu)
{
    return says_nothing(cpu, PSCHANGE_MC_NO) && !find_older(cpu->model) && cpu->model != 0x86 && cpu->model != 0x96 &&
           cpu->model != 0x9c;
}

static struct mitigation decide_small_execute(const struct cpu_security *cpu)
{
    return has_itlb_multihit(cpu) ? (struct mitigation){true, "iTLB multihit"}
                                  : (struct mitigation){false, "no iTLB multihit"};
}

/* Transactions read the same buffers; where MDS is left, what is done against that serves here too. */
static bool has_taa(const struct cpu_security *cpu)
{
    return cpu->leaf7_ebx & EBX_RTM && !(cpu->arch_capabilities & TAA_NO);
}

static struct mitigation decide_verw(const struct cpu_security *cpu)
{
    uint64_t says = cpu->arch_capabilities;
    bool clears = cpu->leaf7_edx & EDX_MD_CLEAR;

    if (has_mds(cpu))
        return clears ? (struct mitigation){true, "MDS"}
                      : (struct mitigation){false, "the CPU has MDS, but VERW clears nothing: update its microcode"};
    if (clears && has_taa(cpu))
        return (struct mitigation){true, "TAA"};
    if (says & FB_CLEAR && (says & STALE_DATA_NO) != STALE_DATA_NO)
        return (struct mitigation){true, "MMIO stale data: the guest has the devices"};
    if (says & RFDS_CLEAR && !(says & RFDS_NO))
        return (struct mitigation){true, "RFDS"};
    return (struct mitigation){false, "no buffer of this CPU's is known to leak"};
}

static void decide_l1d(const struct cpu_security *cpu, enum l1d_flush asked, struct mitigations *out)
{
    out->flush_command = cpu->leaf7_edx & EDX_L1D_FLUSH;
    out->l1d_flush = asked;
    out->l1d_reason = "asked for";
    if (asked != L1D_FLUSH_AUTO)
        return;
    out->l1d_flush = L1D_FLUSH_NEVER;
    if (!has_l1tf(cpu))
        out->l1d_reason = "no L1TF";
    else if (cpu->arch_capabilities & SKIP_L1D_FLUSH)
        out->l1d_reason = "an outer hypervisor flushes";
    else {
        out->l1d_flush = L1D_FLUSH_COND;
        out->l1d_reason = "L1TF";
    }
}

static struct mitigation choose(enum choice asked, struct mitigation automatic)
{
    if (asked == CHOICE_AUTO)
        return automatic;
    return (struct mitigation){asked == CHOICE_ON, "asked for"};
}

struct mitigations mitigations_decide(const struct cpu_security *cpu, const struct options *asked)
{
    struct mitigation no_scrub = {false, "no indirect branch or unmatched return that could use what is in them"};
    struct mitigations out;

    decide_l1d(cpu, asked->l1d_flush, &out);
    out.verw = choose(asked->verw, decide_verw(cpu));
    out.scrub = choose(asked->scrub, no_scrub);
    out.small_execute = choose(asked->multihit, decide_small_execute(cpu));
    if (asked->multihit == CHOICE_OFF)
        out.small_execute.reason =
            has_itlb_multihit(cpu) ? "iTLB multihit, but one guest can only halt itself" : "no iTLB multihit";
    return out;
}
