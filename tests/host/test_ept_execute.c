/* Only small pages are executable, and everything that may be executed can be: random sequences against a flat map. */
#include "tests/host/support.h"

#include "mm/ept_execute.h"
#include "mm/ept_retype.h"
#include "mm/pgtable_merge.h"
#include "tests/host/ept_world.h"

enum { FIRST = 0x3ff00, PAGES = 0x800 }; /* by pages: around the end of the first GiB, 8 MiB */

static const struct range block = {0xbfc00000, 0xc0000000};

struct model {
    struct ept_world world;
    uint8_t rights[PAGES];
};

static uint64_t page_at(unsigned index)
{
    return (uint64_t)(FIRST + index) << 12;
}

static uint64_t entry_of(struct model *m, unsigned index)
{
    return translate(&m->world.ept, m->world.ept.table.root, page_at(index));
}

/* By the last entry, as no table on the way takes rights away. */
static void check_page(struct model *m, unsigned index)
{
    uint64_t entry = entry_of(m, index), rights = m->rights[index];

    require((entry & (EPT_READ | EPT_WRITE)) == (rights & (EPT_READ | EPT_WRITE)));
    require(!(entry & EPT_EXECUTE) || (rights & EPT_EXECUTE));
    require(!(entry & EPT_SMALL_EXECUTE) || (rights & EPT_EXECUTE));
    require(!!(entry & (EPT_EXECUTE | EPT_SMALL_EXECUTE)) == !!(rights & EPT_EXECUTE));
    require((entry & ENTRY_ADDRESS) == page_at(index));
    require((entry >> 3 & 7) == (uint64_t)model_type(&m->world.mtrr, page_at(index)));
}

static void check_all(struct model *m)
{
    for (unsigned i = 0; i < PAGES; i++)
        check_page(m, i);
    check_ept(&m->world.ept);
}

/* READ at least, or nothing: what the hardware can express. */
static uint8_t some_rights(void)
{
    static const uint8_t rights[] = {0, EPT_READ, EPT_READ | EPT_WRITE, EPT_READ | EPT_EXECUTE, EPT_ALL, EPT_ALL};

    return rights[below(ARRAY_SIZE(rights))];
}

static void protect(struct model *m)
{
    bool huge = one_in(4);
    unsigned start = huge ? (unsigned)below(4) * 512 : (unsigned)below(PAGES);
    unsigned count = huge ? 512 : 1 + (unsigned)below(one_in(2) ? 4 : 300);
    uint8_t rights = some_rights();

    if (count > PAGES - start)
        count = PAGES - start;
    assert_true(ept_protect(&m->world.ept, page_at(start), page_at(start + count), rights));
    memset(&m->rights[start], rights, count);
}

static void execute(struct model *m, unsigned index)
{
    enum ept_execute given = ept_execute(&m->world.ept, page_at(index));

    require(given == (m->rights[index] & EPT_EXECUTE ? EPT_EXECUTE_GIVEN : EPT_EXECUTE_DENIED));
    require(given == EPT_EXECUTE_DENIED || (entry_of(m, index) & EPT_EXECUTE));
}

static void step(struct model *m)
{
    switch (below(8)) {
    case 0:
    case 1:
        protect(m);
        break;
    case 2:
        pgtable_merge(&m->world.ept.table, 0, 4 * GIB);
        pgtable_reclaim(&m->world.ept.table);
        break;
    case 3: /* another type, of the same memory */
        m->world.mtrr.variable[1].base = page_at((unsigned)below(PAGES)) | (one_in(2) ? MEMORY_WT : MEMORY_UC);
        m->world.mtrr.variable[1].mask = ((1ull << 40) - (PAGE_SIZE << below(10))) | (uint64_t)one_in(2) << 11;
        assert_true(ept_retype(&m->world.ept, &m->world.mtrr));
        break;
    default:
        execute(m, (unsigned)below(PAGES));
    }
}

static void sequences(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 8; round++) {
        static struct model m;

        memset(m.rights, EPT_ALL, sizeof(m.rights));
        assert_true(ept_world_init(&m.world, usual_mtrr(), block, round & 1, 64));
        ept_execute_small_only(&m.world.ept);
        for (unsigned i = 0; i < 2000; i++) {
            step(&m);
            if (i % 20 == 0)
                check_all(&m);
        }
        memset(m.rights, EPT_ALL, sizeof(m.rights));
        assert_true(ept_protect(&m.world.ept, page_at(0), page_at(PAGES), EPT_ALL));
        check_all(&m);
        ept_world_fini(&m.world);
    }
}

/* What was mapped before, what is filled later, and what is merged back. */
static void from_the_start(void **state)
{
    struct ept_world world;
    uint64_t used;

    (void)state;
    assert_true(ept_world_init(&world, usual_mtrr(), block, true, 64));
    ept_execute_small_only(&world.ept);
    check_ept(&world.ept);
    used = world.pages.pool.used;
    assert_int_equal(ept_fill(&world.ept, 9 * GIB), EPT_FILLED);
    check_ept(&world.ept);
    assert_int_equal(ept_execute(&world.ept, 9 * GIB + 5 * MIB), EPT_EXECUTE_GIVEN);
    assert_int_equal(ept_execute(&world.ept, 9 * GIB + 5 * MIB), EPT_EXECUTE_GIVEN);
    assert_int_equal(world.pages.pool.used, used + 2);
    assert_int_equal(translate(&world.ept, world.ept.table.root, 9 * GIB + 4 * MIB) & EPT_ALL, EPT_ALL);
    assert_int_equal(translate(&world.ept, world.ept.table.root, 9 * GIB + 2 * MIB) & EPT_ALL, EPT_READ | EPT_WRITE);
    assert_int_equal(pgtable_merge(&world.ept.table, 0, ept_limit(&world.ept)), 2);
    pgtable_reclaim(&world.ept.table);
    assert_int_equal(world.pages.pool.used, used);
    check_ept(&world.ept);
    ept_world_fini(&world);
}

static void pool_runs_out(void **state)
{
    struct ept_world world;
    uint64_t address = 9 * GIB;
    unsigned given = 0;

    (void)state;
    assert_true(ept_world_init(&world, usual_mtrr(), block, true, 16));
    ept_execute_small_only(&world.ept);
    for (; ept_fill(&world.ept, address), ept_execute(&world.ept, address) == EPT_EXECUTE_GIVEN; given++)
        address += 2 * MIB;
    assert_true(given > 4);
    assert_int_equal(ept_execute(&world.ept, address), EPT_EXECUTE_NO_MEMORY);
    assert_true(pgtable_merge(&world.ept.table, 0, ept_limit(&world.ept)) >= given);
    pgtable_reclaim(&world.ept.table);
    assert_int_equal(ept_execute(&world.ept, address), EPT_EXECUTE_GIVEN);
    check_ept(&world.ept);
    while (pool_free_pages(&world.pages.pool))
        assert_non_null(pool_get(&world.pages.pool));
    assert_int_equal(ept_execute(&world.ept, 20 * MIB), EPT_EXECUTE_NO_MEMORY);
    ept_execute_anyway(&world.ept, 20 * MIB);
    assert_int_equal(ept_execute(&world.ept, 20 * MIB), EPT_EXECUTE_GIVEN);
    ept_world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences),
        cmocka_unit_test(from_the_start),
        cmocka_unit_test(pool_runs_out),
    };

    return cmocka_run_group_tests_name("ept_execute", tests, NULL, NULL);
}
