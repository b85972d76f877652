/* mm/efi_map.c: against a model that knows of each page what the firmware says of it. */
#include "tests/host/support.h"

#include "mm/efi_map.h"

enum { PAGES = 64, DESCRIPTORS_MAX = 24, SIZES = 4 };

static const uint32_t sizes[SIZES] = {40, 48, 56, 104};
static struct error error;

static struct efi_map make(uint8_t *bytes, uint32_t size, const struct efi_descriptor *descriptors, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        memset(bytes + i * size, (int)(0x80 + i), size); /* behind the known fields: to be kept */
        memcpy(bytes + i * size, &descriptors[i], sizeof(descriptors[i]));
    }
    return (struct efi_map){bytes, count * size, size, 1};
}

static struct efi_descriptor pages(uint32_t type, uint64_t first, uint64_t count)
{
    return (struct efi_descriptor){.type = type, .physical = first * PAGE_SIZE, .pages = count, .attributes = 0xf};
}

static void check_takes_what_can_be_read(void **state)
{
    static uint8_t bytes[200];
    struct efi_map map = {bytes, 96, 48, 1};

    (void)state;
    assert_true(efi_map_check(&map, &error));
    assert_int_equal(efi_map_count(&map), 2);
    map.size = 100; /* a rest */
    assert_true(efi_map_check(&map, &error));
    assert_int_equal(efi_map_count(&map), 2);
    map.descriptor_size = 101;
    assert_false(efi_map_check(&map, &error));
    map.descriptor_size = 39;
    assert_false(efi_map_check(&map, &error));
    assert_contains(error.text, "39 bytes: update the firmware");
    map.descriptor_size = 0;
    assert_false(efi_map_check(&map, &error));
    map = (struct efi_map){bytes, 96, 48, 2};
    assert_false(efi_map_check(&map, &error));
    assert_contains(error.text, "version 2");
    map = (struct efi_map){NULL, 0, 0, 0};
    assert_false(efi_map_check(&map, &error));
    assert_int_equal(efi_map_count(&map), 0);
}

static void firmware_keeps_its_own(void **state)
{
    const struct efi_descriptor list[] = {
        pages(EFI_CONVENTIONAL, 0, 10), pages(EFI_RUNTIME_SERVICES_DATA, 10, 2),
        pages(EFI_ACPI_RECLAIM, 12, 2), pages(EFI_ACPI_NVS, 14, 2),
        pages(EFI_UNUSABLE, 16, 2),     pages(11, 18, 2),
        pages(0x80000001, 20, 2),       pages(EFI_BOOT_SERVICES_DATA, 22, 4),
        pages(EFI_LOADER_DATA, 26, 2),  pages(EFI_RUNTIME_SERVICES_CODE, 4, 1), /* overlaps the first */
    };
    static const enum memory_kind kinds[] = {[10 / 2] = MEMORY_RESERVED, [12 / 2] = MEMORY_ACPI_RECLAIMABLE,
                                             [14 / 2] = MEMORY_ACPI_NVS, [16 / 2] = MEMORY_UNUSABLE,
                                             [18 / 2] = MEMORY_RESERVED, [20 / 2] = MEMORY_RESERVED};
    uint8_t bytes[ARRAY_SIZE(list) * 48];
    struct efi_map map = make(bytes, 48, list, ARRAY_SIZE(list));
    struct memmap memmap = {0};

    (void)state;
    assert_true(memmap_add(&memmap, (struct range){0, 28 * PAGE_SIZE}, MEMORY_RAM, &error)); /* the loader's view */
    assert_true(efi_map_reserve(&map, &memmap, &error));
    for (uint64_t page = 0; page < 28; page++) {
        const struct range range = {page * PAGE_SIZE, (page + 1) * PAGE_SIZE};
        const enum memory_kind kind = page == 4                 ? MEMORY_RESERVED
                                      : page >= 10 && page < 22 ? kinds[page / 2]
                                                                : MEMORY_RAM;

        assert_true(memmap_is(&memmap, range, kind));
    }
    assert_true(efi_map_avoid_boot_services(&map, &memmap, &error));
    assert_true(memmap_is(&memmap, (struct range){22 * PAGE_SIZE, 26 * PAGE_SIZE}, MEMORY_RESERVED));
    assert_true(memmap_is(&memmap, (struct range){26 * PAGE_SIZE, 28 * PAGE_SIZE}, MEMORY_RAM));
}

/* Here nothing may be left out: what the firmware needs would be taken for RAM. */
static void too_many_reserved_pieces_are_told(void **state)
{
    enum { PIECES = MEMMAP_MAX };
    static uint8_t bytes[PIECES * 48];
    static struct efi_descriptor list[PIECES];
    struct memmap memmap = {0};
    struct efi_map map;

    (void)state;
    for (unsigned i = 0; i < PIECES; i++)
        list[i] = pages(EFI_RUNTIME_SERVICES_DATA, 1 + 2 * i, 1);
    map = make(bytes, 48, list, PIECES);
    assert_true(memmap_add(&memmap, (struct range){0, 3 * PIECES * PAGE_SIZE}, MEMORY_RAM, &error));
    assert_false(efi_map_reserve(&map, &memmap, &error));
    assert_contains(error.text, "more than 256 ranges");
}

/* More pieces of boot services between free ones than a memmap can hold, in any order: all of them are avoided, and
 * what is far from them stays free. */
static void many_pieces_of_boot_services(void **state)
{
    enum { PIECES = 2 * MEMMAP_MAX, FIRST = 0x100, PAGES_OF_RAM = 0x40000 };
    static uint8_t bytes[PIECES * 48];
    static struct efi_descriptor list[PIECES];
    struct memmap memmap;
    struct efi_map map;

    (void)state;
    for (unsigned step = 1; step < 4; step += 2) {
        for (unsigned i = 0; i < PIECES; i++)
            list[i] = pages(i % 3 ? EFI_BOOT_SERVICES_DATA : EFI_BOOT_SERVICES_CODE,
                            FIRST + 2 * (i * step * 101 % PIECES), 1);
        map = make(bytes, 48, list, PIECES);
        memmap = (struct memmap){0};
        assert_true(memmap_add(&memmap, (struct range){0, PAGES_OF_RAM * PAGE_SIZE}, MEMORY_RAM, &error));
        assert_true(efi_map_avoid_boot_services(&map, &memmap, &error));
        for (unsigned i = 0; i < PIECES; i++)
            assert_true(
                memmap_is(&memmap, (struct range){list[i].physical, list[i].physical + PAGE_SIZE}, MEMORY_RESERVED));
        assert_true(memmap_is(&memmap, (struct range){0x1000 * PAGE_SIZE, PAGES_OF_RAM * PAGE_SIZE}, MEMORY_RAM));
    }
}

static void run_time_attribute_counts(void **state)
{
    struct efi_descriptor one = pages(EFI_LOADER_CODE, 1, 1);
    uint8_t bytes[40];
    struct efi_map map;
    struct memmap memmap = {0};

    (void)state;
    one.attributes |= EFI_MEMORY_RUNTIME;
    map = make(bytes, 40, &one, 1);
    assert_true(efi_map_reserve(&map, &memmap, &error));
    assert_true(memmap_is(&memmap, (struct range){PAGE_SIZE, 2 * PAGE_SIZE}, MEMORY_RESERVED));
}

static void endless_descriptors_end(void **state)
{
    struct efi_descriptor one = pages(EFI_UNUSABLE, 5, UINT64_MAX);
    uint8_t bytes[40];
    struct efi_map map = make(bytes, 40, &one, 1);
    struct memmap memmap = {0};

    (void)state;
    assert_true(efi_map_reserve(&map, &memmap, &error));
    assert_int_equal(memmap.count, 1);
    assert_int_equal(memmap.entries[0].range.start, 5 * PAGE_SIZE);
    one.physical = UINT64_MAX - 5;
    map = make(bytes, 40, &one, 1);
    assert_true(efi_map_reserve(&map, &memmap, &error));
    assert_int_equal(efi_map_copy_size(&map, &(struct efi_hidden){{{0, PAGE_SIZE}}}), 0); /* no whole page */
}

/* What each page is by the map's descriptors, as a set of types and attributes. */
static void paint(const struct efi_map *map, uint64_t painted[PAGES])
{
    struct efi_descriptor d;

    memset(painted, 0, PAGES * sizeof(*painted));
    for (unsigned i = 0; i < efi_map_count(map); i++) {
        efi_map_get(map, i, &d);
        for (uint64_t page = d.physical / PAGE_SIZE; page < d.physical / PAGE_SIZE + d.pages && page < PAGES; page++)
            painted[page] |= (uint64_t)1 << (d.type + (d.attributes & EFI_MEMORY_RUNTIME ? 32 : 0));
    }
}

static struct efi_descriptor random_descriptor(uint64_t *seed)
{
    struct efi_descriptor d = pages((uint32_t)random_below(seed, 16), random_below(seed, PAGES), 0);

    d.pages = 1 + random_below(seed, PAGES - d.physical / PAGE_SIZE);
    if (random_below(seed, 3) == 0)
        d.attributes |= EFI_MEMORY_RUNTIME;
    if (random_below(seed, 3) == 0)
        d.virtual = 0xffff800000000000 + d.physical;
    return d;
}

static bool is_in(struct range range, uint64_t page)
{
    return page * PAGE_SIZE >= range.start && page * PAGE_SIZE < range.end;
}

/* Is the page in a hidden range that any descriptor touches? */
static bool is_hidden(const struct efi_hidden *hidden, const uint64_t before[PAGES], uint64_t page)
{
    for (unsigned i = 0; i < EFI_HIDDEN_MAX; i++)
        for (uint64_t p = 0; is_in(hidden->ranges[i], page) && p < PAGES; p++)
            if (is_in(hidden->ranges[i], p) && before[p])
                return true;
    return false;
}

static void assert_copy(const struct efi_map *map, const struct efi_hidden *hidden)
{
    const uint32_t size = efi_map_copy_size(map, hidden);
    uint8_t *bytes = malloc(size); /* exactly, for ASan */
    const struct efi_map copy = {bytes, size, map->descriptor_size, 1};
    uint64_t before[PAGES], after[PAGES];
    struct efi_descriptor d;

    efi_map_copy(map, hidden, bytes);
    paint(map, before);
    paint(&copy, after);
    for (uint64_t page = 0; page < PAGES; page++)
        assert_int_equal(after[page], is_hidden(hidden, before, page) ? 1 << EFI_RESERVED : before[page]);
    for (unsigned i = 0; i < efi_map_count(&copy); i++) {
        efi_map_get(&copy, i, &d);
        assert_true(d.virtual == 0 || d.virtual == 0xffff800000000000 + d.physical);
        if (copy.descriptor_size > sizeof(d)) /* what is behind the known fields came along */
            assert_true(bytes[i * copy.descriptor_size + sizeof(d)] >= 0x80);
    }
    free(bytes);
}

/* Two disjoint ranges in either order, either of them often empty. */
static struct efi_hidden random_hidden(uint64_t *seed)
{
    const uint64_t middle = random_below(seed, PAGES);
    const uint64_t a = random_below(seed, middle + 1), b = a + random_below(seed, middle - a + 1);
    const uint64_t c = middle + random_below(seed, PAGES - middle), d = c + random_below(seed, PAGES - c + 1);
    const struct range low = {a * PAGE_SIZE, b * PAGE_SIZE}, high = {c * PAGE_SIZE, d * PAGE_SIZE};

    return random_below(seed, 2) ? (struct efi_hidden){{low, high}} : (struct efi_hidden){{high, low}};
}

static void copies_hide_exactly_these_ranges(void **state)
{
    uint64_t seed = 7;

    (void)state;
    for (unsigned run = 0; run < 2000; run++) {
        const unsigned count = 1 + (unsigned)random_below(&seed, DESCRIPTORS_MAX);
        const uint32_t size = sizes[random_below(&seed, SIZES)];
        const struct efi_hidden hidden = random_hidden(&seed);
        struct efi_descriptor list[DESCRIPTORS_MAX];
        uint8_t *bytes = malloc((size_t)count * size);
        struct efi_map map;

        for (unsigned i = 0; i < count; i++)
            list[i] = random_descriptor(&seed);
        map = make(bytes, size, list, count);
        assert_copy(&map, &hidden);
        free(bytes);
    }
}

static void a_copy_that_hides_nothing_is_the_same(void **state)
{
    const struct efi_descriptor list[] = {pages(7, 0, 5), pages(3, 9, 5), pages(99, 3, 3)};
    const struct efi_hidden nothing = {0};
    uint8_t bytes[3 * 56], copy[3 * 56];
    struct efi_map map = make(bytes, 56, list, 3);

    (void)state;
    assert_int_equal(efi_map_copy_size(&map, &nothing), sizeof(copy));
    efi_map_copy(&map, &nothing, copy);
    assert_memory_equal(copy, bytes, sizeof(copy));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_takes_what_can_be_read),      cmocka_unit_test(firmware_keeps_its_own),
        cmocka_unit_test(too_many_reserved_pieces_are_told), cmocka_unit_test(many_pieces_of_boot_services),
        cmocka_unit_test(run_time_attribute_counts),         cmocka_unit_test(endless_descriptors_end),
        cmocka_unit_test(copies_hide_exactly_these_ranges),  cmocka_unit_test(a_copy_that_hides_nothing_is_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
