/* A CPU's own look at the EPT: everywhere the shared tree's translation, but for its own range. */
#include "tests/host/support.h"

#include "mm/ept_view.h"
#include "tests/host/ept_world.h"

#define LAPIC   0xfee00000ull
#define SCRATCH 0xbfc01000ull

static const struct range block = {0xbfc00000, 0xc0000000};
static const struct range lapic = {LAPIC, LAPIC + PAGE_SIZE};

static uint64_t seen(const struct ept_view *view, uint64_t address)
{
    return translate(view->ept, view->tables[4], address);
}

static uint64_t shared(const struct ept_view *view, uint64_t address)
{
    return translate(view->ept, view->ept->table.root, address);
}

/* What the page's entry says, with the rights that the tables on the way leave. */
static uint64_t seen_with_path(const struct ept_view *view, uint64_t address)
{
    const uint64_t *entries = view->tables[4];
    uint64_t rights = EPT_ALL;

    for (unsigned level = 4;; level--) {
        uint64_t entry = entries[address >> (12 + 9 * (level - 1)) & 511];

        rights &= entry;
        if (!pgtable_is_table(&view->ept->format, level, entry))
            return (seen(view, address) & ~(uint64_t)EPT_ALL) | rights;
        entries = entries_of(&view->ept->table, entry);
    }
}

static void check(const struct ept_view *view, uint64_t address)
{
    bool own = address >= view->range.start && address < view->range.end;

    assert_int_equal(seen(view, address), own ? (SCRATCH | EPT_MAPPED | 7 | MEMORY_WB << 3) : shared(view, address));
}

/* All over the address space, around both ends of the range, and one bit away from its start. */
static void compare(const struct ept_view *view, unsigned samples)
{
    for (unsigned i = 0; i < samples; i++) {
        uint64_t offset = below(1024) << 12;

        check(view, below(1ull << (20 + below(21))) & ~0xfffull);
        check(view, view->range.start - (512 << 12) + offset);
        check(view, view->range.end - (512 << 12) + offset);
    }
    for (unsigned shift = 12; shift < 40; shift++)
        check(view, view->range.start ^ 1ull << shift);
}

static void only_the_range_differs(void **state)
{
    (void)state;
    for (unsigned gib_pages = 0; gib_pages < 2; gib_pages++) {
        struct ept_world world;
        struct ept_view view;

        assert_true(ept_world_init(&world, usual_mtrr(), block, gib_pages, 64));
        assert_true(ept_view_init(&view, &world.ept));
        ept_view_aim(&view, &world.ept, lapic, SCRATCH);
        compare(&view, 10000);
        ept_view_aim(&view, &world.ept, block, SCRATCH);
        compare(&view, 10000);
        ept_view_aim(&view, &world.ept, lapic, SCRATCH);
        compare(&view, 10000);
        check_ept(&world.ept); /* the shared tree has no leaf into the block */
        check_no_page_is_lost(&world.ept.table, 4);
        ept_world_fini(&world);
    }
}

static void aim_follows_everything(void **state)
{
    struct ept_world world;
    struct ept_view view;

    (void)state;
    assert_true(ept_world_init(&world, usual_mtrr(), block, true, 600));
    assert_true(ept_view_init(&view, &world.ept));
    for (unsigned round = 0; round < 200; round++) {
        for (unsigned i = 0; i < 10; i++) {
            uint64_t page = one_in(2) ? LAPIC + ((below(40) - 20) << 12) : below(1ull << 28) << 12;

            ept_fill(&world.ept, page);
            if (pool_free_pages(&world.pages.pool) > 20)
                assert_true(ept_protect(&world.ept, page, page + (1 + below(5)) * PAGE_SIZE, below(8)));
        }
        ept_view_aim(&view, &world.ept, one_in(2) ? lapic : block, SCRATCH);
        compare(&view, 200);
    }
    ept_world_fini(&world);
}

/* In the view for a page that is being executed, only that page is executable; reads and writes are as in the tree. */
static void inside_only_its_page_executes(void **state)
{
    const uint64_t rest = ~(uint64_t)EPT_EXECUTE;

    (void)state;
    for (unsigned round = 0; round < 100; round++) {
        struct range page = {below(1ull << 20) << 12, 0};
        struct ept_world world;
        struct ept_view view;
        uint64_t before, inside;

        if (page.start >= block.start && page.start < block.end)
            continue;
        page.end = page.start + PAGE_SIZE;
        assert_true(ept_world_init(&world, usual_mtrr(), block, one_in(2), 64));
        world.ept.execute_only = one_in(2);
        assert_true(ept_protect(&world.ept, page.start, page.end + PAGE_SIZE, below(8)));
        assert_true(ept_view_init(&view, &world.ept));
        ept_view_aim_inside(&view, &world.ept, page.start);
        before = shared(&view, page.start);
        inside = seen_with_path(&view, page.start);
        assert_int_equal(inside & EPT_ALL, (before & EPT_ALL) | EPT_EXECUTE | (world.ept.execute_only ? 0 : EPT_READ));
        assert_int_equal(inside & ~(uint64_t)EPT_ALL, before & ~(uint64_t)EPT_ALL);
        for (unsigned shift = 12; shift < 40; shift++) {
            uint64_t other = page.start ^ 1ull << shift;

            assert_int_equal(seen_with_path(&view, other), shared(&view, other) & rest);
        }
        ept_fill(&world.ept, 77 * GIB);
        ept_view_renew(&view);
        assert_int_equal(seen_with_path(&view, 77 * GIB), shared(&view, 77 * GIB) & rest);
        ept_view_aim(&view, &world.ept, lapic, SCRATCH);
        compare(&view, 100);
        ept_world_fini(&world);
    }
}

static void pool_too_small(void **state)
{
    (void)state;
    for (unsigned pages = 5; pages < 9; pages++) {
        struct ept_world world;
        struct ept_view view;

        assert_true(ept_world_init(&world, usual_mtrr(), block, true, pages));
        assert_false(ept_view_init(&view, &world.ept));
        check_no_page_is_lost(&world.ept.table, 0);
        ept_world_fini(&world);
    }
}

static void pointer(void **state)
{
    struct ept_world world;
    struct ept_view view;

    (void)state;
    assert_true(ept_world_init(&world, usual_mtrr(), block, true, 16));
    assert_true(ept_view_init(&view, &world.ept));
    assert_int_equal(ept_view_pointer(&view, true), pool_physical(&world.pages.pool, view.tables[4]) | 0x5e);
    ept_world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_range_differs),
        cmocka_unit_test(aim_follows_everything),
        cmocka_unit_test(inside_only_its_page_executes),
        cmocka_unit_test(pool_too_small),
        cmocka_unit_test(pointer),
    };

    return cmocka_run_group_tests_name("ept_view", tests, NULL, NULL);
}
