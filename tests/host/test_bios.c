/* A start from disk: what is put into low memory, and when it is refused. The resident code itself runs in
 * tests/chainload. */
#include "tests/host/support.h"

#include "guest/bios_resident.h"
#include "guest/load.h"

enum {
    LOW_SIZE = 0xa0000,
    RESIDENT_SIZE = 700,
    HANDLER = 0x1b0,
    ENTRY32 = 0x123,
    GDT = 0x210,
    OLD_VECTOR = 0xf000e987
};

static uint8_t *low;
static struct memmap map;
static struct guest_source source;
static struct guest_entry entry;
static struct error error;
static uint8_t resident[RESIDENT_SIZE];

static void put16(uint64_t at, uint16_t value)
{
    memcpy(low + at, &value, sizeof value);
}

static uint32_t get(uint64_t at, unsigned size)
{
    uint32_t value = 0;

    memcpy(&value, low + at, size);
    return value;
}

static void add(uint64_t start, uint64_t end, enum memory_kind kind)
{
    assert_true(memmap_set(&map, (struct range){start, end}, kind, &error));
}

/* A PC with 64 MiB, a BIOS that knows two disks, and the block at 60 MiB. */
static void machine_make(void)
{
    static const uint32_t vector = OLD_VECTOR;

    if (!low)
        low = arena_add(0, LOW_SIZE);
    memset(low, 0xcc, LOW_SIZE);
    memcpy(low + 0x13 * 4, &vector, 4);
    memcpy(low + 0x15 * 4, &vector, 4);
    put16(0x413, 639);
    low[0x475] = 2;
    memset(resident, 0x90, sizeof resident);
    resident[RESIDENT_INT15] = HANDLER & 0xff;
    resident[RESIDENT_INT15 + 1] = HANDLER >> 8;
    memcpy(resident + RESIDENT_ENTRY32, (uint16_t[]){ENTRY32, GDT}, 4);
    map.count = 0;
    add(0, 0x9fc00, MEMORY_RAM);
    add(0x9fc00, 0xa0000, MEMORY_RESERVED);
    add(MIB, 64 * MIB, MEMORY_RAM);
    add(60 * MIB, 62 * MIB, MEMORY_RESERVED);
    source = (struct guest_source){.chainload = 0x81,
                                   .has_bios = true,
                                   .serial = true,
                                   .resident = resident,
                                   .resident_size = sizeof resident,
                                   .block = {60 * MIB, 62 * MIB},
                                   .memmap = &map};
}

/* What the firmware's calls will tell: the resident pages and the block are reserved. */
static void check_map(uint64_t at, uint64_t place, uint64_t place_end)
{
    struct memmap expected = map, told = {.count = 0};

    assert_true(memmap_set(&expected, (struct range){place, place_end}, MEMORY_RESERVED, &error));
    for (unsigned i = 0; i < get(place + RESIDENT_MAP_COUNT, 2); i++, at += 20) {
        uint64_t start, size;

        memcpy(&start, low + at, 8);
        memcpy(&size, low + at + 8, 8);
        assert_true(memmap_add(&told, (struct range){start, start + size}, get(at + 16, 4), &error));
    }
    assert_int_equal(told.count, expected.count);
    for (unsigned i = 0; i < told.count; i++) {
        assert_int_equal(told.entries[i].range.start, expected.entries[i].range.start);
        assert_int_equal(told.entries[i].range.end, expected.entries[i].range.end);
        assert_int_equal(told.entries[i].kind, expected.entries[i].kind);
    }
}

static void check_place(uint64_t place, uint64_t end)
{
    assert_int_equal(entry.real_mode_page, place >> 12);
    assert_int_equal(entry.eip, place + ENTRY32);
    assert_int_equal(entry.ebx, place);
    assert_int_equal(entry.gdt_base, place + GDT);
    assert_int_equal(get(0x413, 2), place / 1024);
    assert_int_equal(get(0x15 * 4, 4), place >> 4 << 16 | HANDLER);
    assert_int_equal(get(place + RESIDENT_OLD_INT15, 4), OLD_VECTOR);
    assert_int_equal(low[place], 0x90);
    assert_int_equal(low[place + RESIDENT_SIZE - 1], 0x90);
    assert_int_equal(low[place - 1], 0xcc);
    check_map(place + get(place + RESIDENT_MAP_OFFSET, 2), place, end);
}

static void load(void)
{
    if (!guest_load(&source, &entry, &error))
        fail_msg("%s", error.text);
}

static void the_usual_machine(void **state)
{
    (void)state;
    machine_make();
    load();
    check_place(0x9e000, 0x9f000);
    assert_int_equal(low[0x9e000 + RESIDENT_DRIVE], 0x81);
    assert_int_equal(low[0x9e000 + RESIDENT_SERIAL], 1);
    assert_int_equal(get(0x9e000 + RESIDENT_SETUP_SEGMENT, 2), 0);
    assert_int_equal(get(0x9e000 + RESIDENT_EXTENDED_KIB, 2), 59 * 1024);
    assert_int_equal(get(0x9e000 + RESIDENT_BELOW_16_KIB, 2), 15 * 1024);
    assert_int_equal(get(0x9e000 + RESIDENT_ABOVE_16_64K, 2), 44 * 16);
    assert_int_equal(low[0x9f000], 0xcc);
}

static void sizes_are_bounded_and_end_at_holes(void **state)
{
    (void)state;
    machine_make();
    add(62 * MIB, 3 * GIB, MEMORY_RAM);
    add(60 * MIB, 62 * MIB, MEMORY_RAM);
    load();
    assert_int_equal(get(0x9e000 + RESIDENT_EXTENDED_KIB, 2), 63 * 1024);
    assert_int_equal(get(0x9e000 + RESIDENT_ABOVE_16_64K, 2), (3 * 1024 - 16) * 16);
    machine_make();
    add(15 * MIB, 16 * MIB, MEMORY_RESERVED); /* the ISA hole */
    load();
    assert_int_equal(get(0x9e000 + RESIDENT_EXTENDED_KIB, 2), 14 * 1024);
    assert_int_equal(get(0x9e000 + RESIDENT_BELOW_16_KIB, 2), 14 * 1024);
    assert_int_equal(get(0x9e000 + RESIDENT_ABOVE_16_64K, 2), 44 * 16);
}

static void other_ends_of_base_memory(void **state)
{
    (void)state;
    machine_make();
    put16(0x413, 512); /* somebody else is resident already */
    load();
    check_place(0x7f000, 0x80000);
    machine_make();
    put16(0x413, 0xffff);
    add(0x9d400, 0x9fc00, MEMORY_RESERVED); /* the map knows better */
    load();
    check_place(0x9c000, 0x9d000);
}

static void a_long_map_takes_more_pages(void **state)
{
    (void)state;
    machine_make();
    for (unsigned i = 0; map.count < 240; i++)
        add(GIB + i * MIB, GIB + i * MIB + PAGE_SIZE, MEMORY_RESERVED);
    load();
    check_place(0x9d000, 0x9f000);
}

enum { FILE_AT = 20 << 20, SETUP_BYTES = 1024, SYSTEM_BYTES = 4096, INITRD_AT = 24 << 20, INITRD_BYTES = 3000 };

static uint8_t *high; /* from 1 MiB on */

/* A bzImage without a 32-bit entry, and an initrd. */
static void program_make(void)
{
    uint8_t *file;

    machine_make();
    if (!high)
        high = arena_add(MIB, 63 * MIB);
    file = high + FILE_AT - MIB;
    memset(high, 0, 63 * MIB);
    memset(file, 0x11, SETUP_BYTES);
    memset(file + SETUP_BYTES, 0x22, SYSTEM_BYTES);
    memset(high + INITRD_AT - MIB, 0x33, INITRD_BYTES);
    memset(file + 0x1f1, 0, 0x267 - 0x1f1);
    file[0x1f1] = 1;
    memcpy(file + 0x1f4, "\0\1\0\0", 4);
    memcpy(file + 0x1fe, "\x55\xaa\xeb\x65HdrS\7\2", 10);
    file[0x211] = 1;
    memset(file + 0x22c, 0xff, 4); /* initrd_addr_max */
    source.chainload = 0;
    source.command_line = "one two";
    source.kernel = (struct range){FILE_AT, FILE_AT + SETUP_BYTES + SYSTEM_BYTES};
    source.initrd = (struct range){INITRD_AT, INITRD_AT + INITRD_BYTES};
}

static void set_up_code_runs_in_low_memory(void **state)
{
    const uint64_t segment = 0x10000;

    (void)state;
    program_make();
    load();
    check_place(0x9e000, 0x9f000);
    assert_int_equal(get(0x9e000 + RESIDENT_SETUP_SEGMENT, 2), segment >> 4);
    assert_int_equal(get(0x9e000 + RESIDENT_SETUP_STACK, 2), 0xe000);
    assert_int_equal(low[segment], 0x11);
    assert_int_equal(low[segment + SETUP_BYTES - 1], 0x11);
    assert_int_equal(low[segment + SETUP_BYTES], 0);
    assert_int_equal(get(segment + 0x228, 4), segment + 0x10000); /* cmd_line_ptr */
    assert_string_equal((char *)low + segment + 0x10000, "one two");
    assert_int_equal(low[segment + 0x210], 0xff);
    assert_int_equal(low[segment + 0x211], 0x81);
    assert_int_equal(get(segment + 0x224, 2), 0xde00);
    assert_int_equal(get(segment + 0x214, 4), 0); /* code32_start stays */
    assert_int_equal(high[0], 0x22);
    assert_int_equal(high[SYSTEM_BYTES - 1], 0x22);
    assert_int_equal(get(segment + 0x218, 4), 60 * MIB - PAGE_SIZE); /* right below the block, with much RAM beneath */
    assert_int_equal(get(segment + 0x21c, 4), INITRD_BYTES);
    assert_int_equal(high[59 * MIB - PAGE_SIZE], 0x33);
}

static void refuse(const char *a, const char *b)
{
    static uint8_t before[LOW_SIZE];

    memcpy(before, low, LOW_SIZE);
    assert_false(guest_load(&source, &entry, &error));
    assert_true(strlen(error.text) < sizeof error.text - 1);
    assert_contains(error.text, a);
    assert_contains(error.text, b);
    assert_memory_equal(before, low, LOW_SIZE);
}

static void refusals(void **state)
{
    (void)state;
    machine_make();
    source.chainload = 0x82;
    refuse("chainload=hd2", "2 hard disks");
    machine_make();
    memset(low + 0x13 * 4, 0, 4);
    refuse("BIOS", "13H");
    machine_make();
    source.has_bios = false;
    refuse("BIOS", "firmware");
    machine_make();
    put16(0x413, 60);
    refuse("4 KiB", "60 KiB by 40:13");
    machine_make();
    add(0, PAGE_SIZE, MEMORY_RESERVED);
    add(0x9e800, 0x9ec00, MEMORY_ACPI_NVS);
    refuse("RAM", "INT 15H");
    machine_make();
    while (map.count < MEMMAP_MAX)
        add(GIB + map.count * MIB, GIB + map.count * MIB + 1, MEMORY_RESERVED);
    refuse("memory map", "ranges");
    program_make();
    source.has_bios = false;
    refuse("BIOS", "firmware");
    program_make();
    add(0, 0x90000, MEMORY_RESERVED); /* the set-up code finds its place only above 1 MiB */
    refuse("code32_start", "68 KiB");
    program_make();
    put16(0x413, 192); /* there is low memory enough, but above what the firmware calls free */
    add(0, 0x2e000, MEMORY_RESERVED);
    refuse("code32_start", "below 0x2f000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_usual_machine),
        cmocka_unit_test(sizes_are_bounded_and_end_at_holes),
        cmocka_unit_test(other_ends_of_base_memory),
        cmocka_unit_test(a_long_map_takes_more_pages),
        cmocka_unit_test(set_up_code_runs_in_low_memory),
        cmocka_unit_test(refusals),
    };

    return cmocka_run_group_tests_name("bios", tests, NULL, NULL);
}
