/* A whole guest, on the fake machine, in a pool that holds next to nothing: whatever it touches, it goes on. */
#include "tests/host/support.h"

#include "tests/fake/fake.h"

#include "arch/x86/cpu.h"
#include "arch/x86/regs.h"
#include "arch/x86/vmx/exit_reasons.h"
#include "lib/options.h"
#include "vmm/guest_watch.h"
#include "vmm/table_pool.h"
#include "vmm/vmm.h"

enum { POOL_PAGES = 40, FAR_GIBS = 900, READS = 0x181, MSR_MTRR_PHYSBASE1 = 0x202 };

static int boot(void **state)
{
    const struct fake_setup setup = {
        .ap_start = AP_START_WAIT, .preemption_timer = true, .on_crash = ON_CRASH_HALT, .pool_pages = POOL_PAGES};

    (void)state;
    fake_boot(&setup);
    assert_int_equal(fake_start_waiting(1), FAKE_RETURNED);
    return 0;
}

static bool same_instruction;

/* The guest needs this page, and gets it. */
static void need(unsigned cpu, uint64_t address)
{
    fake_current = cpu;
    *fake_field(INDEX_GUEST_RIP) += !same_instruction;
    for (unsigned tries = 0; !fake_access(address, EPT_READ); tries++) {
        assert_true(tries < 3);
        *fake_field(INDEX_EXIT_REASON) = EXIT_EPT_VIOLATION;
        *fake_field(INDEX_EXIT_QUALIFICATION) = READS;
        *fake_field(INDEX_GUEST_PHYSICAL_ADDRESS) = address;
        assert_int_equal(fake_exit(), FAKE_RETURNED);
    }
    fake_current = 0;
}

static void write_mtrr(uint32_t index, uint64_t value)
{
    cpu_this()->frame->rcx = index;
    cpu_this()->frame->rax = (uint32_t)value;
    cpu_this()->frame->rdx = value >> 32;
    *fake_field(INDEX_EXIT_REASON) = EXIT_WRMSR;
    assert_int_equal(fake_exit(), FAKE_RETURNED);
}

static void more_far_memory_than_tables(void **state)
{
    uint64_t before = table_pool_evicted();

    (void)state;
    for (unsigned i = 0; i < FAR_GIBS; i++)
        need(i % 2, (10 + i) * GIB);
    assert_true(table_pool_evicted() - before > FAR_GIBS / 2);
}

static uint64_t type_at(uint64_t address)
{
    return pgtable_lookup(&guest_ept->table, address).entry >> EPT_TYPE_SHIFT & 7;
}

/* Every second page is uncached, and exactly so. */
static void mtrrs_that_split_everything(void **state)
{
    (void)state;
    write_mtrr(MSR_MTRR_PHYSBASE1 + 1, 0x1800);
    for (unsigned i = 0; i < FAR_GIBS; i++) {
        uint64_t page = 16 * MIB + i * 2 * MIB;

        need(i % 2, page);
        need(i % 2, page + PAGE_SIZE);
        assert_int_equal(type_at(page), MEMORY_UC);
        assert_int_equal(type_at(page + PAGE_SIZE), MEMORY_WB);
    }
    write_mtrr(MSR_MTRR_PHYSBASE1 + 1, 0);
    need(0, GIB);
    assert_int_equal(type_at(GIB), MEMORY_WB);
}

/* One instruction that needs more places at once than there are tables, as far as the types go: it gets on, uncached.
 */
static void one_instruction_needs_more_than_there_is(void **state)
{
    unsigned missing, rounds = 0;

    (void)state;
    write_mtrr(MSR_MTRR_PHYSBASE1 + 1, 0x1800);
    same_instruction = true;
    do {
        missing = 0;
        for (unsigned i = 0; i < POOL_PAGES; i++) {
            uint64_t page = 64 * MIB + i * 2 * MIB;

            missing += !pgtable_lookup(&guest_ept->table, page).entry;
            need(0, page);
        }
        assert_true(++rounds < 20);
    } while (missing);
    same_instruction = false;
    write_mtrr(MSR_MTRR_PHYSBASE1 + 1, 0);
}

/* A watch pins tables; when there is nothing else left, it is what gives way. */
static void watches_come_last(void **state)
{
    struct error error;
    int number;

    (void)state;
    number = guest_watch_add((struct range){0, 4 * MIB}, EPT_WRITE, 0, &error);
    assert_true(number >= 0);
    for (unsigned i = 0; i < FAR_GIBS; i++)
        need(i % 2, (10 + i) * GIB);
    assert_int_equal(pgtable_lookup(&guest_ept->table, 0).entry & EPT_ALL, EPT_READ | EPT_EXECUTE);
    assert_true(guest_watch_remove(number, &error));
    /* as many as there are pages */
    for (unsigned i = 0; i < WATCH_MAX; i++)
        if (guest_watch_add((struct range){(20 + i) * GIB, (20 + i) * GIB + PAGE_SIZE}, EPT_WRITE, 0, &error) < 0)
            break;
    assert_contains(error.text, "no page left");
    for (unsigned i = 0; i < FAR_GIBS; i++)
        need(i % 2, (10 + i) * GIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_far_memory_than_tables),
        cmocka_unit_test(mtrrs_that_split_everything),
        cmocka_unit_test(one_instruction_needs_more_than_there_is),
        cmocka_unit_test(watches_come_last),
    };

    return cmocka_run_group_tests(tests, boot, NULL);
}
