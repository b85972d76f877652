/*
 * A guest of chance, replayable by seed (row 54). Two kinds of steps: one instruction of random bytes at CPL 3, with
 * nothing but a window of its own to touch, and at CPL 0 the instructions that a hypervisor sees, with random
 * operands. What each ends in goes into a hash; the hashes must agree between the bare machine and Plinth.
 */
#include "lib/string.h"
#include "tests/guest/report.h"
#include "tests/guest/smp.h"
#include "tests/guest/tests.h"

typedef unsigned long long ull;

enum { CHECKPOINTS = 20, TABLE_ENTRIES = 512, WINDOW_PAGES = 4 };
#define WINDOW ((uint64_t)512 << 30) /* linear address of the window */

/* The same identity map closed to CPL 3, and the window: page 0 code, the rest data. */
struct space {
    uint64_t pml4[TABLE_ENTRIES], pdpt[TABLE_ENTRIES], window_pdpt[TABLE_ENTRIES], window_pd[TABLE_ENTRIES],
        window_pt[TABLE_ENTRIES];
    uint8_t window[WINDOW_PAGES][PAGE_SIZE];
} aligned(4096);

struct chance {
    uint64_t state, hash;
    struct space *space;
    uint64_t hashes[CHECKPOINTS];
    uint32_t vectors[32];
    uint64_t steps;
    struct exec last;
    uint8_t last_code[4];
};

static struct space spaces[CPUS_MAX];
static uint64_t closed_pds[4][TABLE_ENTRIES] aligned(4096);
static struct chance chances[CPUS_MAX];

/* xorshift64* */
static uint64_t next(struct chance *c)
{
    c->state ^= c->state >> 12;
    c->state ^= c->state << 25;
    c->state ^= c->state >> 27;
    return c->state * 0x2545f4914f6cdd1d;
}

static uint64_t below(struct chance *c, uint64_t limit)
{
    return (next(c) >> 16) % limit;
}

static void mix(struct chance *c, uint64_t value)
{
    c->hash = (c->hash ^ value) * 0x9e3779b97f4a7c15;
    c->hash ^= c->hash >> 29;
}

static void build_space(struct space *space)
{
    extern uint64_t page_tables[];

    for (unsigned i = 0; i < 4; i++) {
        for (unsigned j = 0; j < TABLE_ENTRIES; j++)
            closed_pds[i][j] = page_tables[TABLE_ENTRIES * (2 + i) + j] & ~(uint64_t)4;
        space->pdpt[i] = (uintptr_t)closed_pds[i] | 3;
    }
    for (unsigned i = 0; i < WINDOW_PAGES; i++)
        space->window_pt[i] = (uintptr_t)space->window[i] | 7;
    space->window_pd[0] = (uintptr_t)space->window_pt | 7;
    space->window_pdpt[0] = (uintptr_t)space->window_pd | 7;
    space->pml4[0] = (uintptr_t)space->pdpt | 3;
    space->pml4[1] = (uintptr_t)space->window_pdpt | 7;
}

static void random_registers(struct chance *c, struct exec *exec)
{
    uint64_t *registers = &exec->frame.rax;

    for (unsigned i = 0; i < 15; i++)
        switch (below(c, 4)) {
        case 0:
            registers[i] = next(c);
            break;
        case 1:
            registers[i] = below(c, 256);
            break;
        default:
            registers[i] = WINDOW + PAGE_SIZE + below(c, 2 * PAGE_SIZE);
        }
}

/* Results that may differ for a good reason: time stamps, random numbers, CPUID's documented bits. */
static bool volatile_result(const uint8_t *code)
{
    for (unsigned i = 0; i < 15; i++) {
        if (code[i] != 0x0f)
            continue;
        if (code[i + 1] == 0xa2 || code[i + 1] == 0x31 || code[i + 1] == 0xc7)
            return true;
        if (code[i + 1] == 0x01 && (code[i + 2] == 0xf9 || code[i + 2] == 0xd0))
            return true;
    }
    return false;
}

static void mix_outcome(struct chance *c, const struct exec *exec, bool registers)
{
    mix(c, exec->frame.vector);
    mix(c, exec->frame.error);
    mix(c, exec->frame.rip - exec->code);
    if (registers)
        for (unsigned i = 0; i < 15; i++)
            mix(c, (&exec->frame.rax)[i]);
    c->vectors[exec->frame.vector & 31]++;
}

/* One instruction (two after MOV SS): TF ends it. */
static void random_bytes(struct chance *c)
{
    static const uint8_t liked[][3] = {{0x0f, 0x01, 0}, {0x0f, 0xc7, 0}, {0x0f, 0xae, 0}, {0x66, 0x0f, 0},
                                       {0xf3, 0x0f, 0}, {0x0f, 0x38, 0}, {0x0f, 0x78, 0}, {0x0f, 0x79, 0},
                                       {0x0f, 0xa2, 0}, {0x0f, 0x37, 0}};
    uint8_t *code = c->space->window[0];
    struct exec exec;

    memset(&exec, 0, sizeof(exec));
    random_registers(c, &exec);
    for (unsigned i = 0; i < 32; i++)
        code[i] = (uint8_t)below(c, 256);
    if (below(c, 2))
        memcpy(code, liked[below(c, ARRAY_SIZE(liked))], 2);
    exec.code = WINDOW;
    exec.frame.rip = WINDOW;
    exec.frame.rsp = WINDOW + 3 * PAGE_SIZE - 256;
    exec.frame.cs = SELECTOR_USER_CODE64;
    exec.frame.ss = SELECTOR_USER_DATA;
    exec.frame.rflags = RFLAGS_FIXED | RFLAGS_TF | (next(c) & RFLAGS_ARITHMETIC);
    write_dr6(0xffff0ff0);
    write_dr7(0x400);
    exec_run(&exec);
    c->last = exec;
    memcpy(c->last_code, code, sizeof(c->last_code));
    mix_outcome(c, &exec, !volatile_result(code));
}

static void run_code(struct chance *c, const uint8_t *code, size_t size, uint64_t rax, uint64_t rcx, uint64_t rdx,
                     bool registers)
{
    struct exec exec;

    exec_prepare(&exec, RING0, code, size);
    exec.frame.rax = rax;
    exec.frame.rcx = rcx;
    exec.frame.rdx = rdx;
    exec.frame.rbx = exec.frame.rsp - 256;
    exec_run(&exec);
    c->last = exec;
    memcpy(c->last_code, (const void *)exec.code, sizeof(c->last_code));
    mix(c, exec.frame.vector);
    mix(c, exec.frame.error);
    mix(c, exec.frame.rip - exec.code);
    if (registers) {
        mix(c, exec.frame.rax);
        mix(c, exec.frame.rdx);
    }
    c->vectors[exec.frame.vector & 31]++;
}

static void random_cpuid(struct chance *c)
{
    static const uint8_t code[] = {0x66, 0xf2, 0x0f, 0xa2};
    unsigned prefixes = (unsigned)below(c, 3);
    uint32_t leaf = below(c, 4) ? (uint32_t)below(c, 0x20) : (uint32_t)next(c);

    if (leaf >> 16 == 0x4000 || leaf > 0x20)
        leaf = 0x80000000 + (uint32_t)below(c, 9);
    run_code(c, code + prefixes, sizeof(code) - prefixes, leaf, below(c, 8), 0,
             leaf != 1 && leaf != 0xb && leaf != 0xd);
}

static bool volatile_msr(uint32_t index)
{
    return index == 0x10 || index == 0x1b || index == MSR_FEATURE_CONTROL || index == 0x3b || index == 0x6e0 ||
           (index >= MSR_VMX_BASIC && index <= 0x491) || (index >= 0x800 && index < 0x900);
}

static void random_rdmsr(struct chance *c)
{
    static const uint8_t code[] = {0x0f, 0x32};
    static const uint32_t bases[] = {0, 0x170, 0x1d0, 0x200, 0x240, 0x1000, 0xc0000080, 0xc0000100, 0x40000000};
    uint32_t index = below(c, 8) ? bases[below(c, ARRAY_SIZE(bases))] + (uint32_t)below(c, 64) : (uint32_t)next(c);

    if (!volatile_msr(index))
        run_code(c, code, sizeof(code), next(c), (next(c) << 32) | index, next(c), true);
}

static uint64_t random_value(struct chance *c, uint64_t near)
{
    switch (below(c, 4)) {
    case 0:
        return near ^ (uint64_t)1 << below(c, 64);
    case 1:
        return next(c);
    case 2:
        return next(c) & 0x0707070707070707;
    default:
        return (uint64_t)((int64_t)next(c) >> (16 + below(c, 40)));
    }
}

static void random_wrmsr(struct chance *c)
{
    static const uint32_t targets[] = {
        MSR_PAT,
        MSR_SYSENTER_CS,
        MSR_SYSENTER_ESP,
        MSR_SYSENTER_EIP,
        MSR_LSTAR,
        0xc0000083,
        MSR_FMASK,
        MSR_STAR,
        MSR_FS_BASE,
        MSR_GS_BASE,
        MSR_KERNEL_GS_BASE,
        MSR_EFER,
        0x206,
        0x207,
        0x20e,
        0x8b,
        0x1a0,
        0x1d9,
        0x186,
        0x38f,
        MSR_FEATURE_CONTROL,
        MSR_MTRRCAP,
        0x482,
        0xda0,
        0xc0000103,
        0x12345678,
    };
    uint32_t index = targets[below(c, ARRAY_SIZE(targets))];
    uint64_t before = 0, after = 0, value;
    bool known = rdmsr_safe(index, &before);

    value = random_value(c, before);
    mix(c, wrmsr_safe(index, value));
    if (known && !volatile_msr(index)) {
        rdmsr_safe(index, &after);
        mix(c, after);
    }
    if (known)
        wrmsr_safe(index, before);
}

/* Bits whose loss ends this kernel stay; VMXE and SMXE are documented differences. */
static void random_control(struct chance *c)
{
    static const uint8_t cr0_code[] = {0x0f, 0x22, 0xc0}, cr4_code[] = {0x0f, 0x22, 0xe0};
    bool four = below(c, 2);
    uint64_t before = four ? read_cr4() : read_cr0();
    uint64_t keep = four ? 0x306020u | CR4_OSXSAVE : 0x80010021u;
    uint64_t value = before ^ (~keep & ((uint64_t)1 << below(c, 33) | (uint64_t)1 << below(c, 33)));

    run_code(c, four ? cr4_code : cr0_code, 3, value, 0, 0, false);
    mix(c, four ? read_cr4() : read_cr0());
    if (four)
        write_cr4(before);
    else
        write_cr0(before);
}

static void random_xsetbv(struct chance *c)
{
    static const uint8_t code[] = {0x0f, 0x01, 0xd1};
    uint64_t cr4 = read_cr4();

    if (!(cpuid(1, 0).ecx & 1u << 26))
        return;
    write_cr4(cr4 | CR4_OSXSAVE);
    run_code(c, code, sizeof(code), below(c, 4) ? below(c, 0x400) : next(c), below(c, 8) ? 0 : next(c),
             below(c, 8) ? 0 : next(c), false);
    mix(c, cpuid(0xd, 0).ebx);
    run_code(c, code, sizeof(code), 1, 0, 0, false);
    write_cr4(cr4);
}

static void random_exit(struct chance *c)
{
    static const uint8_t codes[][5] = {
        {0x0f, 0x01, 0xc1, 0x90, 0x90}, {0x0f, 0x01, 0xc2, 0x90, 0x90}, {0x0f, 0x01, 0xc3, 0x90, 0x90},
        {0x0f, 0x01, 0xc4, 0x90, 0x90}, {0x0f, 0x01, 0xd4, 0x90, 0x90}, {0xf3, 0x0f, 0xc7, 0x33, 0x90},
        {0x66, 0x0f, 0xc7, 0x33, 0x90}, {0x0f, 0xc7, 0x33, 0x90, 0x90}, {0x0f, 0x78, 0xc3, 0x90, 0x90},
        {0x0f, 0x79, 0x03, 0x90, 0x90}, {0x66, 0x0f, 0x38, 0x80, 0x03}, {0x66, 0x0f, 0x38, 0x81, 0x03},
        {0x0f, 0x37, 0x90, 0x90, 0x90}, {0x0f, 0x08, 0x90, 0x90, 0x90}, {0x0f, 0x09, 0x90, 0x90, 0x90},
        {0xe4, 0x21, 0x90, 0x90, 0x90}, {0x0f, 0x06, 0x90, 0x90, 0x90}, {0xf3, 0x90, 0x90, 0x90, 0x90},
    };
    const uint8_t *code = codes[below(c, ARRAY_SIZE(codes))];

    run_code(c, code, 5, 0, 0, 0, false);
}

/* For finding the one step that differs: trace=N on the command line shows the 100 steps from there. */
static void trace(const struct chance *c, unsigned kind)
{
    if (c == &chances[0] && guest_options.trace && c->steps - guest_options.trace < 100)
        observe("step %llu kind %u: %016llx, last %02x %02x %02x %02x at %llx, vector %llu rax %llx rcx %llx rdx %llx",
                (ull)c->steps, kind, (ull)c->hash, c->last_code[0], c->last_code[1], c->last_code[2], c->last_code[3],
                (ull)c->last.code, (ull)c->last.frame.vector, (ull)c->last.frame.rax, (ull)c->last.frame.rcx,
                (ull)c->last.frame.rdx);
}

static void random_step(struct chance *c)
{
    static void (*const kinds[])(struct chance *) = {
        random_bytes, random_bytes, random_bytes,   random_bytes,  random_cpuid, random_rdmsr,
        random_wrmsr, random_wrmsr, random_control, random_xsetbv, random_exit,
    };

    unsigned kind = (unsigned)below(c, ARRAY_SIZE(kinds));

    kinds[kind](c);
    trace(c, kind);
}

static void run_chance(void *argument)
{
    struct chance *c = argument;
    uint64_t cr3 = read_cr3(), part = guest_options.steps / CHECKPOINTS + 1;

    write_cr3((uintptr_t)c->space->pml4);
    for (c->steps = 0; c->steps < guest_options.steps; c->steps++) {
        random_step(c);
        c->hashes[c->steps / part] = c->hash;
    }
    write_cr3(cr3);
}

static void start(unsigned i)
{
    struct chance *c = &chances[i];

    memset(c, 0, sizeof(*c));
    c->state = (guest_options.seed + 1) * 0x9e3779b97f4a7c15 + i * 0xd1342543de82ef95 + 1;
    c->space = &spaces[i];
    build_space(c->space);
    if (!i)
        return;
    cpu_at(i)->job_argument = c;
    cpu_at(i)->job = run_chance;
}

static void show(unsigned i)
{
    const struct chance *c = &chances[i];

    for (unsigned j = 0; j < CHECKPOINTS && c->hashes[j]; j++)
        observe("cpu%u seed %llu part %u: %016llx", i, (ull)guest_options.seed, j, (ull)c->hashes[j]);
    for (unsigned vector = 0; vector < 32; vector++)
        if (c->vectors[vector])
            observe("cpu%u seed %llu: vector %u %u times", i, (ull)guest_options.seed, vector, c->vectors[vector]);
}

void test_random(void)
{
    for (unsigned i = 1; i < cpu_count; i++)
        if (cpu_at(i)->starts || smp_start(cpu_at(i)))
            start(i);
    start(0);
    run_chance(&chances[0]);
    for (unsigned i = 0; i < cpu_count; i++) {
        while (cpu_at(i)->job)
            pause();
        show(i);
    }
}
