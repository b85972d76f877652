/*
 * A guest of chance, replayable by seed (row 54). Two kinds of steps: one instruction of random bytes at CPL 3, with
 * nothing but a window of its own to touch, and at CPL 0 the instructions that a hypervisor sees, with random
 * operands. What each ends in goes into a hash; the hashes must agree between the bare machine and Plinth.
 */
#include "lib/string.h"
#include "tests/guest/chance.h"
#include "tests/guest/report.h"
#include "tests/guest/smp.h"
#include "tests/guest/tests.h"

typedef unsigned long long ull;

enum { TABLE_ENTRIES = 512, WINDOW_PAGES = 4 };
#define WINDOW ((uint64_t)512 << 30) /* linear address of the window */

/* The same identity map closed to CPL 3, and the window: page 0 code, the rest data. */
struct space {
    uint64_t pml4[TABLE_ENTRIES], pdpt[TABLE_ENTRIES], window_pdpt[TABLE_ENTRIES], window_pd[TABLE_ENTRIES],
        window_pt[TABLE_ENTRIES];
    uint8_t window[WINDOW_PAGES][PAGE_SIZE];
} aligned(4096);

static struct space spaces[CPUS_MAX];
static uint64_t closed_pds[4][TABLE_ENTRIES] aligned(4096);
static struct chance chances[CPUS_MAX];

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
        switch (chance_below(c, 4)) {
        case 0:
            registers[i] = chance_next(c);
            break;
        case 1:
            registers[i] = chance_below(c, 256);
            break;
        default:
            registers[i] = WINDOW + PAGE_SIZE + chance_below(c, 2 * PAGE_SIZE);
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
    chance_mix(c, exec->frame.vector);
    chance_mix(c, exec->frame.error);
    chance_mix(c, exec->frame.rip - exec->code);
    if (registers)
        for (unsigned i = 0; i < 15; i++)
            chance_mix(c, (&exec->frame.rax)[i]);
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
        code[i] = (uint8_t)chance_below(c, 256);
    if (chance_below(c, 2))
        memcpy(code, liked[chance_below(c, ARRAY_SIZE(liked))], 2);
    exec.code = WINDOW;
    exec.frame.rip = WINDOW;
    exec.frame.rsp = WINDOW + 3 * PAGE_SIZE - 256;
    exec.frame.cs = SELECTOR_USER_CODE64;
    exec.frame.ss = SELECTOR_USER_DATA;
    exec.frame.rflags = RFLAGS_FIXED | RFLAGS_TF | (chance_next(c) & RFLAGS_ARITHMETIC);
    write_dr6(0xffff0ff0);
    write_dr7(0x400);
    exec_run(&exec);
    c->last = exec;
    memcpy(c->last_code, code, sizeof(c->last_code));
    mix_outcome(c, &exec, !volatile_result(code));
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
        random_bytes, random_bytes,   random_bytes,  random_bytes, chance_cpuid, chance_rdmsr, chance_wrmsr,
        chance_wrmsr, chance_control, chance_xsetbv, chance_exit,  chance_burst, chance_burst, chance_burst,
        chance_burst, chance_burst,   chance_burst,  chance_burst, chance_burst, chance_burst, chance_burst,
    };

    unsigned kind = (unsigned)chance_below(c, ARRAY_SIZE(kinds));

    kinds[kind](c);
    trace(c, kind);
}

static void run_chance(void *argument)
{
    struct chance *c = argument;
    uint64_t cr3 = read_cr3(), part = guest_options.steps / CHANCE_CHECKPOINTS + 1;

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

    for (unsigned j = 0; j < CHANCE_CHECKPOINTS && c->hashes[j]; j++)
        observe("cpu%u seed %llu part %u: %016llx", i, (ull)guest_options.seed, j, (ull)c->hashes[j]);
    for (unsigned vector = 0; vector < 32; vector++)
        if (c->vectors[vector])
            observe("cpu%u seed %llu: vector %u %u times", i, (ull)guest_options.seed, vector, c->vectors[vector]);
}

/* Of all CPUs and reasons, by Plinth's own counters; on the bare machine 0. */
static uint64_t count_exits(void)
{
    enum { STATISTICS = 0x40010000, REASONS = 80 };
    uint64_t sum = 0;

    for (unsigned reason = 0; under_plinth() && reason < REASONS; reason++) {
        struct cpuid r = cpuid(STATISTICS + reason, 0xffffffff);

        sum += (uint64_t)r.ebx << 32 | r.eax;
    }
    return sum;
}

void test_random(void)
{
    uint64_t before = count_exits();

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
    differ("%llu exits in %llu steps a cpu", (ull)(count_exits() - before), (ull)guest_options.steps);
}
