/* Protection keys, CET, XSS and user interrupts: the guest's through every exit, and of no effect on Plinth (rows 38,
 * 39). */
#include "tests/guest/report.h"
#include "tests/guest/smp.h"
#include "tests/guest/tests.h"

typedef unsigned long long ull;

enum { CR4_CET = 1 << 23, CR4_PKS = 1 << 24, CR4_UINTR = 1 << 25, ENDBR_EN = 1 << 2, TIMES = 10 };
enum { MSR_S_CET = 0x6a2 };

/* Only what exits: no exception, which would be delivered under the state that is tried. */
static void cause_exits(void)
{
    for (unsigned i = 0; i < TIMES; i++) {
        cpuid(i, 0);
        rdmsr(MSR_FEATURE_CONTROL);
        wrmsr(MSR_MTRR_DEF_TYPE, rdmsr(MSR_MTRR_DEF_TYPE));
    }
}

static void keep_msr(const char *name, uint32_t index, uint64_t value)
{
    uint64_t before, after = 0;

    if (!rdmsr_safe(index, &before) || !wrmsr_safe(index, value)) {
        observe("%s: none, or not %llx", name, (ull)value);
        return;
    }
    cause_exits();
    check(rdmsr_safe(index, &after) && after == value, "%s became %llx", name, (ull)after);
    observe("%s: %llx after exits", name, (ull)after);
    wrmsr(index, before);
}

static uint32_t rdpkru(void)
{
    uint32_t value;
    __asm__ volatile("rdpkru" : "=a"(value) : "c"(0) : "rdx");
    return value;
}

static void wrpkru(uint32_t value)
{
    __asm__ volatile("wrpkru" : : "a"(value), "c"(0), "d"(0) : "memory");
}

/* Key 0 is that of all pages here; the others are closed. */
static void keep_pkru(void)
{
    uint64_t cr4 = read_cr4();
    uint32_t kept;

    if (!(cpuid(7, 0).ecx & 1u << 3)) {
        observe("no PKU");
        return;
    }
    write_cr4(cr4 | CR4_PKE);
    wrpkru(0xfffffffc);
    cause_exits();
    kept = rdpkru();
    wrpkru(0);
    write_cr4(cr4);
    observe("PKRU: %x after exits", kept);
    check(kept == 0xfffffffc, "PKRU became %x", kept);
}

static void keep_pkrs(void)
{
    uint64_t cr4 = read_cr4();

    if (!(cpuid(7, 0).ecx & 1u << 31)) {
        observe("no PKS");
        return;
    }
    write_cr4(cr4 | CR4_PKS);
    keep_msr("PKRS", 0x6e1, 0xfffffffc);
    write_cr4(cr4);
}

/* Indirect branches must meet an ENDBR64 meanwhile, also those of a host that forgot to load its own CR4. */
static void keep_tracking(void)
{
    uint64_t cr0 = read_cr0(), cr4 = read_cr4(), kept;

    if (!(cpuid(7, 0).edx & 1u << 20)) {
        observe("no CET_IBT");
        return;
    }
    write_cr0(cr0 | 1u << 16);
    write_cr4(cr4 | CR4_CET);
    wrmsr(MSR_S_CET, ENDBR_EN);
    cause_exits();
    kept = rdmsr(MSR_S_CET);
    wrmsr(MSR_S_CET, 0);
    write_cr4(cr4);
    write_cr0(cr0);
    observe("S_CET: %llx after exits in force", (ull)kept);
    check(kept == ENDBR_EN, "S_CET became %llx", (ull)kept);
}

static bool user_interrupts_on(void)
{
    bool on;
    __asm__ volatile("testui" : "=@ccc"(on));
    return on;
}

/* The MSRs of SDM vol. 3, 7.3.1 "User-Interrupt State", and UIF, which is in no register */
static void keep_user_interrupts(void)
{
    uint64_t cr4 = read_cr4();
    bool cleared, set;

    if (!(cpuid(7, 0).edx & 1u << 5)) {
        observe("no UINTR");
        return;
    }
    write_cr4(cr4 | CR4_UINTR);
    keep_msr("UINTR_RR", 0x985, 0x8000000000000001);
    keep_msr("UINTR_HANDLER", 0x986, 0xffff800000123456);
    keep_msr("UINTR_STACKADJUST", 0x987, 0x12345671);
    keep_msr("UINTR_MISC", 0x988, 0xff12345678);
    keep_msr("UINTR_PD", 0x989, 0x123440);
    keep_msr("UINTR_TT", 0x98a, 0x12341);
    __asm__ volatile("clui");
    cause_exits();
    cleared = !user_interrupts_on();
    __asm__ volatile("stui");
    cause_exits();
    set = user_interrupts_on();
    __asm__ volatile("clui");
    write_cr4(cr4);
    observe("UIF: clear kept %d, set kept %d after exits", cleared, set);
    check(cleared && set, "UIF changed");
}

void test_keys(void)
{
    keep_user_interrupts();
    keep_pkru();
    keep_pkrs();
    keep_tracking();
    keep_msr("U_CET", 0x6a0, 0x3);
    keep_msr("S_CET", MSR_S_CET, 0x3);
    keep_msr("PL0_SSP", 0x6a4, 0xffff800000123450);
    keep_msr("PL1_SSP", 0x6a5, 0x123454);
    keep_msr("PL3_SSP", 0x6a7, 0x12345678);
    keep_msr("INTERRUPT_SSP_TABLE", 0x6a8, 0xffff800000765430);
    keep_msr("XSS", 0xda0, 1 << 11);
}
