/*
 * Another CPU rewrites the instruction that exits, over and over (row 23): a monitor that looked at the code again,
 * instead of at what the exit said, would go on in the middle of another instruction.
 */
#include "tests/guest/report.h"
#include "tests/guest/smp.h"
#include "tests/guest/tests.h"

enum { ROUNDS = 400, OUTCOMES = 3 };

/* Pairs that take turns at the same place, as 32-bit words; from wherever an instruction of the one ends, the other
 * goes on as well. */
static const struct pair {
    const char *name;
    uint32_t code[2];
} pairs[] = {
    {"cpuid with and without a prefix", {0x90a20f66, 0x90a20f90}},
    {"cpuid and ud2", {0x9090a20f, 0x90900b0f}},
    {"cpuid and rdmsr", {0x9090a20f, 0x9090320f}},
    {"rdmsr and rdtsc", {0x9090320f, 0x9090310f}},
};
static const char *const outcomes[OUTCOMES] = {"done", "#UD at +0", "#GP(0) at +0"};

struct work {
    volatile uint32_t *place;
    const struct pair *pair;
    volatile bool stop;
};

static void rewrite(void *argument)
{
    struct work *work = argument;

    for (unsigned i = 0; !work->stop; i++)
        *work->place = work->pair->code[i & 1];
}

static unsigned run_once(const struct pair *pair)
{
    struct exec exec;

    exec_prepare(&exec, RING0, pair->code, sizeof(pair->code[0]));
    exec.frame.rcx = MSR_FEATURE_CONTROL;
    exec_run(&exec);
    for (unsigned i = 0; i < OUTCOMES; i++)
        if (!__builtin_strcmp(exec_outcome(&exec).text, outcomes[i]))
            return i;
    check(false, "%s: %s", pair->name, exec_outcome(&exec).text);
    return 0;
}

static void try_pair(const struct pair *pair, struct cpu *other)
{
    struct work work = {.place = (volatile uint32_t *)cpu_code(this_cpu()), .pair = pair};
    unsigned counts[OUTCOMES] = {0};

    other->job_argument = &work;
    other->job = rewrite;
    for (unsigned i = 0; i < ROUNDS; i++)
        counts[run_once(pair)]++;
    work.stop = true;
    while (other->job)
        pause();
    differ("%s: %u done, %u #UD, %u #GP", pair->name, counts[0], counts[1], counts[2]);
    observe("%s: nothing else came of it", pair->name);
}

void test_rewrite(void)
{
    struct cpu *other = cpu_at(1);

    if (cpu_count < 2) {
        skip("one CPU only");
        return;
    }
    if (!other->starts && !smp_start(other)) {
        check(false, "cpu1 doesn't start");
        return;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(pairs); i++)
        try_pair(&pairs[i], other);
}
