/* The TSC, its adjustment and its deadline: the CPU's own, so a value written is what is read (test-plan row 40). */
#include "tests/guest/report.h"
#include "tests/guest/smp.h"
#include "tests/guest/tests.h"

enum { MSR_TSC = 0x10, MSR_TSC_ADJUST = 0x3b, MSR_TSC_DEADLINE = 0x6e0 };
enum { DEADLINE_VECTOR = 0x51, SLACK = 1000000, WAIT = 200000 };

/* The reading follows the value by little: no offset, no scaling. */
static bool just_after(uint64_t now, uint64_t value)
{
    return now - value < SLACK;
}

static void written_tsc(void)
{
    static const uint64_t values[] = {0, 0x123456789a, (uint64_t)1 << 63, ~(uint64_t)0 - 10};
    uint64_t before = rdtsc();

    for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
        struct outcome outcome = wrmsr_outcome(MSR_TSC, values[i]);
        bool by_instruction = just_after(rdtsc(), values[i]), by_msr = just_after(rdmsr(MSR_TSC), values[i]);

        observe("tsc %llx: %s, rdtsc %d, rdmsr %d", (unsigned long long)values[i], outcome.text, by_instruction,
                by_msr);
        check(by_instruction && by_msr, "the TSC isn't what was written");
    }
    wrmsr(MSR_TSC, before);
}

/* SDM vol. 3, 17.17.3 "Time-Stamp Counter Adjustment" */
static void adjustment(void)
{
    const uint64_t step = (uint64_t)1 << 40;
    uint64_t adjust, before;
    bool moved;

    if (cpuid(0, 0).eax < 7 || !(cpuid(7, 0).ebx & 2)) {
        observe("no TSC_ADJUST: %s", rdmsr_outcome(MSR_TSC_ADJUST, &adjust).text);
        return;
    }
    adjust = rdmsr(MSR_TSC_ADJUST);
    before = rdtsc();
    wrmsr(MSR_TSC_ADJUST, adjust + step);
    moved = just_after(rdtsc(), before + step);
    observe("adjust: reads back %d, the TSC moved with it %d", rdmsr(MSR_TSC_ADJUST) == adjust + step, moved);
    check(moved, "the TSC doesn't follow TSC_ADJUST");
    wrmsr(MSR_TSC, rdtsc() - step);
    moved = adjust + SLACK - rdmsr(MSR_TSC_ADJUST) < 2 * SLACK;
    observe("adjust follows a write of the TSC: %d", moved);
    check(moved, "TSC_ADJUST doesn't follow the TSC");
    wrmsr(MSR_TSC_ADJUST, adjust);
}

static void wait_for_interrupt(uint32_t count, uint64_t until)
{
    __asm__ volatile("sti");
    while (this_cpu()->interrupts[DEADLINE_VECTOR] == count && (int64_t)(rdtsc() - until) < 0)
        pause();
    __asm__ volatile("cli");
}

/* 10.5.4.1 "TSC-Deadline Mode" */
static void deadline(void)
{
    volatile uint32_t *timer = at_address(0xfee00320);
    uint32_t count = this_cpu()->interrupts[DEADLINE_VECTOR];
    uint64_t at;

    if (!(cpuid(1, 0).ecx & 1u << 24) || apic_is_x2()) {
        observe("no TSC deadline in xAPIC mode: %s", rdmsr_outcome(MSR_TSC_DEADLINE, &at).text);
        return;
    }
    apic_enable();
    *timer = 2u << 17 | DEADLINE_VECTOR;
    __asm__ volatile("mfence");
    at = rdtsc() + WAIT;
    wrmsr(MSR_TSC_DEADLINE, at);
    observe("deadline reads back: %d", rdmsr(MSR_TSC_DEADLINE) == at);
    wait_for_interrupt(count, at - WAIT / 4);
    observe("before the deadline: %u", this_cpu()->interrupts[DEADLINE_VECTOR] - count);
    wait_for_interrupt(count, at + SLACK);
    observe("after it: %u", this_cpu()->interrupts[DEADLINE_VECTOR] - count);
    /* 0 by the SDM, in the emulator the deadline still */
    differ("the deadline reads %llx", (unsigned long long)rdmsr(MSR_TSC_DEADLINE));
    check(this_cpu()->interrupts[DEADLINE_VECTOR] - count == 1, "the deadline's interrupt doesn't come once");
    *timer = 1u << 16;
}

void test_time(void)
{
    deadline(); /* first: after a write of the TSC the emulator's deadline is off */
    written_tsc();
    adjustment();
}
