/*
 * Does INVEPT come where it must? In the emulator it can't be seen, as every entry drops all translations there. Here
 * are two CPUs whose TLBs keep what they have seen until INVEPT; and each test sees it if that does nothing.
 */
#include "tests/host/support.h"

#include "tests/fake/fake.h"

#include "arch/x86/cpu.h"
#include "arch/x86/vmx/exit_reasons.h"
#include "lib/options.h"
#include "mm/ept_evict.h"
#include "vmm/guest_watch.h"
#include "vmm/shootdown.h"
#include "vmm/vmm.h"

enum { PAGE = 0x5000000, LOW_PAGE = 0x1000, MSR_MTRR_FIX64K = 0x250, WRITES = 0x182 };

static const enum vmcs_index REASON = INDEX_EXIT_REASON;

/* Both CPUs run: SIPI is an exit. */
static int boot(void **state)
{
    const struct fake_setup setup = {.ap_start = AP_START_WAIT, .preemption_timer = true, .accessed_dirty = true};

    (void)state;
    fake_boot(&setup);
    assert_int_equal(fake_start_waiting(1), FAKE_RETURNED);
    return 0;
}

/* The page's entry as each CPU has it, which needs the right to read. */
static uint64_t seen_by(unsigned cpu, uint64_t page, uint64_t access)
{
    uint64_t entry;

    fake_current = cpu;
    entry = fake_access(page, access);
    fake_current = 0;
    return entry;
}

static void both_see(uint64_t page, uint64_t access)
{
    for (unsigned cpu = 0; cpu < FAKE_CPUS; cpu++)
        assert_true(seen_by(cpu, page, access));
}

/* A right was withdrawn: does a CPU still use it? */
static bool someone_writes(bool broken)
{
    struct error error;
    bool written = false;
    int number;

    both_see(PAGE, EPT_WRITE);
    fake_invept_broken = broken;
    number = guest_watch_add((struct range){PAGE, PAGE + PAGE_SIZE}, EPT_WRITE, 0, &error);
    fake_invept_broken = false;
    assert_true(number >= 0);
    for (unsigned cpu = 0; cpu < FAKE_CPUS; cpu++)
        written |= seen_by(cpu, PAGE, EPT_WRITE) != 0;
    assert_true(guest_watch_remove(number, &error));
    return written;
}

static void a_withdrawn_right_is_gone(void **state)
{
    (void)state;
    assert_false(someone_writes(false));
    assert_true(someone_writes(true));
}

static void write_mtrr(uint64_t types)
{
    cpu_this()->frame->rcx = MSR_MTRR_FIX64K;
    cpu_this()->frame->rax = (uint32_t)types;
    cpu_this()->frame->rdx = types >> 32;
    *fake_field(REASON) = EXIT_WRMSR;
    assert_int_equal(fake_exit(), FAKE_RETURNED);
}

/* The guest has made its low memory uncached: does a CPU still cache it? */
static bool someone_caches(bool broken)
{
    bool cached = false;

    write_mtrr(UINT64_C(0x0606060606060606));
    both_see(LOW_PAGE, EPT_READ);
    fake_invept_broken = broken;
    write_mtrr(0);
    fake_invept_broken = false;
    for (unsigned cpu = 0; cpu < FAKE_CPUS; cpu++)
        cached |= (seen_by(cpu, LOW_PAGE, EPT_READ) >> EPT_TYPE_SHIFT & 7) != MEMORY_UC;
    return cached;
}

static void an_old_memory_type_is_gone(void **state)
{
    (void)state;
    assert_false(someone_caches(false));
    vcpu_flush_ept(guest_ept_pointer());
    fake_current = 1;
    vcpu_flush_ept(guest_ept_pointer());
    fake_current = 0;
    assert_true(someone_caches(true));
}

/* Tables were evicted and are free: does a CPU still go by what was in them? */
static bool someone_uses_what_is_free(bool broken)
{
    bool used = false;

    for (unsigned cpu = 0; cpu < FAKE_CPUS; cpu++) {
        fake_current = cpu;
        vcpu_flush_ept(guest_ept_pointer());
        (void)ept_fill(guest_ept, PAGE);
        assert_true(fake_access(PAGE, EPT_READ));
    }
    fake_current = 0;
    fake_invept_broken = broken;
    while (ept_evict(guest_ept, PGTABLE_NOWHERE, 16))
        shootdown_and_free();
    fake_invept_broken = false;
    for (unsigned cpu = 0; cpu < FAKE_CPUS; cpu++)
        used |= seen_by(cpu, PAGE, EPT_READ) != 0;
    return used;
}

static void what_was_evicted_is_gone(void **state)
{
    (void)state;
    assert_false(someone_uses_what_is_free(false));
    assert_true(someone_uses_what_is_free(true));
}

/* A CPU on a detour has another tree, which must be dropped as well when it comes again. */
static bool scratch_is_seen(bool broken)
{
    uint64_t seen;

    *fake_field(REASON) = EXIT_EPT_VIOLATION;
    *fake_field(INDEX_EXIT_QUALIFICATION) = WRITES;
    *fake_field(INDEX_GUEST_PHYSICAL_ADDRESS) = fake_block.start;
    assert_int_equal(fake_exit(), FAKE_RETURNED);
    assert_true(fake_access(fake_block.start, EPT_WRITE)); /* the scratch page */
    *fake_field(REASON) = EXIT_INVD;                       /* whatever else comes ends the detour */
    fake_invept_broken = broken;
    assert_int_equal(fake_exit(), FAKE_RETURNED);
    fake_invept_broken = false;
    seen = fake_access(fake_block.start, EPT_READ);
    return seen != 0;
}

static void the_block_is_seen_on_a_detour_only(void **state)
{
    (void)state;
    assert_false(scratch_is_seen(false));
    assert_false(scratch_is_seen(true)); /* another EPT pointer: that needs no INVEPT */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_withdrawn_right_is_gone),
        cmocka_unit_test(an_old_memory_type_is_gone),
        cmocka_unit_test(what_was_evicted_is_gone),
        cmocka_unit_test(the_block_is_seen_on_a_detour_only),
    };

    return cmocka_run_group_tests(tests, boot, NULL);
}
