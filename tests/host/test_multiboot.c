/* The multiboot loader: good kernels of every form, their information, and placement around files and block. */
#include "tests/host/support.h"

#include "tests/host/bytes.h"
#include "tests/host/multiboot_fixture.h"

/* Two segments: at 2 MiB with zeros behind, linked high; and at 6 MiB. */
static const struct segment two[] = {
    {0x1000, 0xc0200000, 0x200000, 0x800, 0x3000},
    {0x1800, 0x600000, 0x600000, 0x100, 0x100},
};

static void kernel1(void)
{
    put_elf32(two, 2, 0xc0200010);
    put_header1(3, NULL, 0);
    put_content();
}

static void kernel2(void)
{
    put_elf64(two, 2, 0xc0200010);
    put_header2(0);
    header2_end();
    put_content();
}

static void check_two(void)
{
    check_segment(&two[0], 0);
    check_segment(&two[1], 0);
}

static void elf32_with_multiboot(void **state)
{
    (void)state;
    machine_make();
    kernel1();
    machine_kernel_at(KERNEL_AT);
    load();
    assert_int_equal(machine.entry.eip, 0x200010);
    assert_int_equal(machine.entry.eax, 0x2badb002);
    check_two();
}

static void elf64_with_multiboot2(void **state)
{
    (void)state;
    machine_make();
    kernel2();
    machine_kernel_at(KERNEL_AT);
    load();
    assert_int_equal(machine.entry.eip, 0x200010);
    assert_int_equal(machine.entry.eax, 0x36d76289);
    check_two();
}

static void a_physical_entry_point_will_do(void **state)
{
    static const uint32_t points[] = {0x200000, 0x200123}; /* the segment's very start, too */

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(points); i++) {
        machine_make();
        put_elf32(two, 2, points[i]);
        put_header1(0, NULL, 0);
        put_content();
        machine_kernel_at(KERNEL_AT);
        load();
        assert_int_equal(machine.entry.eip, points[i]);
    }
}

/* header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr */
static void flat_file(const uint32_t fields[5])
{
    machine.file.size = 0;
    while (machine.file.size < HEADER_AT)
        put(&machine.file, 1, content(machine.file.size));
    put_header1(1 << 16, fields, 5);
    put_content();
}

static void load_flat(const uint32_t fields[5])
{
    machine_make();
    flat_file(fields);
    machine_kernel_at(KERNEL_AT);
    load();
}

static void address_fields_of_multiboot(void **state)
{
    static const uint32_t fields[] = {0x100100, 0x100000, 0x101000, 0x103000, 0x100200};
    static const struct segment flat = {0x100, 0, 0x100000, 0x1000, 0x3000};

    (void)state;
    load_flat(fields);
    assert_int_equal(machine.entry.eip, 0x100200);
    check_segment(&flat, 0);
}

static void address_fields_without_a_bss(void **state)
{
    static const uint32_t fields[] = {0x100100, 0x100000, 0x101000, 0x101000, 0x100200};
    static const struct segment flat = {0x100, 0, 0x100000, 0x1000, 0x1000};

    (void)state;
    load_flat(fields);
    check_segment(&flat, 0);
}

static void address_fields_to_the_end_of_the_file(void **state)
{
    static const uint32_t fields[] = {0x100200, 0x100000, 0, 0, 0x100000};
    static const struct segment flat = {0, 0, 0x100000, FILE_SIZE, FILE_SIZE};

    (void)state;
    load_flat(fields);
    check_segment(&flat, 0);
    assert_int_equal(range_size(machine.entry.kernel), FILE_SIZE);
}

static void address_tag_of_multiboot2(void **state)
{
    static const uint32_t addresses[] = {0x300200, 0xffffffff, 0, 0x304000}, entry = 0x300400;
    static const struct segment flat = {0, 0, 0x300000, FILE_SIZE, 0x4000};

    (void)state;
    machine_make();
    machine.file.size = 0;
    put_header2(0);
    put_tag2(2, 0, addresses, 4);
    put_tag2(3, 0, &entry, 1);
    header2_end();
    put_content();
    machine_kernel_at(KERNEL_AT);
    load();
    assert_int_equal(machine.entry.eip, 0x300400);
    check_segment(&flat, 0);
}

/* --- the information --- */

static const uint8_t *tag2(uint32_t type, unsigned nth)
{
    const uint8_t *start = memory + machine.entry.ebx;

    for (uint32_t at = 8; at < word_at(machine.entry.ebx); at += ALIGN_UP(word_at(machine.entry.ebx + at + 4), 8)) {
        assert_int_equal((machine.entry.ebx + at) % 8, 0);
        if (word_at(machine.entry.ebx + at) == type && nth-- == 0)
            return start + at;
    }
    return NULL;
}

static uint32_t word_of(const uint8_t *tag, unsigned offset)
{
    assert_non_null(tag);
    return word_at((uint64_t)(tag - memory) + offset);
}

static void two_modules(void)
{
    machine_module(12 * MIB, "one 1");
    machine_module(13 * MIB, "");
}

static void information_of_multiboot(void **state)
{
    uint32_t info, modules;

    (void)state;
    machine_make();
    kernel1();
    machine_kernel_at(KERNEL_AT);
    two_modules();
    machine.source.screen.present = machine.source.screen.text = true;
    machine.source.screen.width = 80;
    load();
    info = machine.entry.ebx;
    assert_int_equal(word_at(info), 1 << 0 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9 | 1 << 12);
    assert_int_equal(word_at(info + 4), 0x9fc00 / 1024);
    assert_int_equal(word_at(info + 8), 59 * 1024); /* up to the block */
    assert_string_equal((char *)memory + word_at(info + 16), "root=/dev/ram0 a b");
    assert_string_equal((char *)memory + word_at(info + 64), "Plinth test");
    assert_int_equal(word_at(info + 20), 2);
    modules = word_at(info + 24);
    check_module(0, word_at(modules), word_at(modules + 4));
    check_module(1, word_at(modules + 16), word_at(modules + 20));
    assert_string_equal((char *)memory + word_at(modules + 8), "one 1");
    assert_string_equal((char *)memory + word_at(modules + 24), "");
    assert_int_equal(word_at(info + 44), machine.map.count * 24);
    for (unsigned i = 0; i < machine.map.count; i++) {
        const uint32_t entry = word_at(info + 48) + 24 * i;

        assert_int_equal(word_at(entry), 20);
        assert_int_equal(word_at(entry + 4), machine.map.entries[i].range.start);
        assert_int_equal(word_at(entry + 12), range_size(machine.map.entries[i].range));
        assert_int_equal(word_at(entry + 20), machine.map.entries[i].kind);
    }
    assert_int_equal(word_at(info + 100), 80);
    assert_int_equal(memory[info + 109], 2);
}

/* A framebuffer, each field with a value of its own; both formats have it in the same bytes (3.3; 2.0, 3.6.12). */
static const uint8_t framebuffer[] = {0, 0,    0, 0xc0, 1,  0, 0, 0, /* address */
                                      0, 0x10, 0, 0,    0,  4, 0, 0, /* pitch, width */
                                      0, 3,    0, 0,    32, 1};      /* height, bits, RGB */
static const uint8_t colours[] = {16, 8, 9, 7, 1, 6};

static void machine_framebuffer(void)
{
    machine.source.screen.present = true;
    machine.source.screen.address = 0x1c0000000;
    machine.source.screen.pitch = 4096;
    machine.source.screen.width = 1024;
    machine.source.screen.height = 768;
    machine.source.screen.bits_per_pixel = 32;
    machine.source.screen.red_position = 16;
    machine.source.screen.red_size = 8;
    machine.source.screen.green_position = 9;
    machine.source.screen.green_size = 7;
    machine.source.screen.blue_position = 1;
    machine.source.screen.blue_size = 6;
}

static void framebuffer_of_multiboot(void **state)
{
    (void)state;
    machine_make();
    kernel1();
    machine_kernel_at(KERNEL_AT);
    machine_framebuffer();
    load();
    assert_true(word_at(machine.entry.ebx) & 1 << 12);
    assert_memory_equal(memory + machine.entry.ebx + 88, framebuffer, sizeof framebuffer);
    assert_memory_equal(memory + machine.entry.ebx + 110, colours, sizeof colours);
}

static void information_of_multiboot2(void **state)
{
    (void)state;
    machine_make();
    kernel2();
    machine_kernel_at(KERNEL_AT);
    two_modules();
    machine_framebuffer();
    load();
    assert_string_equal((char *)tag2(1, 0) + 8, "root=/dev/ram0 a b");
    assert_string_equal((char *)tag2(2, 0) + 8, "Plinth test");
    check_module(0, word_of(tag2(3, 0), 8), word_of(tag2(3, 0), 12));
    check_module(1, word_of(tag2(3, 1), 8), word_of(tag2(3, 1), 12));
    assert_string_equal((char *)tag2(3, 0) + 16, "one 1");
    assert_null(tag2(3, 2));
    assert_int_equal(word_of(tag2(4, 0), 12), 59 * 1024);
    assert_int_equal(word_of(tag2(6, 0), 4), 16 + 24 * machine.map.count);
    assert_int_equal(word_of(tag2(6, 0), 16 + 24 + 16), machine.map.entries[1].kind);
    assert_int_equal(word_of(tag2(8, 0), 4), 38);
    assert_memory_equal(tag2(8, 0) + 8, framebuffer, sizeof framebuffer);
    assert_memory_equal(tag2(8, 0) + 32, colours, sizeof colours);
    assert_int_equal(word_of(tag2(14, 0), 4), 28);
    assert_int_equal(word_of(tag2(15, 0), 4), 44);
    assert_memory_equal(tag2(15, 0) + 8, rsdp, 36);
    assert_null(tag2(21, 0));
    assert_int_equal(word_of(tag2(0, 0), 4), 8);
    assert_int_equal(tag2(0, 0) + 8 - memory, machine.entry.ebx + word_at(machine.entry.ebx));
}

static void what_is_unknown_is_left_out(void **state)
{
    (void)state;
    machine_make();
    kernel2();
    machine_kernel_at(KERNEL_AT);
    machine.source.rsdp_copy = NULL;
    load();
    assert_null(tag2(14, 0));
    assert_null(tag2(15, 0));
    assert_null(tag2(8, 0));
    machine.source.rsdp_copy = rsdp;
    machine.source.rsdp_size = 20;
    load();
    assert_non_null(tag2(14, 0));
    assert_null(tag2(15, 0));
}

static void a_wish_for_graphics_is_told(void **state)
{
    (void)state;
    machine_make();
    put_elf64(two, 2, 0x200010);
    put_header2(0);
    put_tag2(5, 0, (uint32_t[]){1024, 768, 32}, 3);
    header2_end();
    put_content();
    machine_kernel_at(KERNEL_AT);
    console_clear();
    load();
    assert_contains(console_text(),
                    "the kernel would like a graphics mode, but the boot loader gave none: it gets no screen");
}

/* --- places --- */

static void files_in_the_way_are_moved(void **state)
{
    (void)state;
    for (unsigned version = 1; version <= 2; version++) {
        machine_make();
        version == 1 ? kernel1() : kernel2();
        machine_kernel_at(0x201000); /* the first segment goes onto its own file */
        machine_module(0x5ff000, "under the second segment");
        machine_module(0x1ff000, "under the first");
        machine_module(MIB + 16, "not on a page, where others would go");
        machine_module(15 * MIB, "stays");
        load();
        check_two();
        for (unsigned i = 0; i < 4; i++) {
            const uint32_t module =
                version == 1 ? word_at(machine.entry.ebx + 24) + 16 * i : (uint32_t)(tag2(3, i) + 8 - memory);

            check_module(i, word_at(module), word_at(module + 4));
            assert_int_equal(word_at(module) == 15 * MIB, i == 3);
        }
    }
}

static const uint32_t anywhere[] = {0x1000000, 0x1ffffff, 0x10000, 1};

static void relocatable(const uint32_t fields[4])
{
    put_elf64(two, 2, 0xc0200010);
    put_header2(0);
    put_tag2(10, 0, fields, 4);
    header2_end();
    put_content();
}

static void a_relocatable_kernel_goes_where_it_likes(void **state)
{
    static const uint32_t high[] = {0x1000000, 0x1ffffff, 0x10000, 2};
    uint64_t start;

    (void)state;
    machine_make();
    relocatable(anywhere);
    machine_kernel_at(KERNEL_AT);
    machine_module(0x1000000, "");
    load();
    start = machine.entry.kernel.start;
    assert_int_equal(start, 0x1010000); /* beside the module */
    assert_int_equal(machine.entry.eip, start + 0x10);
    assert_int_equal(word_of(tag2(21, 0), 8), start);
    check_segment(&two[0], start - 0x200000);
    check_segment(&two[1], start - 0x200000);
    relocatable(high);
    machine_kernel_at(KERNEL_AT);
    load();
    assert_int_equal(machine.entry.kernel.start, 0x1bf0000);
}

static void a_relocatable_kernel_may_move_its_own_file(void **state)
{
    (void)state;
    machine_make();
    machine_memory(22 * MIB, 32 * MIB, MEMORY_RESERVED); /* leaves 6 MiB, of which it needs 4 */
    relocatable(anywhere);
    machine_kernel_at(0x1200000);
    machine_module(0x1400000, "");
    load();
    check_segment(&two[0], machine.entry.kernel.start - 0x200000);
    check_segment(&two[1], machine.entry.kernel.start - 0x200000);
    check_module(0, word_of(tag2(3, 0), 8), word_of(tag2(3, 0), 12));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elf32_with_multiboot),
        cmocka_unit_test(elf64_with_multiboot2),
        cmocka_unit_test(a_physical_entry_point_will_do),
        cmocka_unit_test(address_fields_of_multiboot),
        cmocka_unit_test(a_wish_for_graphics_is_told),
        cmocka_unit_test(address_fields_without_a_bss),
        cmocka_unit_test(address_fields_to_the_end_of_the_file),
        cmocka_unit_test(address_tag_of_multiboot2),
        cmocka_unit_test(information_of_multiboot),
        cmocka_unit_test(framebuffer_of_multiboot),
        cmocka_unit_test(information_of_multiboot2),
        cmocka_unit_test(what_is_unknown_is_left_out),
        cmocka_unit_test(files_in_the_way_are_moved),
        cmocka_unit_test(a_relocatable_kernel_goes_where_it_likes),
        cmocka_unit_test(a_relocatable_kernel_may_move_its_own_file),
    };

    return cmocka_run_group_tests_name("multiboot", tests, NULL, NULL);
}
