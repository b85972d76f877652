/*
 * What must run without an exit (row 53), counted by Plinth's own leaves 0x40010000 + reason, and what the CPU
 * advertises, which must work (row 34).
 */
#include "lib/string.h"
#include "tests/guest/report.h"
#include "tests/guest/smp.h"
#include "tests/guest/tests.h"

enum { STATISTICS = 0x40010000, REASONS = 80, REASON_CPUID = 10, TIMES = 50 };

/* Of this CPU, all reasons but CPUID's own. */
static uint64_t count_exits(uint64_t *by_reason)
{
    uint64_t sum = 0;

    for (unsigned reason = 0; reason < REASONS; reason++) {
        struct cpuid r = cpuid(STATISTICS + reason, this_cpu()->index);

        by_reason[reason] = reason == REASON_CPUID ? 0 : (uint64_t)r.ebx << 32 | r.eax;
        sum += by_reason[reason];
    }
    return sum;
}

static void do_halt(void)
{
    apic_send_self(0x44);
    __asm__ volatile("sti; hlt; cli");
}

/* MONITOR, and an MWAIT that the interrupt on its way ends (SDM vol. 3, 8.10.4) */
static void do_mwait(void)
{
    static uint64_t line;

    if (!(cpuid(1, 0).ecx & 1u << 3))
        return;
    __asm__ volatile("monitor" : : "a"(&line), "c"(0), "d"(0));
    apic_send_self(0x44);
    __asm__ volatile("sti; mwait; cli" : : "a"(0), "c"(0));
}

static void do_counters(void)
{
    struct exec exec;

    EXEC(&exec, RING0, 0x0f, 0x33); /* rdpmc of counter 0 */
}

static void do_pause(void)
{
    pause();
}

static void do_time(void)
{
    rdtsc();
    in8(0x80);
    out8(0x80, 0);
}

static void do_port(void)
{
    in8(0x3fd);
    in8(0x61);
    out8(0x80, 1);
}

static void do_caches(void)
{
    static uint8_t byte;
    __asm__ volatile("wbinvd; clflush %0; invlpg %0" : : "m"(byte));
}

static void do_cr3(void)
{
    write_cr3(read_cr3());
}

static void do_debug_registers(void)
{
    write_dr0(read_dr0());
    write_dr7(read_dr7());
}

static void do_exceptions(void)
{
    struct exec exec;
    EXEC(&exec, RING0, 0x0f, 0x0b);
    EXEC(&exec, RING3, 0x0f, 0x0b);
    EXEC(&exec, RING3, 0xf4);                              /* hlt: #GP */
    EXEC(&exec, RING0, 0x48, 0xb8, 0, 0, 0, 0, 0, 1, 0, 0, /* mov $0x10000000000, %rax */
         0x8a, 0x00);                                      /* mov (%rax), %al: #PF */
}

static void do_interrupts(void)
{
    __asm__ volatile("sti");
    apic_send_self(0x44);
    __asm__ volatile("nop; cli");
}

static void do_task_switched(void)
{
    __asm__ volatile("clts");
    write_cr0(read_cr0() | 8);
    __asm__ volatile("clts");
}

static void do_cr4(void)
{
    write_cr4(read_cr4() ^ CR4_PGE);
    write_cr4(read_cr4() ^ CR4_PGE);
}

static void do_msrs(void)
{
    wrmsr(MSR_FS_BASE, rdmsr(MSR_FS_BASE));
    wrmsr(MSR_KERNEL_GS_BASE, rdmsr(MSR_KERNEL_GS_BASE));
    wrmsr(MSR_LSTAR, rdmsr(MSR_LSTAR));
    wrmsr(MSR_SYSENTER_EIP, rdmsr(MSR_SYSENTER_EIP));
}

static void do_fpu(void)
{
    __asm__ volatile("fninit; fld1; fstp %%st(0); xorps %%xmm0, %%xmm0" : :);
}

static const struct {
    const char *name;
    void (*run)(void);
} quiet[] = {
    {"hlt", do_halt},
    {"monitor, mwait", do_mwait},
    {"rdpmc", do_counters},
    {"pause", do_pause},
    {"rdtsc", do_time},
    {"ports", do_port},
    {"wbinvd clflush invlpg", do_caches},
    {"mov cr3", do_cr3},
    {"mov dr", do_debug_registers},
    {"exceptions", do_exceptions},
    {"interrupts and eoi", do_interrupts},
    {"cr0.ts", do_task_switched},
    {"cr4.pge", do_cr4},
    {"fs, gs, syscall, sysenter msrs", do_msrs},
    {"x87, sse", do_fpu},
};

static void stay_quiet(unsigned i)
{
    static uint64_t before[REASONS], after[REASONS];
    uint64_t first = count_exits(before), exits;

    for (unsigned n = 0; n < TIMES; n++)
        quiet[i].run();
    exits = count_exits(after) - first;
    if (under_plinth()) {
        for (unsigned reason = 0; reason < REASONS; reason++)
            if (after[reason] != before[reason])
                differ("%s: reason %u: %llu exits", quiet[i].name, reason,
                       (unsigned long long)(after[reason] - before[reason]));
        check(!exits, "%s: %llu exits in %u rounds", quiet[i].name, (unsigned long long)exits, TIMES);
    }
    observe("%s: ran", quiet[i].name);
}

void test_quiet(void)
{
    for (unsigned i = 1; i < cpu_count; i++) /* while CPUs wait to be started Plinth may watch the LAPIC */
        if (!cpu_at(i)->starts)
            smp_start(cpu_at(i));
    for (unsigned i = 0; i < ARRAY_SIZE(quiet); i++)
        stay_quiet(i);
}

/* An instruction for each feature bit: not #UD if the bit is set. */
static const struct feature {
    const char *name;
    uint32_t leaf, reg, bit;
    uint8_t size, code[10];
} features[] = {
    {"rdtscp", 0x80000001, 3, 27, 3, {0x0f, 0x01, 0xf9}},
    {"invpcid", 7, 1, 10, 5, {0x66, 0x0f, 0x38, 0x82, 0x03}},
    {"rdrand", 1, 2, 30, 3, {0x0f, 0xc7, 0xf0}},
    {"rdseed", 7, 1, 18, 3, {0x0f, 0xc7, 0xf8}},
    {"tpause", 7, 2, 5, 4, {0x66, 0x0f, 0xae, 0xf3}},
    {"umonitor", 7, 2, 5, 4, {0xf3, 0x0f, 0xae, 0xf3}},
    {"monitor", 1, 2, 3, 3, {0x0f, 0x01, 0xc8}},
    {"xgetbv", 1, 2, 26, 3, {0x0f, 0x01, 0xd0}},
    {"xsave", 1, 2, 26, 3, {0x0f, 0xae, 0x23}},
    {"movbe", 1, 2, 22, 5, {0x0f, 0x38, 0xf0, 0x03, 0x90}},
    {"popcnt", 1, 2, 23, 4, {0xf3, 0x0f, 0xb8, 0xc0}},
    {"cmpxchg16b", 1, 2, 13, 4, {0x48, 0x0f, 0xc7, 0x0b}},
    {"clflushopt", 7, 1, 23, 4, {0x66, 0x0f, 0xae, 0x3b}},
    {"clwb", 7, 1, 24, 4, {0x66, 0x0f, 0xae, 0x33}},
    {"adcx", 7, 1, 19, 5, {0x66, 0x0f, 0x38, 0xf6, 0xc0}},
    {"clac", 7, 1, 20, 3, {0x0f, 0x01, 0xca}},
    {"rdpid", 7, 2, 22, 4, {0xf3, 0x0f, 0xc7, 0xf8}},
    {"serialize", 7, 3, 14, 3, {0x0f, 0x01, 0xe8}},
    {"xbegin", 7, 1, 11, 6, {0xc7, 0xf8, 0, 0, 0, 0}},
    {"prefetchw", 0x80000001, 2, 8, 3, {0x0f, 0x0d, 0x0b}},
    {"lzcnt", 0x80000001, 2, 5, 4, {0xf3, 0x0f, 0xbd, 0xc0}},
    {"pconfig", 7, 3, 18, 3, {0x0f, 0x01, 0xc5}},
};

static void try_feature(const struct feature *feature)
{
    struct cpuid r = cpuid(feature->leaf, 0);
    const uint32_t registers[] = {r.eax, r.ebx, r.ecx, r.edx};
    bool advertised = registers[feature->reg] >> feature->bit & 1;
    struct exec exec;

    exec_prepare(&exec, RING0, feature->code, feature->size);
    exec.frame.rbx = ALIGN_DOWN(exec.frame.rsp - 2048, 64);
    exec.frame.rcx = 0;
    exec_run(&exec);
    observe("%s: advertised %d: %s", feature->name, advertised, exec_outcome(&exec).text);
    check(!advertised || exec.frame.vector != VECTOR_UD, "%s is advertised and #UD", feature->name);
}

/* The rest of what XSAVE offers: compaction and supervisor states. */
static void try_xsaves(void)
{
    static const uint8_t save[] = {0x0f, 0xc7, 0x2b}, restore[] = {0x0f, 0xc7, 0x1b}, compact[] = {0x0f, 0xc7, 0x23};
    static const struct {
        const char *name;
        const uint8_t *code;
    } forms[] = {{"xsavec", compact}, {"xsaves", save}, {"xrstors", restore}};
    uint32_t offered = cpuid(0xd, 1).eax;
    struct exec exec;

    observe("xsave forms %x", offered & 0xf);
    for (unsigned i = 0; i < ARRAY_SIZE(forms); i++) {
        exec_prepare(&exec, RING0, forms[i].code, 3);
        exec.frame.rbx = ALIGN_DOWN(exec.frame.rsp - 2048, 64);
        exec.frame.rax = 1;
        exec_run(&exec);
        observe("%s: %s", forms[i].name, exec_outcome(&exec).text);
        check(!(offered & (i ? 8 : 2)) || exec.frame.vector == VECTOR_BP, "%s is offered: %s", forms[i].name,
              exec_outcome(&exec).text);
    }
}

/* INVPCID's and INVLPG's operands (row 35). */
static void try_invalidations(void)
{
    static const uint8_t invpcid[] = {0x66, 0x0f, 0x38, 0x82, 0x13}, invlpg[] = {0x0f, 0x01, 0x3b};
    struct exec exec;

    for (unsigned type = 0; type < 6; type++)
        for (unsigned bad = 0; bad < 3; bad++) {
            uint64_t *descriptor;

            exec_prepare(&exec, RING0, invpcid, sizeof(invpcid));
            exec.frame.rbx = ALIGN_DOWN(exec.frame.rsp - 2048, 64);
            exec.frame.rdx = type;
            descriptor = (uint64_t *)exec.frame.rbx;
            descriptor[0] = bad == 1 ? 0x1000 : bad == 2 ? 1 : 0;
            descriptor[1] = bad == 2 ? (uint64_t)1 << 63 : 0;
            exec_run(&exec);
            observe("invpcid type %u, %s: %s", type,
                    !bad       ? "good"
                    : bad == 1 ? "reserved bit"
                               : "pcid 1, not canonical",
                    exec_outcome(&exec).text);
        }
    exec_prepare(&exec, RING0, invlpg, sizeof(invlpg));
    exec.frame.rbx = (uint64_t)1 << 63;
    exec_run(&exec);
    observe("invlpg, not canonical: %s", exec_outcome(&exec).text);
    exec_prepare(&exec, RING3, invlpg, sizeof(invlpg));
    exec_run(&exec);
    observe("cpl3 invlpg: %s", exec_outcome(&exec).text);
}

void test_features(void)
{
    uint64_t cr4 = read_cr4();

    if (cpuid(1, 0).ecx & 1u << 26)
        write_cr4(cr4 | CR4_OSXSAVE);
    for (unsigned i = 0; i < ARRAY_SIZE(features); i++)
        try_feature(&features[i]);
    if (cpuid(1, 0).ecx & 1u << 26)
        try_xsaves();
    write_cr4(cr4);
    if (cpuid(7, 0).ebx & 1u << 10)
        try_invalidations();
}
