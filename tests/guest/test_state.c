/* Live state that an exit must not touch: debug registers, x87, SSE, AVX, AVX-512 (rows 36, 37). */
#include "lib/string.h"
#include "tests/guest/report.h"
#include "tests/guest/smp.h"
#include "tests/guest/tests.h"

typedef unsigned long long ull;

/* Instructions that exit under a hypervisor, often enough that a context switch that loses something shows. */
static void cause_exits(void)
{
    uint64_t flip = cpuid(1, 0).ecx & 1u << 26 ? CR4_OSXSAVE : CR4_PGE;

    for (unsigned i = 0; i < 20; i++) {
        uint64_t value;

        cpuid(i, 0);
        rdmsr_safe(MSR_FEATURE_CONTROL, &value);
        write_cr4(read_cr4() ^ flip);
        write_cr4(read_cr4() ^ flip);
    }
}

static void debug_registers_kept(void *argument)
{
    uint64_t *seen = argument;

    write_dr0(0x1111222233334444);
    write_dr1(0x5555666677778888);
    write_dr2(0x00007fff12345678);
    write_dr3(0x0000123456789abc);
    write_dr6(0xffff0ff0 | 0x5);
    write_dr7(0x700); /* LE and GE: harmless */
    cause_exits();
    seen[0] = read_dr0();
    seen[1] = read_dr1();
    seen[2] = read_dr2();
    seen[3] = read_dr3();
    seen[4] = read_dr6();
    seen[5] = read_dr7();
    write_dr7(0x400);
}

static void run_one(const char *name, const uint8_t *code, size_t size, uint64_t dr7, uint64_t rflags)
{
    struct exec exec;

    exec_prepare(&exec, RING0, code, size);
    exec.frame.rflags |= rflags;
    exec.frame.rbx = exec.frame.rsp - 512;
    write_dr6(0xffff0ff0);
    write_dr0(exec.code + 1);
    write_dr1(exec.frame.rbx);
    write_dr7(dr7);
    exec_run(&exec);
    observe("%s: %s dr6 %llx dr7 %llx rf %d", name, exec_outcome(&exec).text, (ull)read_dr6(), (ull)read_dr7(),
            (int)(exec.frame.rflags >> 16 & 1));
    write_dr7(0x400);
    write_dr6(0xffff0ff0);
}

enum { RF = 1 << 16, TF = 1 << 8 };

static void breakpoints(void)
{
    static const uint8_t cpuid_code[] = {0x90, 0x0f, 0xa2, 0x90};
    static const uint8_t store[] = {0x48, 0x89, 0x03, 0x0f, 0xa2, 0x90}; /* mov %rax, (%rbx) */
    static const uint8_t load_ss[] = {0x8e, 0x13, 0x0f, 0xa2, 0x90};     /* mov (%rbx), %ss */
    static const uint8_t read_dr[] = {0x0f, 0x21, 0xc0}, icebp[] = {0xf1}, into[] = {0xce};
    static const uint8_t write_dr[] = {0x0f, 0x23, 0xf8}, dr4[] = {0x0f, 0x21, 0xe0};

    run_one("execute cpuid", cpuid_code, sizeof(cpuid_code), 0x402, 0);
    run_one("execute cpuid with TF", cpuid_code, sizeof(cpuid_code), 0x402, TF);
    run_one("execute cpuid off", cpuid_code, sizeof(cpuid_code), 0x400, 0);
    run_one("write", store, sizeof(store), 0x400 | 0x8 | 9u << 20, 0);
    run_one("read or write", store, sizeof(store), 0x400 | 0x8 | 0xbu << 20, 0);
    run_one("read by mov ss", load_ss, sizeof(load_ss), 0x400 | 0x8 | 7u << 20, 0);
    run_one("icebp", icebp, sizeof(icebp), 0x400, 0);
    run_one("into in 64-bit mode", into, sizeof(into), 0x400, 0);
    run_one("gd read", read_dr, sizeof(read_dr), 0x2400, 0);
    run_one("gd write", write_dr, sizeof(write_dr), 0x2400, 0);
    run_one("dr4", dr4, sizeof(dr4), 0x400, 0);
    write_cr4(read_cr4() | 8);
    run_one("dr4 with DE", dr4, sizeof(dr4), 0x400, 0);
    write_cr4(read_cr4() & ~(uint64_t)8);
}

void test_debug(void)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        uint64_t seen[6];

        if (i && !cpu_at(i)->starts && !smp_start(cpu_at(i)))
            continue;
        smp_run(cpu_at(i), debug_registers_kept, seen);
        observe("cpu%u: dr0 %llx dr1 %llx dr2 %llx dr3 %llx dr6 %llx dr7 %llx", i, (ull)seen[0], (ull)seen[1],
                (ull)seen[2], (ull)seen[3], (ull)seen[4], (ull)seen[5]);
        check(seen[0] == 0x1111222233334444 && seen[3] == 0x0000123456789abc && seen[4] == 0xffff0ff5 &&
                  seen[5] == 0x700,
              "cpu%u: a debug register was lost across an exit", i);
    }
    breakpoints();
}

struct vectors {
    uint8_t bytes[32 * 64];
} aligned(64);

struct fx_state {
    uint8_t bytes[512];
} aligned(16);

static void fill(struct vectors *v, uint32_t seed)
{
    for (unsigned i = 0; i < sizeof(v->bytes); i++) {
        seed = seed * 1664525 + 1013904223;
        v->bytes[i] = (uint8_t)(seed >> 24);
    }
}

/* FXSAVE's image holds x87, MXCSR and XMM registers whole. */
static bool sse_kept(uint32_t seed)
{
    static struct fx_state states[CPUS_MAX][3];
    struct fx_state *in = &states[this_cpu()->index][0], *first = in + 1, *second = in + 2;
    struct vectors v;

    fill(&v, seed);
    __asm__ volatile("fninit; fxsave %0" : "=m"(*in));
    memcpy(in->bytes + 160, v.bytes, 256);
    for (unsigned i = 0; i < 8; i++)
        memcpy(in->bytes + 32 + 16 * i, v.bytes + 300 + 10 * i, 10);
    in->bytes[4] = 0xff;                               /* all x87 registers valid */
    in->bytes[25] = (uint8_t)(0x1f | (seed & 3) << 5); /* MXCSR's rounding control */
    __asm__ volatile("fxrstor %1; fxsave %0" : "=m"(*first) : "m"(*in));
    cause_exits();
    __asm__ volatile("fxsave %0" : "=m"(*second));
    return !memcmp(first, second, 416) && !memcmp(second->bytes + 160, v.bytes, 256);
}

#define EACH16(X)    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define EACH_HIGH(X) X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28) X(29) X(30) X(31)
#define LOAD_YMM(n)  "vmovdqu " #n "*64(%0), %%ymm" #n "\n"
#define STORE_YMM(n) "vmovdqu %%ymm" #n ", " #n "*64(%0)\n"
#define LOAD_ZMM(n)  "vmovdqu64 " #n "*64(%0), %%zmm" #n "\n"
#define STORE_ZMM(n) "vmovdqu64 %%zmm" #n ", " #n "*64(%0)\n"

static bool avx_kept(uint32_t seed)
{
    struct vectors in, out;

    fill(&in, seed);
    memset(&out, 0, sizeof(out));
    __asm__ volatile(EACH16(LOAD_YMM) : : "r"(in.bytes) : "memory");
    cause_exits();
    __asm__ volatile(EACH16(STORE_YMM) : : "r"(out.bytes) : "memory");
    for (unsigned i = 0; i < 16; i++)
        if (memcmp(in.bytes + 64 * i, out.bytes + 64 * i, 32))
            return false;
    return true;
}

static bool avx512_kept(uint32_t seed)
{
    struct vectors in, out;
    uint64_t masks[2] = {seed * 0x9e3779b97f4a7c15, 0};

    fill(&in, seed);
    memset(&out, 0, sizeof(out));
    __asm__ volatile(EACH16(LOAD_ZMM) EACH_HIGH(LOAD_ZMM) "kmovw (%1), %%k1" : : "r"(in.bytes), "r"(masks) : "memory");
    cause_exits();
    __asm__ volatile(EACH16(STORE_ZMM) EACH_HIGH(STORE_ZMM) "kmovw %%k1, 8(%1)"
                     :
                     : "r"(out.bytes), "r"(masks)
                     : "memory");
    return !memcmp(&in, &out, sizeof(in)) && (uint16_t)masks[0] == (uint16_t)masks[1];
}

static void set_xcr0(uint64_t value)
{
    __asm__ volatile("xsetbv" : : "a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(0));
}

static void vectors_kept(void *argument)
{
    int *kept = argument;
    uint64_t cr4 = read_cr4();
    uint32_t offered = cpuid(0xd, 0).eax;

    kept[0] = sse_kept(7 + this_cpu()->index);
    kept[1] = kept[2] = -1;
    if (!(cpuid(1, 0).ecx & 1u << 26))
        return;
    write_cr4(cr4 | CR4_OSXSAVE);
    if ((offered & 7) == 7) {
        set_xcr0(7);
        kept[1] = avx_kept(11 + this_cpu()->index);
    }
    if ((offered & 0xe7) == 0xe7) {
        set_xcr0(0xe7);
        kept[2] = avx512_kept(13 + this_cpu()->index);
    }
    set_xcr0(1);
    write_cr4(cr4);
}

void test_vectors(void)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        int kept[3];

        if (i && !cpu_at(i)->starts && !smp_start(cpu_at(i)))
            continue;
        smp_run(cpu_at(i), vectors_kept, kept);
        observe("cpu%u: x87 and SSE kept %d, AVX %d, AVX-512 %d", i, kept[0], kept[1], kept[2]);
        check(kept[0] && kept[1] && kept[2], "cpu%u: vector state was lost across an exit", i);
    }
}
