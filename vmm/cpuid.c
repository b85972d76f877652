/* CPUID as the guest sees it: live from the CPU that asks, but for the bits in the table and Plinth's own leaves. */
#include "arch/x86/clock.h"
#include "arch/x86/cpu.h"
#include "arch/x86/instr.h"
#include "arch/x86/mitigations.h"
#include "arch/x86/regs.h"
#include "lib/format.h"
#include "lib/log.h"
#include "lib/options.h"
#include "lib/string.h"
#include "vmm/vmm.h"

enum cpuid_register { EAX, EBX, ECX, EDX };

struct cpuid_rule {
    uint32_t leaf, subleaf;
    enum cpuid_register reg;
    uint32_t hide;
    enum virt_feature unless; /* hidden unless the backend gives this to the guest */
    const char *reason;
};

enum { ANY = 0xffffffff };

/* In the order of the leaves. */
static const struct cpuid_rule rules[] = {
    {0x1, ANY, ECX, CPUID_1_ECX_VMX, VIRT_NEVER, "VMX: Plinth uses it and doesn't nest"},
    {0x1, ANY, ECX, CPUID_1_ECX_SMX, VIRT_NEVER, "SMX: GETSEC always exits and would take the machine away"},
    {0x7, 0, EBX, BIT(10), VIRT_INVPCID, "INVPCID: the CPU can't let a guest have it"},
    {0x7, 0, EBX, BIT(25), VIRT_NEVER, "Intel PT: its output goes to physical addresses, past the EPT"},
    {0x7, 0, ECX, BIT(5), VIRT_USER_WAIT, "WAITPKG: the CPU can't let a guest have it"},
    {0x7, 0, ECX, BIT(22), VIRT_RDTSCP, "RDPID: the CPU can't let a guest have it"},
    {0x7, 0, EDX, BIT(18), VIRT_PCONFIG, "PCONFIG: the CPU can't let a guest have it"},
    {0x7, 1, EAX, BIT(17), VIRT_NEVER, "FRED: its state needs VMCS fields that Plinth doesn't switch"},
    {0x7, 1, EAX, BIT(27), VIRT_NEVER, "RDMSRLIST: would need a control that Plinth doesn't set"},
    {0x7, 1, ECX, BIT(5), VIRT_NEVER, "RDMSR and WRMSRNS of an immediate index: their exits have no handler"},
    {0x7, 1, EDX, BIT(15), VIRT_NEVER, "URDMSR: would need a control that Plinth doesn't set"},
    {0x7, 1, EDX, BIT(21), VIRT_NEVER, "APX: a MOV to CR0 or CR4 from R16 to R31 exits, and Plinth can't read those"},
    {0xd, 0, EAX, XCR0_APX, VIRT_NEVER, "APX"},
    {0xd, XCR0_APX_BIT, EAX, ~0u, VIRT_NEVER, "APX"},
    {0xd, XCR0_APX_BIT, EBX, ~0u, VIRT_NEVER, "APX"},
    {0xd, XCR0_APX_BIT, ECX, ~0u, VIRT_NEVER, "APX"},
    {0xd, 1, EAX, BIT(3), VIRT_XSAVES, "XSAVES: the CPU can't let a guest have it"},
    {0xd, 1, ECX, BIT(8), VIRT_NEVER, "Intel PT: XRSTORS could load its MSRs"},
    {0x14, ANY, EAX, ~0u, VIRT_NEVER, "Intel PT"},
    {0x14, ANY, EBX, ~0u, VIRT_NEVER, "Intel PT"},
    {0x14, ANY, ECX, ~0u, VIRT_NEVER, "Intel PT"},
    {0x14, ANY, EDX, ~0u, VIRT_NEVER, "Intel PT"},
    {0x29, ANY, EBX, ~0u, VIRT_NEVER, "APX"},
    {0x80000001, ANY, EDX, BIT(27), VIRT_RDTSCP, "RDTSCP: the CPU can't let a guest have it"},
};

enum { LEAF_FEATURES = 1, LEAF_STRUCTURED = 7, LEAF_KEY_LOCKER = 0x19 };
enum {
    HYPERVISOR_FIRST = 0x40000000,
    HYPERVISOR_INFO = 0x40000001,
    HYPERVISOR_MITIGATIONS = 0x40000002,
    HYPERVISOR_LAST = 0x4fffffff
};
enum { STATISTICS_FIRST = 0x40010000, STATISTICS_LAST = 0x4001ffff, ALL_CPUS = 0xffffffff, INTERFACE_VERSION = 2 };
/* Two buckets a leaf: 16 leaves a reason. */
enum { BUCKETS_FIRST = 0x40020000, BUCKETS_LAST = 0x4002ffff, BUCKET_LEAVES = TICK_BUCKETS / 2 };
enum { FEATURE_COUNTS = BIT(0), FEATURE_HISTOGRAM = BIT(1) };
enum { EXTENDED_FIRST = 0x80000000 };
enum { STRUCTURED_ECX_OSPKE = BIT(4), EXTENDED_EDX_SYSCALL = BIT(11) };

/* The rules that hold on this machine, those of one leaf together. */
struct leaf_mask {
    uint32_t leaf, subleaf;
    uint32_t keep[4]; /* by enum cpuid_register */
};
static struct leaf_mask masks[ARRAY_SIZE(rules)] __attribute__((section(".sealed")));
static unsigned mask_count;
static uint32_t highest_basic, highest_extended;
uint64_t vmm_special_leaves;

static struct leaf_mask *mask_of(uint32_t leaf, uint32_t subleaf)
{
    for (unsigned i = 0; i < mask_count; i++)
        if (masks[i].leaf == leaf && masks[i].subleaf == subleaf)
            return &masks[i];
    masks[mask_count] = (struct leaf_mask){leaf, subleaf, {~0u, ~0u, ~0u, ~0u}};
    return &masks[mask_count++];
}

void cpuid_init(void)
{
    highest_basic = cpuid(0, 0).eax;
    highest_extended = cpuid(EXTENDED_FIRST, 0).eax;
    vmm_special_leaves = BIT(LEAF_FEATURES) | BIT(LEAF_STRUCTURED) | BIT(LEAF_KEY_LOCKER);
    if (highest_basic < 63)
        vmm_special_leaves |= ~(uint64_t)0 << (highest_basic + 1);
    for (unsigned i = 0; i < ARRAY_SIZE(rules); i++) {
        if (virt_gives(rules[i].unless))
            continue;
        mask_of(rules[i].leaf, rules[i].subleaf)->keep[rules[i].reg] &= ~rules[i].hide;
        if (rules[i].leaf < 64)
            vmm_special_leaves |= BIT(rules[i].leaf);
    }
}

static const char *const register_names[] = {"EAX", "EBX", "ECX", "EDX"};

void cpuid_log_ledger(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(rules); i++) {
        const struct cpuid_rule *rule = &rules[i];
        char leaf[2 * sizeof("ffffffff")];

        format_text(leaf, sizeof(leaf), rule->subleaf == ANY ? "%x" : "%x,%x", rule->leaf, rule->subleaf);
        if (virt_gives(rule->unless))
            log_info("ledger: CPUID %s %s bits %x: passed, allowed by a control", leaf, register_names[rule->reg],
                     rule->hide);
        else
            log_info("ledger: CPUID %s %s bits %x: hidden (%s)", leaf, register_names[rule->reg], rule->hide,
                     rule->reason);
    }
}

static void apply_rules(uint32_t leaf, uint32_t subleaf, struct cpuid_result *r)
{
    for (const struct leaf_mask *mask = masks; mask < masks + mask_count && mask->leaf <= leaf; mask++) {
        if (mask->leaf != leaf || (mask->subleaf != ANY && mask->subleaf != subleaf))
            continue;
        r->eax &= mask->keep[EAX];
        r->ebx &= mask->keep[EBX];
        r->ecx &= mask->keep[ECX];
        r->edx &= mask->keep[EDX];
    }
}

/* AESKLE (EBX bit 0) follows CR4.KL, but not alone: the CPU knows what else must be. */
static struct cpuid_result key_locker(uint32_t subleaf)
{
    uint64_t cr4 = read_cr4();
    struct cpuid_result r;

    write_cr4(cr4 | CR4_KL);
    r = cpuid(LEAF_KEY_LOCKER, subleaf);
    write_cr4(cr4);
    return r;
}

/* Bits that show the guest's CR4, or its mode, where CPUID has just shown Plinth's. */
static void mirror_state(uint32_t leaf, uint32_t subleaf, struct cpuid_result *r)
{
    if (leaf == LEAF_FEATURES) {
        r->ecx |= CPUID_1_ECX_HYPERVISOR;
        r->ecx &= ~(uint32_t)CPUID_1_ECX_OSXSAVE;
        if (vcpu_cr4() & CR4_OSXSAVE)
            r->ecx |= CPUID_1_ECX_OSXSAVE;
    } else if (leaf == LEAF_STRUCTURED && subleaf == 0) {
        r->ecx &= ~(uint32_t)STRUCTURED_ECX_OSPKE;
        if (vcpu_cr4() & CR4_PKE)
            r->ecx |= STRUCTURED_ECX_OSPKE;
    } else if (leaf == LEAF_KEY_LOCKER && vcpu_cr4() & CR4_KL) {
        *r = key_locker(subleaf);
    } else if (leaf == EXTENDED_FIRST + 1 && !vcpu_is_64bit()) {
        r->edx &= ~(uint32_t)EXTENDED_EDX_SYSCALL; /* SDM vol. 2, CPUID: only there in 64-bit mode */
    }
}

static struct cpuid_result statistics(uint32_t reason, uint32_t index)
{
    uint32_t first = index == ALL_CPUS ? 0 : index, last = index == ALL_CPUS ? cpu_count - 1 : index;
    uint64_t exits = 0, ticks = 0;

    for (uint32_t i = first; i <= last && i < cpu_count; i++) {
        uint64_t e, t;

        if (!virt_statistics(i, reason, &e, &t))
            continue;
        exits += e;
        ticks += t;
    }
    return (struct cpuid_result){(uint32_t)exits, (uint32_t)(exits >> 32), (uint32_t)ticks, (uint32_t)(ticks >> 32)};
}

static uint64_t bucket(uint32_t reason, unsigned log2, uint32_t index)
{
    uint64_t exits = 0;

    if (index != ALL_CPUS)
        return virt_tick_bucket(index, reason, log2);
    for (uint32_t i = 0; i < cpu_count; i++)
        exits += virt_tick_bucket(i, reason, log2);
    return exits;
}

static struct cpuid_result buckets(uint32_t number, uint32_t index)
{
    uint32_t reason = number / BUCKET_LEAVES, log2 = number % BUCKET_LEAVES * 2;
    uint64_t low = bucket(reason, log2, index), high = bucket(reason, log2 + 1, index);

    return (struct cpuid_result){(uint32_t)low, (uint32_t)(low >> 32), (uint32_t)high, (uint32_t)(high >> 32)};
}

static uint32_t features(void)
{
    switch (options.statistics) {
    case STATISTICS_COUNTS:
        return FEATURE_COUNTS;
    case STATISTICS_HISTOGRAM:
        return FEATURE_COUNTS | FEATURE_HISTOGRAM;
    case STATISTICS_OFF:
        return 0;
    }
    return 0;
}

static struct cpuid_result mitigation_state(uint32_t index)
{
    const struct mitigations *m = &mitigations;
    uint32_t state = (uint32_t)m->l1d_flush | (uint32_t)m->flush_command << 2 | (uint32_t)m->verw.on << 3 |
                     (uint32_t)m->scrub.on << 4;
    uint64_t flushes = index < cpu_count ? cpu_at(index)->l1d_flushes : 0;

    return (struct cpuid_result){state, 0, (uint32_t)flushes, (uint32_t)(flushes >> 32)};
}

/* docs/guest-interface.md */
static struct cpuid_result hypervisor_leaf(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_result r = {0, 0, 0, 0};

    if (leaf == HYPERVISOR_FIRST) {
        r.eax = HYPERVISOR_MITIGATIONS;
        memcpy(&r.ebx, "Plin", 4);
        memcpy(&r.ecx, "thPl", 4);
        memcpy(&r.edx, "inth", 4);
    } else if (leaf == HYPERVISOR_INFO) {
        r = (struct cpuid_result){INTERFACE_VERSION, features(), cpu_count, (uint32_t)clock_tsc_khz()};
    } else if (leaf == HYPERVISOR_MITIGATIONS) {
        r = mitigation_state(subleaf);
    } else if (leaf >= STATISTICS_FIRST && leaf <= STATISTICS_LAST) {
        r = statistics(leaf - STATISTICS_FIRST, subleaf);
    } else if (leaf >= BUCKETS_FIRST && leaf <= BUCKETS_LAST) {
        r = buckets(leaf - BUCKETS_FIRST, subleaf);
    }
    return r;
}

/* Which leaf the CPU answers for: beyond the highest it is the highest basic one (SDM vol. 2, CPUID). */
static uint32_t answered_leaf(uint32_t leaf)
{
    if (leaf < HYPERVISOR_FIRST && leaf > highest_basic)
        return highest_basic;
    return leaf > HYPERVISOR_LAST && (leaf < EXTENDED_FIRST || leaf > highest_extended) ? highest_basic : leaf;
}

void vmm_cpuid_special(struct guest_regs *regs)
{
    uint32_t leaf = (uint32_t)regs->rax, subleaf = (uint32_t)regs->rcx;
    struct cpuid_result r;

    if (leaf >= HYPERVISOR_FIRST && leaf <= HYPERVISOR_LAST) {
        r = hypervisor_leaf(leaf, subleaf);
    } else {
        r = cpuid(leaf, subleaf);
        leaf = answered_leaf(leaf);
        mirror_state(leaf, subleaf, &r);
        apply_rules(leaf, subleaf, &r);
    }
    regs->rax = r.eax;
    regs->rbx = r.ebx;
    regs->rcx = r.ecx;
    regs->rdx = r.edx;
}
