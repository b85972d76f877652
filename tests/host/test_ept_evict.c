/*
 * An EPT in pools that are far too small for it, against a flat model of what is withheld and redirected: whatever is
 * touched, split, retyped, merged and evicted, that stays, and all else is as the MTRRs say or absent.
 */
#include "tests/host/support.h"

#include "mm/ept_evict.h"
#include "mm/ept_execute.h"
#include "mm/ept_retype.h"
#include "mm/ept_track.h"
#include "mm/pgtable_entry.h"
#include "mm/pgtable_merge.h"
#include "tests/host/ept_world.h"

enum { REGIONS = 24, SPECIAL = 3, REGION_PAGES = 1024, OPERATIONS = 60000 };

static const struct range block = {0xbfc00000, 0xc0000000};
static const uint64_t regions[SPECIAL] = {0, 0xbfa00000, 600 * GIB}; /* where something is withheld at times */

static struct ept_world world;
static struct mtrr_state states[3];
static uint64_t special[REGIONS][REGION_PAGES]; /* rights, address and marks of a page that isn't as the first touch
                                                   makes it; 0: it is */
static unsigned long rooms, failures;

static const uint64_t WHAT = EPT_ALL | EPT_REDIRECTED | EPT_MAPPED | ENTRY_ADDRESS;

/* As vmm/table_pool.c does it, all CPUs having passed. */
static bool make_room(uint64_t keep)
{
    rooms++;
    if (!pool_free_pages(&world.pages.pool) && pgtable_merge_but(&world.ept.table, 0, ept_limit(&world.ept), keep))
        pgtable_reclaim(&world.ept.table);
    if (!pool_free_pages(&world.pages.pool) && ept_evict(&world.ept, keep, 1 + (unsigned)below(4)))
        pgtable_reclaim(&world.ept.table);
    return pool_free_pages(&world.pages.pool) != 0;
}

static uint64_t address_of(unsigned region, unsigned page)
{
    return (region < SPECIAL ? regions[region] : (region * region) * GIB + 4 * MIB) + page * PAGE_SIZE;
}

static bool in_block(uint64_t address)
{
    return address >= block.start && address < block.end;
}

static bool touch(uint64_t address)
{
    enum ept_fill filled;

    while ((filled = ept_fill(&world.ept, address)) == EPT_NO_MEMORY)
        if (!make_room(address))
            return false;
    assert_true((filled == EPT_IN_BLOCK) == in_block(address));
    assert_int_equal(pgtable_lookup(&world.ept.table, address).entry != 0, !in_block(address));
    return true;
}

static void check_page(unsigned region, unsigned page)
{
    uint64_t address = address_of(region, page);
    uint64_t entry = translate(&world.ept, world.ept.table.root, address);

    if (special[region][page])
        assert_int_equal(entry & WHAT, special[region][page]);
    else if (entry)
        assert_int_equal(entry & ~(uint64_t)(EPT_ACCESSED | EPT_DIRTY), identity(world.ept.mtrr, address, EPT_ALL));
}

static void check_all(void)
{
    for (unsigned region = 0; region < REGIONS; region++)
        for (unsigned page = 0; page < REGION_PAGES; page++)
            check_page(region, page);
    check_ept(&world.ept);
    check_no_page_is_lost(&world.ept.table, 0);
}

/* What came of a change for which there was no page in the end. */
static void learn(unsigned region, unsigned page)
{
    uint64_t entry = translate(&world.ept, world.ept.table.root, address_of(region, page));

    special[region][page] = entry && !ept_is_expendable(&world.ept, entry) ? entry & WHAT : 0;
}

static void protect(unsigned region, unsigned page)
{
    static const uint64_t some[] = {0, EPT_READ, EPT_READ | EPT_EXECUTE, EPT_ALL, EPT_ALL, EPT_ALL};
    unsigned count = 1 + (unsigned)below(one_in(8) ? 600 : 8);
    uint64_t rights = some[below(ARRAY_SIZE(some))], start = address_of(region, page);
    bool done;

    if (count > REGION_PAGES - page)
        count = REGION_PAGES - page;
    while (!(done = ept_protect(&world.ept, start, start + count * PAGE_SIZE, rights)) && make_room(start))
        ;
    failures += !done;
    for (unsigned i = page; i < page + count; i++) {
        uint64_t address = address_of(region, i), *now = &special[region][i];

        if (!done)
            learn(region, i);
        else if (*now)
            *now = (*now & ~(uint64_t)EPT_ALL) | rights;
        else if (rights != EPT_ALL && !in_block(address))
            *now = address | EPT_MAPPED | rights;
        if (*now == (address | EPT_MAPPED | EPT_ALL))
            *now = 0;
    }
}

static void redirect(unsigned region, unsigned page)
{
    uint64_t address = address_of(region, page), physical = one_in(2) ? address : 0x7000;
    bool done;

    if (in_block(address))
        return;
    while (!(done = ept_redirect(&world.ept, address, physical, EPT_ALL)) && make_room(address))
        ;
    failures += !done;
    if (done && physical == address)
        special[region][page] = 0;
    else if (done)
        special[region][page] = physical | EPT_MAPPED | EPT_ALL | EPT_REDIRECTED;
}

static void operate(void)
{
    unsigned region = (unsigned)below(REGIONS), page = (unsigned)below(REGION_PAGES);

    switch (below(12)) {
    case 0:
        return protect(region % SPECIAL, page);
    case 1:
        return redirect(region % SPECIAL, page);
    case 2:
        if (one_in(10))
            (void)ept_retype(&world.ept, &states[below(ARRAY_SIZE(states))]);
        return;
    case 3:
        if (one_in(10))
            ept_evict(&world.ept, PGTABLE_NOWHERE, (unsigned)below(8));
        return;
    default:
        failures += !touch(address_of(region, page));
    }
}

static void make_states(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(states); i++)
        states[i] = usual_mtrr();
    states[1].variable[1].mask = 0x1800;              /* every second page uncached */
    states[2].variable[1].base = 2 * MIB | MEMORY_WT; /* and every second 2 MiB write-through */
    states[2].variable[1].mask = 2 * MIB | 0x800;
}

static void operations_follow_the_model(void **state)
{
    (void)state;
    make_states();
    for (unsigned set = 0; set < 6; set++) {
        memset(special, 0, sizeof(special));
        rooms = failures = 0;
        assert_true(ept_world_init(&world, usual_mtrr(), block, set % 2, 20 + 8 * (set / 2)));
        (void)ept_retype(&world.ept, &states[1]);
        for (unsigned i = 0; i < OPERATIONS; i++) {
            operate();
            if (i % 64 == 0)
                check_page((unsigned)below(REGIONS), (unsigned)below(REGION_PAGES));
            if (i % (OPERATIONS / 20) == 0)
                check_all();
        }
        check_all();
        print_message("           %u pages: room was made %lu times, in vain for %lu of %u operations\n",
                      world.pages.pool.pages, rooms, failures, OPERATIONS);
        assert_true(rooms > 1000 && failures < OPERATIONS / 4);
        ept_world_fini(&world);
    }
}

/* ---- the rules one by one ---- */

static void init(unsigned pool_pages)
{
    assert_true(ept_world_init(&world, usual_mtrr(), block, false, pool_pages));
}

static uint64_t entry_at(uint64_t address)
{
    return pgtable_lookup(&world.ept.table, address).entry;
}

/* Each GiB far above RAM needs a table. */
static void tables_give_way_in_turn(void **state)
{
    uint64_t address = 10 * GIB;

    (void)state;
    init(20);
    for (; ept_fill(&world.ept, address) == EPT_FILLED; address += GIB)
        ;
    assert_true(address > 16 * GIB);
    assert_int_equal(ept_evict(&world.ept, address, 2), 2); /* a table of fixed ranges, and the first GiB's */
    assert_int_equal(entry_at(0), 0);
    assert_int_equal(entry_at(2 * GIB) & EPT_ALL, EPT_ALL);
    assert_int_equal(ept_evict(&world.ept, address, 2), 2);
    assert_int_equal(entry_at(2 * GIB), 0);
    assert_int_equal(entry_at(10 * GIB) & EPT_ALL, EPT_ALL);
    pgtable_reclaim(&world.ept.table);
    assert_int_equal(pool_free_pages(&world.pages.pool), 4);
    assert_int_equal(ept_fill(&world.ept, address), EPT_FILLED);
    check_ept(&world.ept);
    check_no_page_is_lost(&world.ept.table, 0);
    ept_world_fini(&world);
}

static void what_is_needed_stays(void **state)
{
    (void)state;
    init(20);
    assert_int_equal(ept_fill(&world.ept, 600 * GIB), EPT_FILLED);
    while (ept_evict(&world.ept, 600 * GIB, 3))
        ;
    assert_int_equal(entry_at(600 * GIB) & EPT_ALL, EPT_ALL);
    assert_int_equal(entry_at(GIB), 0);
    pgtable_reclaim(&world.ept.table);
    assert_int_equal(world.pages.pool.used, 3); /* root, and two on the way there */
    assert_int_equal(pgtable_merge_but(&world.ept.table, 0, ept_limit(&world.ept), 600 * GIB), 0);
    assert_int_equal(ept_evict(&world.ept, PGTABLE_NOWHERE, 3), 2);
    pgtable_reclaim(&world.ept.table);
    assert_int_equal(world.pages.pool.used, 1);
    ept_world_fini(&world);
}

/* Half of a way that was put there, and no page for the rest: merging must not take it back. */
static void an_unfinished_way_stays(void **state)
{
    struct pgtable_leaf at;

    (void)state;
    init(20);
    at = pgtable_lookup(&world.ept.table, 600 * GIB);
    assert_true(pgtable_install_table(&world.ept.table, &at));
    assert_int_equal(pgtable_merge_but(&world.ept.table, 0, ept_limit(&world.ept), 600 * GIB), 0);
    assert_int_equal(pgtable_merge(&world.ept.table, 0, ept_limit(&world.ept)), 1);
    ept_world_fini(&world);
}

static void what_is_withheld_stays(void **state)
{
    struct ept_track by_flags = {.ept = &world.ept, .range = {2 * GIB, 2 * GIB + 2 * MIB}, .flags = true};
    struct ept_track by_writes = {.ept = &world.ept, .range = {5 * GIB, 5 * GIB + 2 * MIB}};

    (void)state;
    init(40);
    assert_true(ept_protect(&world.ept, 0x5000, 0x6000, EPT_READ));
    assert_true(ept_redirect(&world.ept, GIB, 0x7000, EPT_ALL));
    assert_true(ept_track_start(&by_flags) && ept_track_start(&by_writes));
    assert_true(ept_track_write(&by_writes, 5 * GIB)); /* it may be written now, and is dirty */
    while (ept_evict(&world.ept, PGTABLE_NOWHERE, 3))
        ;
    assert_int_equal(entry_at(0x5000) & EPT_ALL, EPT_READ);
    assert_int_equal(entry_at(GIB), 0x7000 | EPT_MAPPED | EPT_REDIRECTED | EPT_ALL | MEMORY_WB << 3);
    assert_true(entry_at(2 * GIB) & EPT_TRACKED);
    assert_true(entry_at(5 * GIB) & EPT_DIRTY);
    assert_int_equal(entry_at(3 * GIB), 0);
    assert_true(ept_track_stop(&by_flags) && ept_track_stop(&by_writes));
    assert_true(ept_protect(&world.ept, 0x5000, 0x6000, EPT_ALL));
    assert_true(ept_redirect(&world.ept, GIB, GIB, EPT_ALL));
    while (ept_evict(&world.ept, PGTABLE_NOWHERE, 3))
        ;
    pgtable_reclaim(&world.ept.table);
    assert_int_equal(world.pages.pool.used, 1);
    ept_world_fini(&world);
}

/* Where only small pages are executable, large ones carry a mark: both are as the first touch makes them. */
static void marks_are_no_obstacle(void **state)
{
    (void)state;
    init(20);
    ept_execute_small_only(&world.ept);
    assert_int_equal(ept_execute(&world.ept, 0x5000), EPT_EXECUTE_GIVEN);
    assert_int_equal(ept_execute(&world.ept, GIB), EPT_EXECUTE_GIVEN);
    while (ept_evict(&world.ept, PGTABLE_NOWHERE, 3))
        ;
    assert_int_equal(entry_at(GIB), 0);
    assert_int_equal(ept_execute(&world.ept, GIB), EPT_EXECUTE_DENIED); /* absent: that is the first touch's to say */
    assert_int_equal(ept_fill(&world.ept, GIB), EPT_FILLED);
    assert_true(entry_at(GIB) & EPT_SMALL_EXECUTE);
    check_ept(&world.ept);
    ept_world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_give_way_in_turn), cmocka_unit_test(what_is_needed_stays),
        cmocka_unit_test(an_unfinished_way_stays), cmocka_unit_test(what_is_withheld_stays),
        cmocka_unit_test(marks_are_no_obstacle),   cmocka_unit_test(operations_follow_the_model),
    };

    return cmocka_run_group_tests_name("ept_evict", tests, NULL, NULL);
}
