/*
 * `l1d_flush` (row 49): how often Plinth has emptied the level-1 data cache, by its leaf 0x40000002. Never is 0 times,
 * always is once for each exit, and cond leaves out the exits that touch nothing of Plinth's: CPUID and policed MSRs.
 */
#include "tests/guest/report.h"
#include "tests/guest/smp.h"
#include "tests/guest/tests.h"

enum { MITIGATIONS = 0x40000002, MODE_MASK = 3, TIMES = 100, FEATURE_CONTROL = 0x3a };
enum mode { MODE_NEVER = 1, MODE_COND = 2, MODE_ALWAYS = 3 };

static uint64_t flushes(void)
{
    struct cpuid r = cpuid(MITIGATIONS, this_cpu()->index);

    return (uint64_t)r.edx << 32 | r.ecx;
}

static void do_cpuid(void)
{
    cpuid(0, 0);
}

static void do_msr(void)
{
    rdmsr(FEATURE_CONTROL);
}

static void do_invd(void)
{
    __asm__ volatile("invd" : : : "memory");
}

static void count(const char *name, void (*run)(void), bool touches, enum mode mode)
{
    uint64_t first = flushes(), done, expected = 0;

    for (unsigned i = 0; i < TIMES; i++)
        run();
    done = flushes() - first;
    if (mode == MODE_ALWAYS)
        expected = TIMES + 1; /* the exit of the first question was not yet flushed after */
    else if (mode == MODE_COND && touches)
        expected = TIMES;
    differ("%s: %llu flushes after %u exits", name, (unsigned long long)done, TIMES);
    check(done == expected, "%s: %llu flushes, not %llu", name, (unsigned long long)done, (unsigned long long)expected);
}

void test_flush(void)
{
    enum mode mode = cpuid(MITIGATIONS, 0).eax & MODE_MASK;

    if (!under_plinth()) {
        observe("counted on Plinth");
        return;
    }
    count("CPUID", do_cpuid, false, mode);
    count("RDMSR", do_msr, false, mode);
    count("INVD", do_invd, true, mode);
    observe("counted on Plinth");
}
