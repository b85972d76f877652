/* The EPT's contents against the page-by-page model: after ept_init, and through random sequences of operations. */
#include "tests/host/support.h"

#include "tests/host/ept_world.h"

enum { PAGES_4G = 1 << 20, SETS = 12 };

static const struct range usual_block = {0xbfc00000, 0xc0000000};

/* ---- after ept_init ---- */

static unsigned char types[PAGES_4G];
static unsigned borders[PAGES_4G]; /* how many pages up to here differ in type from the one before */

static void model_low_memory(const struct mtrr_state *mtrr)
{
    for (unsigned i = 0; i < PAGES_4G; i++) {
        types[i] = (unsigned char)model_type(mtrr, i * PAGE_SIZE);
        borders[i] = i ? borders[i - 1] + (types[i] != types[i - 1]) : 0;
    }
}

/* Would one leaf over [start, start + size) be right? */
static bool leaf_possible(const struct ept *ept, uint64_t start, uint64_t size)
{
    struct range range = {start, start + size};

    if (range_overlaps(range, ept->block))
        return false;
    return borders[start / PAGE_SIZE] == borders[(range.end - 1) / PAGE_SIZE];
}

static void check_low_leaf(const struct ept *ept, struct pgtable_leaf leaf)
{
    uint64_t size = pgtable_size(leaf.level), larger = size * 512;

    assert_true(leaf_possible(ept, leaf.start, size));
    assert_int_equal(leaf.entry, leaf.start | EPT_MAPPED | EPT_ALL | types[leaf.start / PAGE_SIZE] << 3 |
                                     (leaf.level > 1 ? 0x80 : 0));
    if (leaf.level < ept->format.largest_leaf)
        assert_false(leaf_possible(ept, ALIGN_DOWN(leaf.start, larger), larger));
}

static void check_low_memory(const struct ept *ept)
{
    for (uint64_t address = 0; address < 4 * GIB;) {
        struct pgtable_leaf leaf = pgtable_lookup(&ept->table, address);

        if (leaf.entry)
            check_low_leaf(ept, leaf);
        else
            assert_true(address >= ept->block.start && address < ept->block.end);
        address = leaf.start + pgtable_size(leaf.level);
    }
}

static struct range random_block(void)
{
    uint64_t start = below(2040) * 2 * MIB;

    return (struct range){start, start + (1 + below(4)) * (one_in(2) ? 2 * MIB : 64 * KIB)};
}

static void init_is_exact_and_maximal(void **state)
{
    (void)state;
    for (unsigned set = 0; set < SETS; set++) {
        struct ept_world world;
        struct mtrr_state mtrr;

        random_mtrr(&mtrr, true, 33);
        model_low_memory(&mtrr);
        assert_true(ept_world_init(&world, mtrr, random_block(), set % 2, 2100));
        check_low_memory(&world.ept);
        check_ept(&world.ept);
        check_no_page_is_lost(&world.ept.table, 0);
        ept_world_fini(&world);
    }
}

static void usual_machine_is_small(void **state)
{
    (void)state;
    for (unsigned gib_pages = 0; gib_pages < 2; gib_pages++) {
        struct ept_world world;

        assert_true(ept_world_init(&world, usual_mtrr(), usual_block, gib_pages, 16));
        print_message("           4 GiB, %s 1 GiB pages: %u pages of tables\n", gib_pages ? "with" : "without",
                      world.pages.pool.used);
        assert_true(world.pages.pool.used <= 7);
        ept_world_fini(&world);
    }
}

/* What the tables of whole machines cost: all RAM touched, and one device far above. */
static void table_sizes(void **state)
{
    static const uint64_t ram[] = {1, 4, 64, 6144};

    (void)state;
    for (unsigned i = 0; i < 2 * ARRAY_SIZE(ram); i++) {
        struct mtrr_state mtrr = usual_mtrr();
        bool gib_pages = i % 2;
        struct ept_world world;

        mtrr.physical_bits = 46;
        mtrr.variable[0].mask = ((1ull << 46) - GIB) | 0x800;
        assert_true(ept_world_init(&world, mtrr, (struct range){0x3fc00000, 0x40000000}, gib_pages, 6300));
        for (uint64_t address = 4 * GIB; address < (ram[i / 2] + 1) * GIB; address += gib_pages ? GIB : 2 * MIB)
            assert_int_equal(ept_fill(&world.ept, address), EPT_FILLED);
        assert_int_equal(ept_fill(&world.ept, 1ull << 45), EPT_FILLED);
        print_message("           %4lu GiB of RAM, %s 1 GiB pages: %u KiB\n", ram[i / 2],
                      gib_pages ? "with" : "without", 4 * world.pages.pool.used);
        assert_true(ram[i / 2] > 4 || world.pages.pool.used <= 16);
        ept_world_fini(&world);
    }
}

static void pool_too_small(void **state)
{
    (void)state;
    for (unsigned pages = 0; pages < 7; pages++) {
        struct ept_world world;

        assert_false(ept_world_init(&world, usual_mtrr(), usual_block, false, pages));
        assert_contains(world.error.text, "pool");
        ept_world_fini(&world);
    }
}

/* ---- random operations ---- */

enum { MODEL_PAGES = 5 << 18, OPERATIONS = 150000 };

struct model {
    struct ept_world world;
    uint64_t entries[MODEL_PAGES];
};

static struct model model;

static bool in_block(uint64_t address)
{
    return address >= model.world.ept.block.start && address < model.world.ept.block.end;
}

/* A first touch maps what is absent around a page too: that may come at any time, but only as it must be. */
static uint64_t learn(unsigned page)
{
    const struct ept *ept = &model.world.ept;
    uint64_t entry = translate(ept, ept->table.root, page * PAGE_SIZE);

    if (!model.entries[page] && !in_block(page * PAGE_SIZE) && entry == identity(ept->mtrr, page * PAGE_SIZE, EPT_ALL))
        model.entries[page] = entry;
    return entry;
}

static void compare(unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count && i < MODEL_PAGES; i++) {
        uint64_t entry = learn(i);

        assert_int_equal(entry, model.entries[i]);
    }
}

static unsigned random_page(void)
{
    static const uint64_t places[] = {0, MIB, 0xbfc00000, 0xc0000000, 0xfee00000, 4 * GIB, 4 * GIB + GIB / 2};
    uint64_t place = one_in(3) ? below(MODEL_PAGES) * PAGE_SIZE : places[below(ARRAY_SIZE(places))];

    return (unsigned)((place / PAGE_SIZE + below(40) + MODEL_PAGES - 20) % MODEL_PAGES);
}

static uint64_t sane(uint64_t rights)
{
    return rights & EPT_READ ? rights : 0;
}

static void touch(void)
{
    unsigned page = random_page();
    bool present = learn(page) != 0;
    enum ept_fill filled = ept_fill(&model.world.ept, page * PAGE_SIZE + below(PAGE_SIZE));

    if (in_block(page * PAGE_SIZE))
        assert_int_equal(filled, EPT_IN_BLOCK);
    else
        assert_int_equal(filled, present ? EPT_PRESENT_ALREADY : EPT_FILLED);
    compare(page, 1);
    assert_true(model.entries[page] || in_block(page * PAGE_SIZE));
}

static void protect(void)
{
    unsigned page = random_page(), count = 1 + (unsigned)below(one_in(20) ? 2000 : 12);
    uint64_t rights = below(8);

    if (count > MODEL_PAGES - page)
        count = MODEL_PAGES - page;
    if (one_in(4)) /* give whole pages back, or the pool would run out */
        rights = EPT_ALL;
    assert_true(ept_protect(&model.world.ept, page * PAGE_SIZE, (page + count) * PAGE_SIZE, rights));
    for (unsigned i = page; i < page + count; i++) {
        if (!in_block(i * PAGE_SIZE) && !model.entries[i] && rights != EPT_ALL) /* mapped by this */
            model.entries[i] = identity(&model.world.mtrr, i * PAGE_SIZE, 0);
        if (model.entries[i])
            model.entries[i] = (model.entries[i] & ~7ull) | sane(rights);
    }
    compare(page ? page - 1 : 0, count + 2);
}

static void redirect(void)
{
    unsigned page = random_page();
    bool back = one_in(2);
    uint64_t rights = below(8), physical = back ? page * PAGE_SIZE : below(1 << 20) * PAGE_SIZE;

    if (physical >= model.world.ept.block.start && physical < model.world.ept.block.end)
        return;
    assert_int_equal(ept_redirect(&model.world.ept, page * PAGE_SIZE, physical, rights), !in_block(page * PAGE_SIZE));
    if (in_block(page * PAGE_SIZE))
        return;
    model.entries[page] = physical == page * PAGE_SIZE
                              ? identity(&model.world.mtrr, physical, sane(rights))
                              : physical | EPT_MAPPED | EPT_REDIRECTED | sane(rights) | MEMORY_WB << 3;
    compare(page ? page - 1 : 0, 3);
}

static void operations_follow_the_model(void **state)
{
    (void)state;
    for (unsigned set = 0; set < 3; set++) {
        struct mtrr_state mtrr = usual_mtrr();

        if (set)
            random_mtrr(&mtrr, true, 33);
        memset(&model, 0, sizeof(model));
        assert_true(ept_world_init(&model.world, mtrr, set ? random_block() : usual_block, set != 1, 2700));
        for (unsigned i = 0; i < MODEL_PAGES; i += 1)
            model.entries[i] = i < PAGES_4G && !in_block(i * PAGE_SIZE) ? identity(&mtrr, i * PAGE_SIZE, EPT_ALL) : 0;
        for (unsigned i = 0; i < OPERATIONS; i++) {
            unsigned what = (unsigned)below(8);

            what < 3 ? touch() : what < 7 ? protect() : redirect();
            if (i % (OPERATIONS / 5) == 0) {
                compare(0, MODEL_PAGES);
                check_ept(&model.world.ept);
                check_no_page_is_lost(&model.world.ept.table, 0);
            }
        }
        compare(0, MODEL_PAGES);
        check_ept(&model.world.ept);
        ept_world_fini(&model.world);
    }
}

/* ---- the rules one by one ---- */

static void first_touch(void **state)
{
    struct ept_world world;
    unsigned used;

    (void)state;
    assert_true(ept_world_init(&world, usual_mtrr(), usual_block, true, 32));
    assert_int_equal(ept_fill(&world.ept, usual_block.start), EPT_IN_BLOCK);
    assert_int_equal(ept_fill(&world.ept, usual_block.end - 1), EPT_IN_BLOCK);
    assert_int_equal(ept_fill(&world.ept, usual_block.end), EPT_PRESENT_ALREADY);
    assert_int_equal(ept_fill(&world.ept, 1ull << 40), EPT_BEYOND);
    assert_int_equal(ept_fill(&world.ept, ~0ull), EPT_BEYOND);
    used = world.pages.pool.used;
    assert_int_equal(ept_fill(&world.ept, 5 * GIB + 12345), EPT_FILLED);
    assert_int_equal(pgtable_lookup(&world.ept.table, 5 * GIB).level, 3);
    assert_int_equal(world.pages.pool.used, used); /* no table needed */
    assert_int_equal(ept_fill(&world.ept, 5 * GIB), EPT_PRESENT_ALREADY);
    assert_int_equal(ept_fill(&world.ept, (1ull << 40) - 1), EPT_FILLED);
    assert_int_equal(world.pages.pool.used, used + 1);
    ept_world_fini(&world);
}

static void wide_machine(void **state)
{
    struct mtrr_state mtrr = usual_mtrr();
    struct ept_world world;

    (void)state;
    mtrr.physical_bits = 52; /* more than 4-level EPT can translate */
    mtrr.variable[0].mask = ((1ull << 52) - GIB) | 0x800;
    assert_true(ept_world_init(&world, mtrr, usual_block, true, 32));
    assert_int_equal(ept_fill(&world.ept, (1ull << 48) - 1), EPT_FILLED);
    assert_int_equal(ept_fill(&world.ept, 1ull << 48), EPT_BEYOND);
    check_ept(&world.ept);
    ept_world_fini(&world);
}

static void empty_pool_fails_softly(void **state)
{
    struct ept_world world;

    (void)state;
    assert_true(ept_world_init(&world, usual_mtrr(), usual_block, true, 5));
    assert_int_equal(ept_fill(&world.ept, 1ull << 39), EPT_NO_MEMORY);
    assert_int_equal(ept_fill(&world.ept, 5 * GIB), EPT_FILLED);
    assert_false(ept_protect(&world.ept, 5 * GIB, 5 * GIB + PAGE_SIZE, EPT_READ));
    assert_false(ept_redirect(&world.ept, 5 * GIB, 0, EPT_READ));
    check_ept(&world.ept);
    check_no_page_is_lost(&world.ept.table, 0);
    ept_world_fini(&world);
}

static uint64_t rights_after(struct ept_world *world, uint64_t rights)
{
    assert_true(ept_protect(&world->ept, 0x5000, 0x6000, rights));
    return pgtable_lookup(&world->ept.table, 0x5000).entry & EPT_ALL;
}

static void rights_are_never_a_misconfiguration(void **state)
{
    struct ept_world world;

    (void)state;
    assert_true(ept_world_init(&world, usual_mtrr(), usual_block, true, 32));
    assert_int_equal(rights_after(&world, EPT_WRITE), 0);
    assert_int_equal(ept_fill(&world.ept, 0x5000), EPT_PRESENT_ALREADY);
    assert_int_equal(rights_after(&world, EPT_EXECUTE), 0);
    assert_int_equal(rights_after(&world, EPT_WRITE | EPT_EXECUTE), 0);
    assert_int_equal(rights_after(&world, EPT_READ | EPT_EXECUTE), EPT_READ | EPT_EXECUTE);
    world.ept.execute_only = true;
    assert_int_equal(rights_after(&world, EPT_EXECUTE), EPT_EXECUTE);
    assert_int_equal(rights_after(&world, EPT_WRITE | EPT_EXECUTE), EPT_EXECUTE);
    assert_int_equal(rights_after(&world, EPT_ALL), EPT_ALL);
    check_ept(&world.ept);
    ept_world_fini(&world);
}

/* Page 0 uncached is the one whose leaf has no other bit set: without rights it must not pass for "never touched". */
static void page_zero_uncached_without_rights(void **state)
{
    struct ept_world world;
    struct mtrr_state mtrr = {.capability = 0x508, .physical_bits = 40};

    (void)state;
    assert_true(ept_world_init(&world, mtrr, usual_block, true, 32));
    assert_true(ept_protect(&world.ept, 0, PAGE_SIZE, 0));
    assert_int_equal(ept_fill(&world.ept, 0), EPT_PRESENT_ALREADY);
    assert_int_equal(pgtable_lookup(&world.ept.table, 0).entry & EPT_ALL, 0);
    ept_world_fini(&world);
}

static void pointer(void **state)
{
    struct ept_world world;

    (void)state;
    assert_true(ept_world_init(&world, usual_mtrr(), usual_block, true, 32));
    assert_int_equal(ept_pointer(&world.ept, false), pool_physical(&world.pages.pool, world.ept.table.root) | 0x1e);
    assert_int_equal(ept_pointer(&world.ept, true), pool_physical(&world.pages.pool, world.ept.table.root) | 0x5e);
    ept_world_fini(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usual_machine_is_small),
        cmocka_unit_test(table_sizes),
        cmocka_unit_test(init_is_exact_and_maximal),
        cmocka_unit_test(pool_too_small),
        cmocka_unit_test(first_touch),
        cmocka_unit_test(wide_machine),
        cmocka_unit_test(empty_pool_fails_softly),
        cmocka_unit_test(rights_are_never_a_misconfiguration),
        cmocka_unit_test(page_zero_uncached_without_rights),
        cmocka_unit_test(pointer),
        cmocka_unit_test(operations_follow_the_model),
    };

    return cmocka_run_group_tests_name("ept", tests, NULL, NULL);
}
