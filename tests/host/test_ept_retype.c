/* Memory types of a live EPT through changes of the MTRRs: after each the types are the model's, and nothing else has
 * changed. */
#include "tests/host/support.h"

#include "mm/ept_retype.h"
#include "mm/pgtable_merge.h"
#include "tests/host/ept_world.h"

enum { SAMPLES = 4000, ROUNDS = 150 };

static const struct range block = {0xbfc00000, 0xc0000000};

static uint64_t random_address(const struct mtrr_state *mtrr)
{
    uint64_t address = below(6 * GIB);

    if (one_in(2))
        address = (mtrr->variable[below(MTRR_VARIABLE_MAX)].base + (below(5) - 2) * PAGE_SIZE) % (6 * GIB);
    if (one_in(4))
        address = below(MIB + 64 * KIB);
    return ALIGN_DOWN(address, PAGE_SIZE);
}

static unsigned type_of(uint64_t entry)
{
    return entry >> 3 & 7;
}

static const struct range nowhere = {0, 0};

/* Types as the model says; in the range `coarse` uncached is allowed instead, as pages were short. */
static void check_types(const struct ept_world *world, const struct mtrr_state *mtrr, struct range coarse)
{
    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t address = random_address(mtrr);
        uint64_t entry = translate(&world->ept, world->ept.table.root, address);

        if (!entry || (entry & EPT_REDIRECTED) ||
            (range_contains(coarse, (struct range){address, address + PAGE_SIZE}) && type_of(entry) == MEMORY_UC))
            continue;
        assert_int_equal(type_of(entry), model_type(mtrr, address));
    }
    check_ept(&world->ept);
}

/* Rights and a redirection here and there, which must survive. */
static const uint64_t marked[] = {0x1000, 0xa0000, 0xb0000000, 0xfee00000, 5 * GIB + PAGE_SIZE};

static const struct range withheld = {GIB, 2 * GIB + 512 * MIB};

static void mark(struct ept_world *world)
{
    assert_true(ept_protect(&world->ept, withheld.start, withheld.end, EPT_READ));
    for (unsigned i = 0; i < ARRAY_SIZE(marked); i++)
        assert_true(ept_protect(&world->ept, marked[i], marked[i] + PAGE_SIZE, EPT_READ));
    assert_true(ept_redirect(&world->ept, 0x2000, 0x3000, EPT_READ | EPT_WRITE));
}

static void check_marks(const struct ept_world *world)
{
    for (unsigned i = 0; i < ARRAY_SIZE(marked); i++)
        assert_int_equal(translate(&world->ept, world->ept.table.root, marked[i]) & EPT_ALL, EPT_READ);
    for (uint64_t address = withheld.start; address < withheld.end; address += 2 * MIB)
        assert_int_equal(translate(&world->ept, world->ept.table.root, address) & EPT_ALL, EPT_READ);
    assert_int_equal(translate(&world->ept, world->ept.table.root, 0x2000),
                     0x3000 | EPT_MAPPED | EPT_REDIRECTED | 3 | MEMORY_WB << 3);
}

static void run(unsigned pool_pages, bool coarse, unsigned rounds)
{
    struct ept_world world;
    struct mtrr_state states[2];
    unsigned inexact = 0;

    assert_true(ept_world_init(&world, usual_mtrr(), block, one_in(2), pool_pages));
    mark(&world);
    for (unsigned round = 0; round < rounds; round++) {
        struct mtrr_state *mtrr = &states[round % 2];

        random_mtrr(mtrr, true, 33);
        mtrr->physical_bits = 40;
        for (unsigned i = 0; i < 20; i++)
            ept_fill(&world.ept, 4 * GIB + below(2 * GIB));
        if (!ept_retype(&world.ept, mtrr))
            inexact++;
        check_types(&world, mtrr, coarse ? withheld : nowhere);
        check_marks(&world);
        if (one_in(2))
            pgtable_merge(&world.ept.table, 0, 6 * GIB);
        check_no_page_is_lost(&world.ept.table, 0);
    }
    assert_true(coarse ? inexact > 3 : inexact == 0);
    /* and back to the usual: exact again, also where it was coarse */
    states[0] = usual_mtrr();
    pgtable_merge(&world.ept.table, 0, 6 * GIB);
    pgtable_reclaim(&world.ept.table);
    assert_true(ept_retype(&world.ept, &states[0]));
    pgtable_merge(&world.ept.table, 0, 6 * GIB);
    check_types(&world, &states[0], nowhere);
    check_marks(&world);
    ept_world_fini(&world);
}

static void types_follow_the_mtrrs(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        run(3200, false, ROUNDS / 3);
}

static void short_of_pages_some_is_uncached(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        run(12, true, ROUNDS);
}

/* Off and on again, as an operating system does it: all uncached, then as before, without a page more. */
static void off_and_on(void **state)
{
    struct mtrr_state off = usual_mtrr(), on = usual_mtrr();
    struct ept_world world;
    unsigned used;

    (void)state;
    assert_true(ept_world_init(&world, usual_mtrr(), block, true, 32));
    used = world.pages.pool.used;
    off.default_type = 0;
    assert_true(ept_retype(&world.ept, &off));
    check_types(&world, &off, nowhere);
    assert_int_equal(type_of(pgtable_lookup(&world.ept.table, GIB).entry), MEMORY_UC);
    assert_true(ept_retype(&world.ept, &on));
    check_types(&world, &on, nowhere);
    assert_int_equal(world.pages.pool.used, used);
    assert_int_equal(pgtable_lookup(&world.ept.table, GIB).level, 3);
    ept_world_fini(&world);
}

/* A fill that began before a change, and ends after it, corrects itself. */
static void late_fill(void **state)
{
    struct mtrr_state mtrr = usual_mtrr();
    struct ept_world world;
    uint64_t generation;

    (void)state;
    assert_true(ept_world_init(&world, usual_mtrr(), block, true, 32));
    mtrr.default_type = 0xc00;
    assert_int_equal(ept_fill(&world.ept, 5 * GIB), EPT_FILLED); /* its last step is yet to come: */
    generation = world.ept.generation;
    ept_retype_begin(&world.ept, &mtrr);
    ept_retype_since(&world.ept, generation, (struct range){5 * GIB, 6 * GIB});
    assert_int_equal(type_of(pgtable_lookup(&world.ept.table, 5 * GIB).entry), MEMORY_UC);
    ept_world_fini(&world);
}

/* First touch without a page: a larger piece, uncached. The next retyping makes it exact, if not by tables, then by the
 * next touch; but not where something is withheld, until there are pages. */
static void coarse_fill(void **state)
{
    struct mtrr_state mtrr = usual_mtrr();
    struct ept_world world;
    void *pages[2];

    (void)state;
    mtrr.variable[1].base = 5 * GIB | MEMORY_WT;
    mtrr.variable[1].mask = ((1ull << 40) - MIB) | 0x800;
    assert_true(ept_world_init(&world, mtrr, block, true, 7));
    pages[0] = pool_get(&world.pages.pool);
    pages[1] = pool_get(&world.pages.pool);
    assert_int_equal(ept_fill(&world.ept, 5 * GIB + 8 * MIB), EPT_NO_MEMORY);
    assert_int_equal(ept_fill_coarse(&world.ept, 5 * GIB + 8 * MIB), EPT_FILLED);
    assert_int_equal(ept_fill_coarse(&world.ept, 5 * GIB + 8 * MIB), EPT_PRESENT_ALREADY);
    assert_int_equal(pgtable_lookup(&world.ept.table, 5 * GIB).level, 3);
    assert_int_equal(type_of(pgtable_lookup(&world.ept.table, 5 * GIB).entry), MEMORY_UC);
    check_types(&world, &mtrr, (struct range){5 * GIB, 6 * GIB});
    assert_true(ept_retype(&world.ept, &mtrr));
    assert_int_equal(pgtable_lookup(&world.ept.table, 5 * GIB).entry, 0); /* for the next touch to make it exactly */
    assert_int_equal(ept_fill_coarse(&world.ept, 5 * GIB), EPT_FILLED);
    assert_true(ept_protect(&world.ept, 5 * GIB, 6 * GIB, EPT_READ)); /* what is withheld isn't made absent */
    assert_false(ept_retype(&world.ept, &mtrr));
    assert_int_equal(pgtable_lookup(&world.ept.table, 5 * GIB).entry & EPT_ALL, EPT_READ);
    check_types(&world, &mtrr, (struct range){5 * GIB, 6 * GIB});
    pool_put(&world.pages.pool, pages[0]);
    pool_put(&world.pages.pool, pages[1]);
    assert_true(ept_retype(&world.ept, &mtrr));
    assert_int_equal(type_of(pgtable_lookup(&world.ept.table, 5 * GIB).entry), MEMORY_WT);
    assert_int_equal(type_of(pgtable_lookup(&world.ept.table, 5 * GIB + MIB).entry), MEMORY_WB);
    ept_world_fini(&world);
}

/* ... but not over the block. */
static void no_coarse_fill_over_the_block(void **state)
{
    struct ept_world world;

    (void)state;
    assert_true(ept_world_init(&world, usual_mtrr(), (struct range){5 * GIB, 5 * GIB + 4 * MIB}, true, 4));
    assert_int_equal(pool_free_pages(&world.pages.pool), 0);
    assert_int_equal(ept_fill(&world.ept, 5 * GIB + 8 * MIB), EPT_NO_MEMORY);
    assert_int_equal(ept_fill_coarse(&world.ept, 5 * GIB + 8 * MIB), EPT_NO_MEMORY);
    check_ept(&world.ept);
    ept_world_fini(&world);
}

/* ... nor as a 1 GiB leaf that the CPU doesn't have. */
static void no_coarse_fill_larger_than_the_cpu_has(void **state)
{
    struct ept_world world;

    (void)state;
    assert_true(ept_world_init(&world, usual_mtrr(), block, false, 7));
    assert_int_equal(ept_fill(&world.ept, 5 * GIB), EPT_NO_MEMORY);
    assert_int_equal(ept_fill_coarse(&world.ept, 5 * GIB), EPT_NO_MEMORY);
    check_ept(&world.ept);
    ept_world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(off_and_on),
        cmocka_unit_test(late_fill),
        cmocka_unit_test(coarse_fill),
        cmocka_unit_test(no_coarse_fill_over_the_block),
        cmocka_unit_test(no_coarse_fill_larger_than_the_cpu_has),
        cmocka_unit_test(types_follow_the_mtrrs),
        cmocka_unit_test(short_of_pages_some_is_uncached),
    };

    return cmocka_run_group_tests_name("ept_retype", tests, NULL, NULL);
}
