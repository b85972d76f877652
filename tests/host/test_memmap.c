/* mm/memmap.c: by hand at the edges, and random sequences against the flat model. */
#include "tests/host/support.h"

#include "tests/host/memmap_model.h"

static struct memmap map;
static struct error error;

static int setup(void **state)
{
    (void)state;
    memset(&map, 0, sizeof(map));
    return 0;
}

static void add(uint64_t start, uint64_t end, unsigned kind)
{
    assert_true(memmap_add(&map, (struct range){start, end}, kind, &error));
    assert_true(model_is_well_formed(&map));
}

static void set(uint64_t start, uint64_t end, enum memory_kind kind)
{
    assert_true(memmap_set(&map, (struct range){start, end}, kind, &error));
    assert_true(model_is_well_formed(&map));
}

static void assert_entry(unsigned i, uint64_t start, uint64_t end, enum memory_kind kind)
{
    assert_true(i < map.count);
    assert_int_equal(map.entries[i].range.start, start);
    assert_int_equal(map.entries[i].range.end, end);
    assert_int_equal(map.entries[i].kind, kind);
}

static void sorts_and_joins(void **state)
{
    (void)state;
    add(0x300, 0x400, MEMORY_RAM);
    add(0x100, 0x200, MEMORY_RAM);
    assert_int_equal(map.count, 2);
    add(0x200, 0x300, MEMORY_RAM);
    assert_int_equal(map.count, 1);
    assert_entry(0, 0x100, 0x400, MEMORY_RAM);
    add(0x400, 0x500, MEMORY_RESERVED);
    assert_int_equal(map.count, 2);
    add(0x80, 0x600, MEMORY_RAM);
    assert_int_equal(map.count, 3);
    assert_entry(0, 0x80, 0x400, MEMORY_RAM);
    assert_entry(1, 0x400, 0x500, MEMORY_RESERVED);
    assert_entry(2, 0x500, 0x600, MEMORY_RAM);
}

static void drops_empty_and_inverted(void **state)
{
    (void)state;
    add(0x100, 0x100, MEMORY_RAM);
    add(0x200, 0x100, MEMORY_RAM);
    set(0x300, 0x300, MEMORY_RESERVED);
    set(UINT64_MAX, 0, MEMORY_RESERVED);
    assert_int_equal(map.count, 0);
    add(0x100, 0x200, MEMORY_RAM);
    set(0x180, 0x180, MEMORY_RESERVED);
    set(0x190, 0x110, MEMORY_RESERVED);
    assert_int_equal(map.count, 1);
}

static void the_less_usable_kind_wins(void **state)
{
    static const enum memory_kind order[] = {MEMORY_RAM, MEMORY_ACPI_RECLAIMABLE, MEMORY_RESERVED, MEMORY_ACPI_NVS,
                                             MEMORY_UNUSABLE};

    (void)state;
    for (unsigned a = 0; a < ARRAY_SIZE(order); a++)
        for (unsigned b = 0; b < ARRAY_SIZE(order); b++) {
            setup(NULL);
            add(0x1000, 0x3000, order[a]);
            add(0x2000, 0x4000, order[b]);
            assert_true(memmap_is(&map, (struct range){0x1000, 0x2000}, order[a]));
            assert_true(memmap_is(&map, (struct range){0x2000, 0x3000}, order[a > b ? a : b]));
            assert_true(memmap_is(&map, (struct range){0x3000, 0x4000}, order[b]));
        }
}

static void unknown_kinds_are_reserved(void **state)
{
    static const unsigned kinds[] = {0, 6, 7, 12, 0x7fffffff, 0x80000000, 0xffffffff};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
        setup(NULL);
        add(0, 0x1000, kinds[i]);
        assert_entry(0, 0, 0x1000, MEMORY_RESERVED);
    }
}

static void set_overrides_and_fills(void **state)
{
    (void)state;
    add(0x1000, 0x2000, MEMORY_UNUSABLE);
    add(0x3000, 0x4000, MEMORY_RESERVED);
    set(0x1800, 0x3800, MEMORY_RAM);
    assert_int_equal(map.count, 3);
    assert_entry(0, 0x1000, 0x1800, MEMORY_UNUSABLE);
    assert_entry(1, 0x1800, 0x3800, MEMORY_RAM);
    assert_entry(2, 0x3800, 0x4000, MEMORY_RESERVED);
}

static void odd_and_extreme_addresses(void **state)
{
    (void)state;
    add(0x9fc01, 0xa0003, MEMORY_RESERVED);
    add(0, 0x9fc01, MEMORY_RAM);
    add(UINT64_MAX - 5, UINT64_MAX, MEMORY_RAM);
    assert_int_equal(map.count, 3);
    assert_entry(2, UINT64_MAX - 5, UINT64_MAX, MEMORY_RAM);
    assert_int_equal(memmap_ram_bytes(&map), 0x9fc01 + 5);
    add(0, UINT64_MAX, MEMORY_RESERVED);
    assert_int_equal(map.count, 1);
    assert_entry(0, 0, UINT64_MAX, MEMORY_RESERVED);
}

static void is_needs_every_byte(void **state)
{
    (void)state;
    add(0x1000, 0x2000, MEMORY_RAM);
    add(0x2001, 0x3000, MEMORY_RAM);
    assert_true(memmap_is(&map, (struct range){0x1000, 0x2000}, MEMORY_RAM));
    assert_false(memmap_is(&map, (struct range){0x1000, 0x2001}, MEMORY_RAM));
    assert_false(memmap_is(&map, (struct range){0xfff, 0x2000}, MEMORY_RAM));
    assert_false(memmap_is(&map, (struct range){0x1800, 0x2800}, MEMORY_RAM));
    assert_false(memmap_is(&map, (struct range){0x1000, 0x2000}, MEMORY_RESERVED));
    assert_false(memmap_is(&map, (struct range){0x5000, 0x6000}, MEMORY_RAM));
}

/* A change that doesn't fit says so and leaves the map as it was; one that makes it no longer still works. */
static void a_full_list_fails_cleanly(void **state)
{
    struct memmap before;

    (void)state;
    for (uint64_t i = 0; i < MEMMAP_MAX; i++)
        add(i * 0x2000, i * 0x2000 + 0x1000, MEMORY_RAM);
    assert_int_equal(map.count, MEMMAP_MAX);
    before = map;
    assert_false(memmap_add(&map, (struct range){0x10000000, 0x10001000}, MEMORY_RAM, &error));
    assert_contains(error.text, "[0x10000000, 0x10001000) makes it more than 256 ranges: ");
    assert_false(memmap_set(&map, (struct range){0x200, 0x300}, MEMORY_RESERVED, &error));
    assert_false(memmap_add(&map, (struct range){0x1000, 0x1800}, MEMORY_RESERVED, &error));
    assert_memory_equal(&map, &before, sizeof(map));
    add(0x1000, 0x2000, MEMORY_RAM);
    assert_int_equal(map.count, MEMMAP_MAX - 1);
    add(0, 0x1000000, MEMORY_UNUSABLE);
    assert_int_equal(map.count, 1);
}

static uint64_t found(bool high, uint64_t size, uint64_t align, uint64_t end)
{
    struct range within = {0, end};
    uint64_t start = 0;
    bool ok = high ? memmap_find_high(&map, size, align, within, NULL, 0, &start)
                   : memmap_find_low(&map, size, align, within, NULL, 0, &start);

    return ok ? start : UINT64_MAX;
}

static void finds_at_the_edges(void **state)
{
    (void)state;
    add(0x1001, 0x8fff, MEMORY_RAM);
    assert_int_equal(found(true, 0x1000, 0x1000, UINT64_MAX), 0x7000);
    assert_int_equal(found(false, 0x1000, 0x1000, UINT64_MAX), 0x2000);
    assert_int_equal(found(true, 0x7ffe, 1, UINT64_MAX), 0x1001);
    assert_int_equal(found(false, 0x7ffe, 1, UINT64_MAX), 0x1001);
    assert_int_equal(found(true, 0x7fff, 1, UINT64_MAX), UINT64_MAX);
    assert_int_equal(found(false, 0x7fff, 1, UINT64_MAX), UINT64_MAX);
    assert_int_equal(found(true, 0x6000, 0x1000, UINT64_MAX), 0x2000);
    assert_int_equal(found(true, 0x6001, 0x1000, UINT64_MAX), 0x2000);
    assert_int_equal(found(true, 0x7000, 0x1000, UINT64_MAX), UINT64_MAX);
    assert_int_equal(found(true, 0x1000, 0x1000, 0x3fff), 0x2000);
    assert_int_equal(found(true, 0x1000, 0x10000, UINT64_MAX), UINT64_MAX);
    assert_int_equal(found(false, 0x1000, 0x10000, UINT64_MAX), UINT64_MAX);
    assert_int_equal(found(true, 0, 1, UINT64_MAX), UINT64_MAX);
    assert_int_equal(found(false, 0, 1, UINT64_MAX), UINT64_MAX);
    assert_int_equal(found(false, 0x1000, (uint64_t)1 << 63, UINT64_MAX), UINT64_MAX);
}

/* Where aligning upwards or adding the size would wrap. */
static void finds_at_the_top_of_memory(void **state)
{
    (void)state;
    add(UINT64_MAX - 0x2ffe, UINT64_MAX, MEMORY_RAM);
    assert_int_equal(found(false, 0x1000, 0x1000, UINT64_MAX), UINT64_MAX - 0x2fff + 0x1000);
    assert_int_equal(found(false, 0x1000, 0x10000, UINT64_MAX), UINT64_MAX);
    assert_int_equal(found(true, UINT64_MAX, 1, UINT64_MAX), UINT64_MAX);
    assert_int_equal(found(false, UINT64_MAX, 1, UINT64_MAX), UINT64_MAX);
}

static void avoids_what_it_shall(void **state)
{
    const struct range avoid[] = {{0x6000, 0x6001}, {0x4fff, 0x5800}, {0, 0x1800}, {0x7800, 0x20000}, {0x3000, 0x3000}};
    struct range all = {0, UINT64_MAX};
    uint64_t start;

    (void)state;
    add(0x1000, 0x10000, MEMORY_RAM);
    assert_true(memmap_find_high(&map, 0x1000, 0x1000, all, avoid, ARRAY_SIZE(avoid), &start));
    assert_int_equal(start, 0x3000);
    assert_true(memmap_find_low(&map, 0x1000, 0x1000, all, avoid, ARRAY_SIZE(avoid), &start));
    assert_int_equal(start, 0x2000);
    assert_true(memmap_find_high(&map, 0x800, 0x800, all, avoid, ARRAY_SIZE(avoid), &start));
    assert_int_equal(start, 0x7000);
    assert_false(memmap_find_high(&map, 0x4000, 0x1000, all, avoid, ARRAY_SIZE(avoid), &start));
}

static void check_searches(const struct memmap_model *model, uint64_t *seed)
{
    for (unsigned i = 0; i < 8; i++) {
        struct model_search search = {
            .count = 1 + (unsigned)random_below(seed, 12),
            .align = 1u << random_below(seed, 5),
            .within_first = (unsigned)random_below(seed, 100),
            .within_end = 100 + (unsigned)random_below(seed, 157),
            .avoid_first = (unsigned)random_below(seed, 256),
            .high = random_below(seed, 2),
        };

        search.avoid_end = search.avoid_first + (unsigned)random_below(seed, 257 - search.avoid_first);
        assert_true(model_search_agrees(model, &map, &search));
    }
}

static void random_sequence(uint64_t seed)
{
    struct memmap_model model = {.base = random_below(&seed, 3) * 0x100000000, .unit = 1ull << random_below(&seed, 25)};

    setup(NULL);
    for (unsigned step = 0; step < 60; step++) {
        unsigned first = (unsigned)random_below(&seed, MODEL_CELLS), kind = 1 + (unsigned)random_below(&seed, 6);
        unsigned end = first + (unsigned)random_below(&seed, 1 + random_below(&seed, MODEL_CELLS + 1 - first));

        if (random_below(&seed, 3) == 0 && kind <= MEMORY_UNUSABLE) {
            assert_true(memmap_set(&map, model_range(&model, first, end), (enum memory_kind)kind, &error));
            model_set(&model, first, end, kind);
        } else {
            assert_true(memmap_add(&map, model_range(&model, first, end), kind, &error));
            model_add(&model, first, end, kind);
        }
        assert_true(model_is_well_formed(&map));
        assert_true(model_agrees(&model, &map));
        check_searches(&model, &seed);
    }
}

static void random_sequences_as_the_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++)
        random_sequence(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(sorts_and_joins, setup),
        cmocka_unit_test_setup(drops_empty_and_inverted, setup),
        cmocka_unit_test_setup(the_less_usable_kind_wins, setup),
        cmocka_unit_test_setup(unknown_kinds_are_reserved, setup),
        cmocka_unit_test_setup(set_overrides_and_fills, setup),
        cmocka_unit_test_setup(odd_and_extreme_addresses, setup),
        cmocka_unit_test_setup(is_needs_every_byte, setup),
        cmocka_unit_test_setup(a_full_list_fails_cleanly, setup),
        cmocka_unit_test_setup(finds_at_the_edges, setup),
        cmocka_unit_test_setup(finds_at_the_top_of_memory, setup),
        cmocka_unit_test_setup(avoids_what_it_shall, setup),
        cmocka_unit_test_setup(random_sequences_as_the_model, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
