/* Reading a tree in order, and the EPT as text. */
#include "tests/host/support.h"

#include "mm/ept_dump.h"
#include "mm/pgtable_walk.h"
#include "tests/host/ept_world.h"

static const struct range block = {0xbfc00000, 0xc0000000};

/* The runs together say exactly what the tree says page by page, and no two of them could be one. */
static void runs_are_complete_and_maximal(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        struct pgtable_run run, last = {.level = 0};
        struct ept_world world;
        struct ept *ept = &world.ept;
        uint64_t page = 0;

        assert_true(ept_world_init(&world, usual_mtrr(), block, round % 2, 300));
        for (unsigned i = 0; i < 50; i++) {
            uint64_t start = below(64) * PAGE_SIZE + (one_in(2) ? 0xbfa00000 : 4 * GIB);

            assert_true(ept_protect(ept, start, start + (1 + below(20)) * PAGE_SIZE, below(8)));
            for (unsigned k = 0; k < 3; k++)
                assert_true(ept_redirect(ept, start + k * PAGE_SIZE, below(3) * PAGE_SIZE, EPT_READ));
            *pgtable_lookup(&ept->table, start + below(20) * PAGE_SIZE).slot |= EPT_ACCESSED | EPT_DIRTY;
        }
        for (uint64_t at = 0; pgtable_next_run(&ept->table, &at, 6 * GIB, &run); last = run) {
            assert_true(run.range.start >= page);
            for (; page < run.range.start; page += PAGE_SIZE)
                assert_int_equal(translate(ept, ept->table.root, page), 0);
            for (; page < run.range.end; page += PAGE_SIZE)
                assert_int_equal(translate(ept, ept->table.root, page) & ~(uint64_t)(EPT_ACCESSED | EPT_DIRTY),
                                 (run.physical + (page - run.range.start)) | run.attributes);
            assert_false(last.level == run.level && last.attributes == run.attributes &&
                         last.range.end == run.range.start && run.physical - last.physical == range_size(last.range));
        }
        for (; page < 6 * GIB; page += PAGE_SIZE)
            assert_int_equal(translate(ept, ept->table.root, page), 0);
        ept_world_fini(&world);
    }
}

static void part_of_a_tree(void **state)
{
    struct pgtable_run run;
    struct ept_world world;
    uint64_t at = GIB + 5 * PAGE_SIZE;

    (void)state;
    assert_true(ept_world_init(&world, usual_mtrr(), block, true, 30));
    assert_true(pgtable_next_run(&world.ept.table, &at, GIB + 6 * PAGE_SIZE, &run));
    assert_int_equal(run.range.start, GIB); /* whole leaves */
    assert_int_equal(run.range.end, 2 * GIB);
    assert_int_equal(at, GIB + 6 * PAGE_SIZE);
    assert_false(pgtable_next_run(&world.ept.table, &at, GIB + 6 * PAGE_SIZE, &run));
    at = block.start;
    assert_false(pgtable_next_run(&world.ept.table, &at, block.end, &run));
    assert_int_equal(at, block.end);
    ept_world_fini(&world);
}

/* The usual machine is nine lines. */
static void dump(void **state)
{
    static const char *const expected[] = {
        "0000000000000000-0000000000005000 rwx WB 4K",           "0000000000005000-0000000000006000 r-- WB 4K",
        "0000000000006000-0000000000007000 rw- WB 4K -> 123000", "0000000000007000-00000000000a0000 rwx WB 4K",
        "00000000000a0000-00000000000c0000 rwx UC 4K",           "00000000000c0000-0000000000100000 rwx WP 4K",
        "0000000000100000-0000000000200000 rwx WB 4K",           "0000000000200000-0000000040000000 rwx WB 2M",
        "0000000040000000-0000000080000000 rwx WB 1G",           "0000000080000000-00000000bfc00000 rwx WB 2M",
        "00000000c0000000-0000000100000000 rwx UC 1G",
    };
    struct ept_world world;
    char text[EPT_LINE_MAX];
    unsigned line = 0;

    (void)state;
    assert_true(ept_world_init(&world, usual_mtrr(), block, true, 30));
    assert_true(ept_protect(&world.ept, 0x5000, 0x6000, EPT_READ));
    assert_true(ept_redirect(&world.ept, 0x6000, 0x123000, EPT_READ | EPT_WRITE));
    for (uint64_t at = 0; ept_dump_line(&world.ept, &at, text); line++) {
        assert_true(line < ARRAY_SIZE(expected));
        assert_string_equal(text, expected[line]);
    }
    assert_int_equal(line, ARRAY_SIZE(expected));
    ept_world_fini(&world);
}

static void harvest(void **state)
{
    static const uint64_t dirty[] = {0x3000, 0x7000, 0x200000, 0x40000000, 0xfee00000};
    const struct pgtable_bits clean = {.mask = EPT_DIRTY, .only = EPT_DIRTY};
    struct ept_world world;
    struct range found;
    uint64_t at = 0;

    (void)state;
    assert_true(ept_world_init(&world, usual_mtrr(), block, true, 30));
    for (unsigned i = 0; i < ARRAY_SIZE(dirty); i++)
        *pgtable_lookup(&world.ept.table, dirty[i]).slot |= EPT_DIRTY | EPT_ACCESSED;
    for (unsigned i = 0; i < ARRAY_SIZE(dirty); i++) {
        assert_true(pgtable_harvest(&world.ept.table, &at, 4 * GIB, clean, &found));
        assert_true(dirty[i] >= found.start && dirty[i] < found.end);
        assert_int_equal(pgtable_lookup(&world.ept.table, dirty[i]).entry & (EPT_DIRTY | EPT_ACCESSED), EPT_ACCESSED);
    }
    assert_false(pgtable_harvest(&world.ept.table, &at, 4 * GIB, clean, &found));
    assert_int_equal(at, 4 * GIB);
    ept_world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_are_complete_and_maximal),
        cmocka_unit_test(part_of_a_tree),
        cmocka_unit_test(dump),
        cmocka_unit_test(harvest),
    };

    return cmocka_run_group_tests_name("pgtable_walk", tests, NULL, NULL);
}
