/*
 * What many CPUs do at once (tests/bench/run makes the table): first touches above RAM, each CPU in pages of its own or
 * all in the same, and a change of memory types while the other CPUs run. On request only: it rewrites an MTRR.
 */
#include "tests/guest/report.h"
#include "tests/guest/smp.h"
#include "tests/guest/tests.h"

enum { FIRST_GIB = 8, TOUCHES = 24, SHARED_GIB = 450, CHANGES = 10, JOB_CPUS_MAX = 8 };
enum { MSR_PHYSBASE0 = 0x200 };
#define HOLE_ADDRESS 0xa0000000u
#define MASK_2MIB    0xffffe00800ull /* of 40 address bits; valid */

struct job {
    uint64_t first, step, end; /* pages to touch: addresses; the TSC when done */
};

static volatile unsigned waiting;
static volatile bool go;

static void touch_pages(void *argument)
{
    struct job *job = argument;

    __atomic_add_fetch(&waiting, 1, __ATOMIC_SEQ_CST);
    while (!go)
        ;
    for (unsigned i = 0; i < TOUCHES; i++)
        (void)*(volatile uint32_t *)at_address(job->first + i * job->step);
    job->end = rdtsc();
}

/* The boot CPU takes part; all begin together. Ticks until the last is done. */
static uint32_t run_jobs(struct job *jobs, unsigned cpus)
{
    uint64_t start, end = 0;

    waiting = 0;
    go = false;
    for (unsigned i = 1; i < cpus; i++) {
        cpu_at(i)->job_argument = &jobs[i];
        cpu_at(i)->job = touch_pages;
    }
    while (waiting < cpus - 1)
        pause();
    start = rdtsc();
    go = true;
    touch_pages(&jobs[0]);
    for (unsigned i = 0; i < cpus; i++) {
        while (i && cpu_at(i)->job)
            pause();
        end = jobs[i].end > end ? jobs[i].end : end;
    }
    return (uint32_t)(end - start);
}

static void print(const char *name, uint32_t ticks, unsigned rounds)
{
    differ("measure=%s least=%u average=%u most=%u rounds=%u own=0", name, ticks, ticks, ticks, rounds);
}

/* One page of 1 GiB a touch. */
static uint32_t touches(unsigned cpus, unsigned first_gib, unsigned apart)
{
    struct job jobs[JOB_CPUS_MAX];

    for (unsigned i = 0; i < cpus; i++)
        jobs[i] = (struct job){(uint64_t)(first_gib + i * apart) << 30, 1ull << 30, 0};
    return run_jobs(jobs, cpus);
}

static void measure_touches(unsigned cpus)
{
    print("touches_begin", touches(cpus, FIRST_GIB, TOUCHES), TOUCHES);
    print("touches_apart", touches(cpus, FIRST_GIB + cpus * TOUCHES, TOUCHES), TOUCHES);
    print("touches_again", touches(cpus, FIRST_GIB + cpus * TOUCHES, TOUCHES), TOUCHES);
    print("touches_shared", touches(cpus, SHARED_GIB, 0), TOUCHES);
}

/* A free pair makes 2 MiB in the hole below 4 GiB write-combining and uncached in turn. */
static void measure_types(void)
{
    uint32_t pair = MSR_PHYSBASE0, least = UINT32_MAX;

    while (rdmsr(pair + 1) & 0x800)
        pair += 2;
    wrmsr(pair + 1, MASK_2MIB);
    for (unsigned i = 0; i < CHANGES; i++) {
        uint32_t start = (uint32_t)rdtsc(), ticks;

        wrmsr(pair, HOLE_ADDRESS | (i & 1));
        ticks = (uint32_t)rdtsc() - start;
        least = ticks < least ? ticks : least;
    }
    wrmsr(pair + 1, 0);
    wrmsr(pair, 0);
    print("type_change", least, CHANGES);
}

void test_benchsmp(void)
{
    extern uint64_t page_tables[];

    if (cpu_count > JOB_CPUS_MAX || !(cpuid(0x80000001, 0).edx & 1u << 26)) {
        skip("more than 8 CPUs, or no 1 GiB pages");
        return;
    }
    for (unsigned i = 1; i < cpu_count; i++)
        check(smp_start(cpu_at(i)), "cpu%u does not start", i);
    for (unsigned gib = FIRST_GIB; gib < 512; gib++)
        page_tables[512 + gib] = (uint64_t)gib << 30 | 0x9b; /* PS, PCD, PWT, R/W, P */
    measure_touches(cpu_count);
    measure_types();
}
