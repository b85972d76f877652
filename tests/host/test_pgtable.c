/*
 * The walker against a flat map: one word a page says what the page's translation must be. Random sequences of
 * map, unmap, protect and fill in every format, with large and small pools.
 */
#include "tests/host/support.h"

#include "mm/host_format.h"
#include "mm/pgtable_merge.h"
#include "tests/host/mtrr_model.h"
#include "tests/host/paging_check.h"

enum { PAGES = 3 << 18, OPERATIONS = 350000 }; /* 3 GiB; three runs of so many operations */

#define ADDRESS_BITS 0x000ffffffffff000

/* A made-up format with the EPT's bits: the real one is private to mm/ept.c. */
static const struct pgtable_format ept_like = {.present = 7,
                                               .leaf = 0x80,
                                               .table = 7,
                                               .address = ADDRESS_BITS,
                                               .rights = 7,
                                               .volatile_bits = 0x300,
                                               .largest_leaf = 3};

struct world {
    struct test_pool arena;
    struct pgtable_format format;
    struct pgtable table;
    uint64_t base;   /* first address of the window that the model covers */
    uint64_t *model; /* a page: the 4 KiB entry that translates it, or 0 */
    uint64_t attributes[6];
    unsigned long failed; /* operations that ran out of pages */
};

static void world_init(struct world *world, struct pgtable_format format, uint64_t base, unsigned pool_pages)
{
    world->format = format;
    world->base = base;
    world->failed = 0;
    world->model = calloc(PAGES, sizeof(uint64_t));
    test_pool_init(&world->arena, pool_pages);
    assert_true(pgtable_init(&world->table, &world->format, &world->arena.pool));
}

static void world_fini(struct world *world)
{
    free(world->model);
    free(world->arena.memory);
}

/* What the tree says of a page, as the 4 KiB entry that would say the same. */
static uint64_t actual(const struct world *world, unsigned page)
{
    uint64_t address = world->base + page * PAGE_SIZE;
    struct pgtable_leaf leaf = pgtable_lookup(&world->table, address);

    assert_true(leaf.start <= address && address - leaf.start < pgtable_size(leaf.level));
    if (!leaf.entry)
        return 0;
    assert_true(leaf.level <= world->format.largest_leaf);
    leaf.entry &= ~world->format.volatile_bits; /* a merge may set them */
    if (leaf.level > 1) {
        assert_true(leaf.entry & world->format.leaf);
        leaf.entry &= ~world->format.leaf;
    }
    return leaf.entry + (address - leaf.start);
}

static void compare(const struct world *world, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count && i < PAGES; i++)
        assert_int_equal(actual(world, i), world->model[i]);
}

/* A range, mostly short and near the places where tables meet, sometimes long. */
static void random_range(unsigned *first, unsigned *count)
{
    unsigned around = 1u << (one_in(2) ? 9 : 18);
    unsigned place = (unsigned)below(one_in(2) ? 4 : PAGES / around) * around;

    *first = (place + (unsigned)below(17) - 8) % PAGES;
    *count = 1 + (unsigned)below(16);
    if (one_in(12)) {
        *count = 512 * (1 + (unsigned)below(3));
        if (one_in(2))
            *first &= ~511u;
    }
    if (one_in(2000)) {
        *count = 1u << 18;
        if (one_in(2))
            *first &= ~((1u << 18) - 1);
    }
    if (*count > PAGES - *first)
        *count = PAGES - *first;
}

static uint64_t model_of(const struct world *world, uint64_t old, uint64_t new, bool protect)
{
    return protect ? (old ? (old & ~world->format.rights) | new : 0) : new;
}

/* One map, unmap or protect, on the tree and on the model. */
static void change(struct world *world)
{
    bool protect = one_in(3), unmap = !protect && one_in(4), done;
    unsigned first, count;
    uint64_t attributes = world->attributes[below(ARRAY_SIZE(world->attributes))];
    uint64_t start, end, physical;

    random_range(&first, &count);
    start = world->base + first * PAGE_SIZE;
    end = start + count * PAGE_SIZE;
    /* identity, shifted by a large page, or shifted by a small one */
    physical = (start & ADDRESS_BITS) + (one_in(2) ? 0 : one_in(2) ? 2 * MIB : PAGE_SIZE);
    if (unmap)
        attributes = 0;
    if (protect)
        done = pgtable_protect(&world->table, start, end, attributes);
    else
        done = pgtable_map(&world->table, start, end, physical, attributes);
    for (unsigned i = first; i < first + count; i++) {
        uint64_t new = protect ? attributes & world->format.rights
                               : (attributes ? physical + (i - first) * PAGE_SIZE + attributes : 0);

        new = model_of(world, world->model[i], new, protect);
        if (!done && actual(world, i) == world->model[i])
            new = world->model[i]; /* what was not reached is as it was */
        world->model[i] = new;
    }
    world->failed += !done;
    compare(world, first ? first - 1 : 0, count < 20 ? count + 2 : 20);
    compare(world, first + count - 1, 2);
}

static void fill(struct world *world)
{
    unsigned first, count, level = 1 + (unsigned)below(world->format.largest_leaf);
    uint64_t attributes = world->attributes[below(2)], start;
    bool empty = true;
    struct pgtable_leaf at;
    enum pgtable_fill filled;

    random_range(&first, &count);
    count = 1u << (9 * (level - 1));
    first &= ~(count - 1);
    for (unsigned i = first; i < first + count; i++)
        empty = empty && !world->model[i];
    start = world->base + first * PAGE_SIZE;
    at = pgtable_lookup(&world->table, start);
    filled = pgtable_fill(&world->table, &at, start, level, start & ADDRESS_BITS, attributes);
    if (!empty)
        assert_int_not_equal(filled, PGTABLE_FILLED);
    if (filled == PGTABLE_FILLED) {
        for (unsigned i = first; i < first + count; i++)
            world->model[i] = (start & ADDRESS_BITS) + (i - first) * PAGE_SIZE + attributes;
    }
    compare(world, first, count < 20 ? count : 20);
}

/* Is there a table left that one entry could stand for? A judgement of the test's own. */
static bool could_merge(const struct pgtable *table, const uint64_t *entries, unsigned level)
{
    const struct pgtable_format *format = table->format;
    uint64_t first = entries[0] & ~format->volatile_bits;

    if (first && (level + 1 > format->largest_leaf || ((first & ADDRESS_BITS) % pgtable_size(level + 1))))
        return false;
    for (unsigned i = 0; i < 512; i++) {
        uint64_t entry = entries[i] & ~format->volatile_bits;

        if (pgtable_is_table(format, level, entry) || entry != (first ? first + i * pgtable_size(level) : 0))
            return false;
    }
    return true;
}

static void check_merged(const struct pgtable *table, const uint64_t *entries, unsigned level)
{
    for (unsigned i = 0; i < 512; i++) {
        if (!pgtable_is_table(table->format, level, entries[i]))
            continue;
        assert_false(could_merge(table, entries_of(table, entries[i]), level - 1));
        check_merged(table, entries_of(table, entries[i]), level - 1);
    }
}

static void merge(struct world *world)
{
    unsigned first, count, before = world->arena.pool.used;
    unsigned merged;

    random_range(&first, &count);
    merged = pgtable_merge(&world->table, world->base + first * PAGE_SIZE, world->base + (first + count) * PAGE_SIZE);
    compare(world, first, count < 20 ? count : 20);
    pgtable_reclaim(&world->table);
    assert_true(world->arena.pool.used + merged <= before);
}

static void merge_all(struct world *world)
{
    pgtable_merge(&world->table, world->base, world->base + PAGES * PAGE_SIZE);
    check_merged(&world->table, world->table.root, PGTABLE_LEVELS);
}

static void run(struct world *world, unsigned operations)
{
    for (unsigned i = 0; i < operations; i++) {
        if (one_in(5))
            fill(world);
        else
            change(world);
        if (one_in(8))
            pgtable_reclaim(&world->table);
        if (one_in(20))
            merge(world);
        if (one_in(10000))
            merge_all(world);
        if (i % (operations / 8) == 0) {
            compare(world, 0, PAGES);
            check_no_page_is_lost(&world->table, 0);
        }
    }
    compare(world, 0, PAGES);
    assert_true(pgtable_map(&world->table, world->base, world->base + PAGES * PAGE_SIZE, 0, 0));
    check_no_page_is_lost(&world->table, 0);
    merge_all(world);
    check_no_page_is_lost(&world->table, 0);
    assert_int_equal(world->arena.pool.used, 1); /* nothing but the root is needed to map nothing */
}

static void with_ept_attributes(struct world *world)
{
    static const uint64_t attributes[] = {0x40000000000037, 0x40000000000007, 0x40000000000031,
                                          0x40000000000030, 0x40000000000033, 0x40000000000037};

    memcpy(world->attributes, attributes, sizeof(attributes));
}

static void ept_entries_follow_the_model(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, ept_like, 0x7fc0000000, 1800); /* across a border of level 4 */
    with_ept_attributes(&world);
    run(&world, OPERATIONS);
    assert_int_equal(world.failed, 0);
    world_fini(&world);
}

static void host_entries_follow_the_model(void **state)
{
    static const uint64_t attributes[] = {HOST_PRESENT | HOST_WRITABLE,
                                          HOST_PRESENT | HOST_WRITABLE | HOST_NO_EXECUTE,
                                          HOST_PRESENT,
                                          HOST_PRESENT | HOST_NO_EXECUTE | HOST_PCD,
                                          HOST_PRESENT | HOST_NO_EXECUTE,
                                          HOST_WRITABLE | HOST_PCD};
    struct world world;

    (void)state;
    world_init(&world, host_format(2), 0xffffff0000000000, 1800);
    memcpy(world.attributes, attributes, sizeof(attributes));
    run(&world, OPERATIONS);
    assert_int_equal(world.failed, 0);
    world_fini(&world);
}

/* A pool that is nearly always empty: operations fail, and what they leave is consistent, nothing is lost. */
static void small_pool(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, ept_like, 0, 12);
    with_ept_attributes(&world);
    run(&world, OPERATIONS);
    assert_true(world.failed > 1000);
    world_fini(&world);
}

static void largest_leaves(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, ept_like, 0, 64);
    assert_true(pgtable_map(&world.table, 0x1ff000, 3 * GIB + 0x201000, 0x1ff000, 0x37));
    assert_int_equal(pgtable_lookup(&world.table, 0x1ff000).level, 1);
    assert_int_equal(pgtable_lookup(&world.table, 2 * MIB).level, 2);
    assert_int_equal(pgtable_lookup(&world.table, GIB).level, 3);
    assert_int_equal(pgtable_lookup(&world.table, 3 * GIB - 1).level, 3);
    assert_int_equal(pgtable_lookup(&world.table, 3 * GIB).level, 2);
    assert_int_equal(pgtable_lookup(&world.table, 3 * GIB + 2 * MIB).level, 1);
    /* mapping what is mapped already must not split */
    assert_true(pgtable_map(&world.table, GIB + 5 * PAGE_SIZE, GIB + 6 * PAGE_SIZE, GIB + 5 * PAGE_SIZE, 0x37));
    assert_true(pgtable_protect(&world.table, GIB + 5 * PAGE_SIZE, GIB + 6 * PAGE_SIZE, 7));
    assert_int_equal(pgtable_lookup(&world.table, GIB).level, 3);
    world_fini(&world);
}

/* Accessed and dirty, which the CPU sets, are no difference, and a split hands them down. */
static void accessed_and_dirty(void **state)
{
    struct world world;
    uint64_t *slot;

    (void)state;
    world_init(&world, ept_like, 0, 64);
    assert_true(pgtable_map(&world.table, 0, GIB, 0, 0x37));
    slot = pgtable_lookup(&world.table, 0).slot;
    *slot |= 0x300;
    assert_true(pgtable_map(&world.table, 0, GIB, 0, 0x37));
    assert_int_equal(*slot, 0x300 | 0xb7);
    assert_true(pgtable_protect(&world.table, 0, PAGE_SIZE, 1));
    assert_int_equal(pgtable_lookup(&world.table, PAGE_SIZE).entry, PAGE_SIZE | 0x337);
    assert_int_equal(pgtable_lookup(&world.table, 2 * MIB).entry, 2 * MIB | 0x3b7);
    world_fini(&world);
}

/* A table that was replaced keeps what it said until it is reclaimed, and its entries refuse to be changed. */
static void retired_tables_are_dead(void **state)
{
    struct world world;
    uint64_t *old;
    unsigned used;

    (void)state;
    world_init(&world, ept_like, 0, 64);
    assert_true(pgtable_map(&world.table, 0, 2 * PAGE_SIZE, 0, 0x37));
    old = pgtable_lookup(&world.table, 0).slot;
    used = world.arena.pool.used;
    assert_true(pgtable_map(&world.table, 0, GIB, 0, 0x37));
    assert_int_equal(world.arena.pool.used, used);
    for (unsigned i = 0; i < 512; i++)
        assert_int_equal(old[i], (i < 2 ? i * PAGE_SIZE + 0x37 : 0) | PGTABLE_DEAD);
    assert_int_equal(pgtable_reclaim(&world.table), 2);
    assert_int_equal(pgtable_reclaim(&world.table), 0);
    world_fini(&world);
}

static void split_and_merge_back(void **state)
{
    struct world world;
    unsigned used;

    (void)state;
    world_init(&world, ept_like, 0, 64);
    assert_true(pgtable_map(&world.table, 0, 2 * GIB, 0, 0x37));
    used = world.arena.pool.used;
    assert_true(pgtable_protect(&world.table, 5 * PAGE_SIZE, 6 * PAGE_SIZE, 1));
    assert_int_equal(pgtable_lookup(&world.table, 0).level, 1);
    assert_int_equal(pgtable_merge(&world.table, 0, 2 * GIB), 0);
    assert_int_equal(pgtable_lookup(&world.table, 0).level, 1); /* and nothing stays frozen */
    assert_int_equal(pgtable_lookup(&world.table, 0).slot[0], 0x37);
    assert_true(pgtable_protect(&world.table, 5 * PAGE_SIZE, 6 * PAGE_SIZE, 7));
    assert_int_equal(pgtable_merge(&world.table, 0, PAGE_SIZE), 2);
    assert_int_equal(pgtable_lookup(&world.table, 0).level, 3);
    assert_int_equal(pgtable_lookup(&world.table, 0).entry, 0xb7 | 0x300);
    pgtable_reclaim(&world.table);
    assert_int_equal(world.arena.pool.used, used);
    world_fini(&world);
}

static void no_larger_than_the_format_has(void **state)
{
    struct world world;

    (void)state;
    for (unsigned largest = 1; largest <= 3; largest++) {
        struct pgtable_format format = ept_like;

        format.largest_leaf = largest;
        world_init(&world, format, 0, 600);
        assert_true(pgtable_map(&world.table, 0, GIB, 0, 0x37));
        assert_int_equal(pgtable_lookup(&world.table, 0).level, largest);
        assert_int_equal(pgtable_merge(&world.table, 0, 512 * GIB), 0);
        assert_int_equal(pgtable_lookup(&world.table, 0).level, largest);
        world_fini(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(largest_leaves),
        cmocka_unit_test(accessed_and_dirty),
        cmocka_unit_test(retired_tables_are_dead),
        cmocka_unit_test(split_and_merge_back),
        cmocka_unit_test(no_larger_than_the_format_has),
        cmocka_unit_test(ept_entries_follow_the_model),
        cmocka_unit_test(host_entries_follow_the_model),
        cmocka_unit_test(small_pool),
    };

    return cmocka_run_group_tests_name("pgtable", tests, NULL, NULL);
}
