/* MSRs: which exist, what they refuse, and that a refusal changes nothing (rows 6-9, 15, 29, 45, 46). */
#include "tests/guest/report.h"
#include "tests/guest/smp.h"
#include "tests/guest/tests.h"

typedef unsigned long long ull;

/* Writes, reads back, restores. One line. */
static void try_write(const char *name, uint32_t index, uint64_t value)
{
    uint64_t before, after;
    struct outcome outcome;

    if (!rdmsr_safe(index, &before)) {
        observe("%s: no such MSR", name);
        return;
    }
    outcome = wrmsr_outcome(index, value);
    after = rdmsr(index);
    observe("%s = %llx: %s, %s", name, (ull)value, outcome.text,
            after == value    ? "taken"
            : after == before ? "unchanged"
                              : "changed otherwise");
    check(outcome.text[0] == 'd' || after == before, "%s: refused, and still changed to %llx", name, (ull)after);
    wrmsr(index, before);
}

static void try_pat(void)
{
    uint64_t pat = rdmsr(MSR_PAT);

    observe("pat %llx", (ull)pat);
    for (unsigned entry = 0; entry < 8; entry++)
        for (unsigned type = 0; type <= 8; type++)
            if (!entry || entry == 7 || type == 2 || type == 8)
                try_write("pat", MSR_PAT, (pat & ~((uint64_t)0xff << entry * 8)) | (uint64_t)type << entry * 8);
    try_write("pat", MSR_PAT, UINT64_MAX);
    try_write("pat", MSR_PAT, 0x0007040600070486);
}

static void try_efer(void)
{
    uint64_t efer = rdmsr(MSR_EFER);

    observe("efer %llx", (ull)efer);
    for (unsigned bit = 0; bit < 64; bit++)
        if (bit < 20 || bit == 32 || bit == 63)
            try_write("efer", MSR_EFER, efer ^ (uint64_t)1 << bit);
}

static void try_addresses(void)
{
    static const struct {
        const char *name;
        uint32_t index;
    } msrs[] = {
        {"lstar", MSR_LSTAR},
        {"cstar", 0xc0000083},
        {"fs base", MSR_FS_BASE},
        {"gs base", MSR_GS_BASE},
        {"kernel gs base", MSR_KERNEL_GS_BASE},
        {"sysenter esp", MSR_SYSENTER_ESP},
        {"sysenter eip", MSR_SYSENTER_EIP},
        {"sysenter cs", MSR_SYSENTER_CS},
        {"star", MSR_STAR},
        {"fmask", MSR_FMASK},
    };
    static const uint64_t values[] = {
        0x00007fffffffffff, 0x0000800000000000, 0xffff7fffffffffff, 0xffff800000000000, 0x8000000000000000, 0xdeadbeef,
    };

    for (unsigned i = 0; i < ARRAY_SIZE(msrs); i++)
        for (unsigned j = 0; j < ARRAY_SIZE(values); j++)
            try_write(msrs[i].name, msrs[i].index, values[j]);
}

static void try_mtrrs(void)
{
    uint64_t cap, def;

    if (!rdmsr_safe(MSR_MTRRCAP, &cap) || !rdmsr_safe(MSR_MTRR_DEF_TYPE, &def)) {
        observe("no MTRRs");
        return;
    }
    observe("mtrrcap %llx default %llx", (ull)cap, (ull)def);
    observe("mtrrcap write: %s", wrmsr_outcome(MSR_MTRRCAP, cap).text);
    for (unsigned type = 0; type <= 8; type++)
        try_write("mtrr default", MSR_MTRR_DEF_TYPE, (def & ~(uint64_t)0xff) | type);
    for (unsigned bit = 8; bit < 64; bit++)
        if (bit <= 13 || bit == 32 || bit == 63)
            try_write("mtrr default", MSR_MTRR_DEF_TYPE, def ^ (uint64_t)1 << bit);
    for (unsigned i = 0; i <= (cap & 0xff); i++) {
        uint64_t base, mask;
        if (rdmsr_safe(0x200 + 2 * i, &base) && rdmsr_safe(0x201 + 2 * i, &mask))
            observe("mtrr %u: %llx %llx", i, (ull)base, (ull)mask);
        else
            observe("mtrr %u: none", i);
    }
    for (unsigned type = 0; type <= 8; type++)
        try_write("mtrr base 3", 0x206, 0xc0000000u | type);
    for (unsigned bit = 8; bit < 64; bit++)
        if (bit <= 12 || bit >= 35) {
            try_write("mtrr base 3", 0x206, (uint64_t)1 << bit);
            try_write("mtrr mask 3", 0x207, (uint64_t)1 << bit);
        }
    for (unsigned type = 0; type <= 8; type++)
        try_write("mtrr 64K 00000", 0x250, 0x0606060606060606 ^ (uint64_t)(type ^ 6) << 16);
    try_write("mtrr 4K f8000", 0x26f, 0x0505050505050505);
    try_write("mtrr 4K f8000", 0x26f, 0x0505050505050502);
    try_write("mtrr 16K a0000", 0x259, 0xff);
}

/* Only what leaves the LAPIC where and as it is, or must be refused (SDM 10.12.5 "x2APIC State Transitions"). */
static void try_apic_base(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE);

    observe("apic base %llx", (ull)base);
    try_write("apic base", MSR_APIC_BASE, base);
    for (unsigned bit = 0; bit < 64; bit++)
        if (bit < 8 || bit == 9 || bit == 40 || bit == 52 || bit == 63)
            try_write("apic base", MSR_APIC_BASE, base | (uint64_t)1 << bit);
    try_write("apic base", MSR_APIC_BASE, (base & ~(uint64_t)APIC_BASE_ENABLE) | APIC_BASE_EXTD);
}

/* What is written is there behind an exit, and not what Plinth may have put there meanwhile. */
static void try_kept(const char *name, uint32_t index, uint64_t value)
{
    uint64_t before, after;

    if (!rdmsr_safe(index, &before)) {
        observe("%s: no such MSR", name);
        return;
    }
    observe("%s = %llx: %s", name, (ull)value, wrmsr_outcome(index, value).text);
    cpuid(0, 0);
    rdmsr_safe(MSR_FEATURE_CONTROL, &after);
    observe("%s: %llx behind exits", name, (ull)rdmsr(index));
    wrmsr(index, before);
}

/* Rows 17, 18, 50: where the machine has them (tests/boot/cases.py: MORE_MSRS) */
static void try_more(void)
{
    static const uint8_t free[] = {0, 3, 11, 16, 18, 38}, kept[] = {22, 34};
    uint64_t before;

    for (uint64_t value = 0; value < 32; value = 2 * value + 1) {
        try_kept("spec ctrl", 0x48, value);
        try_kept("pebs enable", MSR_PEBS_ENABLE, value);
    }
    if (!rdmsr_safe(MSR_MISC_ENABLE, &before))
        return;
    for (unsigned i = 0; i < sizeof(free); i++)
        try_kept("misc enable", MSR_MISC_ENABLE, before ^ (uint64_t)1 << free[i]);
    for (unsigned i = 0; i < sizeof(kept); i++) {
        wrmsr(MSR_MISC_ENABLE, before ^ (uint64_t)1 << kept[i]);
        differ("misc enable bit %u: %llx becomes %llx", kept[i], (ull)before, (ull)rdmsr(MSR_MISC_ENABLE));
        check(!under_plinth() || rdmsr(MSR_MISC_ENABLE) == before, "misc enable bit %u can be changed", kept[i]);
        wrmsr(MSR_MISC_ENABLE, before);
    }
}

static void try_vmx(void)
{
    uint64_t value = 0;
    struct outcome outcome = rdmsr_outcome(MSR_FEATURE_CONTROL, &value);

    differ("feature control: %s %llx", outcome.text, (ull)value);
    observe("feature control write 0: %s", wrmsr_outcome(MSR_FEATURE_CONTROL, 0).text);
    observe("feature control write 5: %s", wrmsr_outcome(MSR_FEATURE_CONTROL, 5).text);
    for (uint32_t index = MSR_VMX_BASIC; index <= 0x491; index++) {
        value = 0;
        outcome = rdmsr_outcome(index, &value);
        differ("vmx msr %x: %s %llx", index, outcome.text, (ull)value);
        observe("vmx msr %x write: %s", index, wrmsr_outcome(index, value).text);
    }
}

/* Tells which of [start, end) can be read, as ranges. */
static bool is_vmx_msr(uint32_t index)
{
    return index >= MSR_VMX_BASIC && index <= 0x491;
}

static bool readable(uint32_t index)
{
    uint64_t value;
    return !is_vmx_msr(index) && rdmsr_safe(index, &value);
}

static void list_readable(uint32_t start, uint32_t end)
{
    for (uint32_t index = start; index < end; index++) {
        uint32_t first = index;

        while (index < end && readable(index))
            index++;
        if (index != first)
            observe("readable: %x-%x", first, index - 1);
    }
}

/* Written back as read; not those with a side effect: TSC, APIC base, microcode update, SMM monitor, the LAPIC. */
static bool safe_to_write(uint32_t index)
{
    return index != 0x10 && index != 0x1b && index != 0x79 && index != 0x9b && index != 0x6e0 && !is_vmx_msr(index) &&
           (index < 0x800 || index >= 0x900);
}

static void list_writable(uint32_t start, uint32_t end)
{
    for (uint32_t index = start; index < end; index++) {
        uint64_t value;

        if (!safe_to_write(index))
            continue;
        if (rdmsr_safe(index, &value))
            observe("write back %x: %s", index, wrmsr_outcome(index, value).text);
        else if (wrmsr_safe(index, 0))
            observe("write-only: %x", index);
    }
}

static void other_rings(void)
{
    for (enum ring ring = RING0; ring < RINGS; ring++) {
        static const uint8_t read[] = {0x0f, 0x32}, write[] = {0x0f, 0x30};
        struct exec exec;

        exec_prepare(&exec, ring, read, sizeof(read));
        exec.frame.rcx = 0xffffffff0000001b; /* the upper half of RCX is ignored */
        exec.frame.rax = exec.frame.rdx = UINT64_MAX;
        exec_run(&exec);
        observe("%s rdmsr 1b: %s rax %llx rdx %llx", ring_names[ring], exec_outcome(&exec).text, (ull)exec.frame.rax,
                (ull)exec.frame.rdx);
        exec_prepare(&exec, ring, write, sizeof(write));
        exec.frame.rcx = 0xffffffff00000277;
        exec.frame.rax = 0xffffffff00070406;
        exec.frame.rdx = 0xffffffff00070406;
        exec_run(&exec);
        observe("%s wrmsr 277: %s", ring_names[ring], exec_outcome(&exec).text);
    }
}

/* With exits in between, at each of which it is switched off, and on again. XD disable and the CPUID limit are not for
 * the guest to set: it goes on in no-execute pages, with all leaves. */
static void try_pebs_and_misc(void)
{
    try_write("pebs enable", MSR_PEBS_ENABLE, 1);
    observe("cpuid after: %x", cpuid(0, 0).eax);
    try_write("pebs enable", MSR_PEBS_ENABLE, 0);
    try_write("misc enable", MSR_MISC_ENABLE, 1);
}

void test_msr(void)
{
    try_pebs_and_misc();
    try_pat();
    try_efer();
    try_addresses();
    try_mtrrs();
    try_apic_base();
    try_more();
    try_vmx();
    other_rings();
}

/* The two MSR ranges that the MSR bitmap covers, some beyond, and the hypervisors' 0x40000000. */
void test_msrs(void)
{
    list_readable(0, 0x2000);
    list_readable(0x40000000, 0x40000110);
    list_readable(0xc0000000, 0xc0002000);
    list_readable(0x2000, 0x2010);
    list_readable(0xbffffff0, 0xc0000000);
    list_readable(0xc0010000, 0xc0010020);
    list_readable(0xfffffff0, 0xffffffff);
    list_writable(0, 0x1000);
    list_writable(0x40000000, 0x40000010);
    list_writable(0xc0000000, 0xc0000110);
}
