/* What is kept of exits, by each of the three settings, and how the guest reads it. */
#include "tests/host/exit_fixture.h"

#include "arch/x86/clock.h"
#include "arch/x86/vmx/statistics.h"

static uint64_t exits_of(uint32_t reason)
{
    uint64_t exits, ticks;

    assert_true(virt_statistics(0, reason, &exits, &ticks));
    return exits;
}

static uint64_t sum_of_buckets(uint32_t reason)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < TICK_BUCKETS; i++)
        sum += virt_tick_bucket(0, reason, i);
    return sum;
}

/* A quick exit, one on the slow path that begins a step (the guest writes to its APIC, which is trapped), and its end.
 */
static void three_exits(void)
{
    cpu_this()->frame->rax = 0;
    exit_with(EXIT_CPUID, 0);
    set(INDEX_GUEST_PHYSICAL_ADDRESS, 0xfee00080);
    exit_with(EXIT_EPT_VIOLATION, 0x182);
    set(INDEX_EXIT_INTERRUPTION_INFO, 0x80000301);
    exit_with(EXIT_EXCEPTION_OR_NMI, 1 << 14);
    set(INDEX_EXIT_INTERRUPTION_INFO, 0);
}

static void no_exit_is_counted_with_statistics_off(void **state)
{
    uint64_t cpuids = exits_of(EXIT_CPUID), violations = exits_of(EXIT_EPT_VIOLATION);

    (void)state;
    options.statistics = STATISTICS_OFF;
    set(INDEX_HOST_RIP, (uint64_t)vmx_exit_entries[STATISTICS_OFF][0][0]);
    three_exits();
    assert_true(exits_of(EXIT_CPUID) == cpuids && exits_of(EXIT_EPT_VIOLATION) == violations);
    options.statistics = STATISTICS_COUNTS;
    set(INDEX_HOST_RIP, (uint64_t)vmx_exit_entries[STATISTICS_COUNTS][0][0]);
    three_exits();
    assert_true(exits_of(EXIT_CPUID) == cpuids + 1 && exits_of(EXIT_EPT_VIOLATION) == violations + 1);
}

/* On the fake machine the TSC goes on by 100 whenever it is read. */
static void every_exit_falls_into_a_bucket(void **state)
{
    uint64_t cpuids = exits_of(EXIT_CPUID), violations = exits_of(EXIT_EPT_VIOLATION);
    uint64_t exceptions = exits_of(EXIT_EXCEPTION_OR_NMI);
    struct error error;

    (void)state;
    options.statistics = STATISTICS_HISTOGRAM;
    assert_true(vmx_statistics_start_cpu(&error));
    set(INDEX_HOST_RIP, (uint64_t)vmx_exit_entries[STATISTICS_HISTOGRAM][0][0]);
    three_exits();
    options.statistics = STATISTICS_COUNTS;
    assert_true(exits_of(EXIT_CPUID) == cpuids + 1 && virt_tick_bucket(0, EXIT_CPUID, 6) == 1);
    assert_true(exits_of(EXIT_EPT_VIOLATION) == violations + 1 && sum_of_buckets(EXIT_EPT_VIOLATION) == 1);
    assert_true(exits_of(EXIT_EXCEPTION_OR_NMI) == exceptions + 1 && sum_of_buckets(EXIT_EXCEPTION_OR_NMI) == 1);
    assert_true(sum_of_buckets(EXIT_CPUID) == 1 && sum_of_buckets(EXIT_REASONS - 1) == 0);
    assert_true(virt_tick_bucket(7, EXIT_CPUID, 6) == 0 && virt_tick_bucket(0, EXIT_REASONS, 6) == 0);
    assert_true(virt_tick_bucket(0, EXIT_CPUID, TICK_BUCKETS) == 0);
}

/* The ABI: docs/guest-interface.md */
static struct guest_regs cpuid_of_guest(uint32_t leaf, uint32_t subleaf)
{
    struct guest_regs r = {.rax = leaf, .rcx = subleaf};

    vmm_cpuid_special(&r);
    return r;
}

static void the_guest_reads_the_statistics(void **state)
{
    struct guest_regs r = cpuid_of_guest(0x40000001, 0);

    (void)state;
    assert_true(r.rax == 2 && r.rbx == 1 && r.rcx == 2 && r.rdx == clock_tsc_khz());
    r = cpuid_of_guest(0x40010000 + EXIT_CPUID, 0);
    assert_true(r.rax == exits_of(EXIT_CPUID) && r.rbx == 0 && r.rcx);
    assert_true(cpuid_of_guest(0x40010000 + EXIT_CPUID, 0xffffffff).rax == r.rax);
    assert_true(cpuid_of_guest(0x40010000 + EXIT_CPUID, 2).rax == 0);
    r = cpuid_of_guest(0x40020000 + EXIT_CPUID * 16 + 3, 0);
    assert_true(r.rax == 1 && r.rbx == 0 && r.rcx == 0 && r.rdx == 0);
    assert_true(cpuid_of_guest(0x40020000 + EXIT_CPUID * 16 + 3, 0xffffffff).rax == 1);
    r = cpuid_of_guest(0x4002ffff, 0xffffffff);
    assert_true(!r.rax && !r.rbx && !r.rcx && !r.rdx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(no_exit_is_counted_with_statistics_off, rewind_cpu),
        cmocka_unit_test_setup(every_exit_falls_into_a_bucket, rewind_cpu),
        cmocka_unit_test_setup(the_guest_reads_the_statistics, rewind_cpu),
    };

    return cmocka_run_group_tests(tests, boot, NULL);
}
