/* boot/multiboot2.c: every tag, in every order, cut at every byte. */
#include "tests/host/support.h"

#include "boot/multiboot2.h"
#include "tests/host/bytes.h"

static struct bytes input;
static uint8_t *copy; /* of exactly the size that the parser may read */
static struct boot_info info;
static struct error error;

static void start(void)
{
    input.size = 0;
    put(&input, 4, 0);
    put(&input, 4, 0);
}

/* A tag of `size` bytes; what follows is to be put by the caller. */
static void put_tag(uint32_t type, uint32_t size)
{
    put_align(&input, 8);
    put(&input, 4, type);
    put(&input, 4, size);
}

static void put_string_tag(uint32_t type, const char *text)
{
    put_tag(type, 8 + (uint32_t)strlen(text) + 1);
    put_bytes(&input, text, strlen(text) + 1);
}

static void put_module(uint32_t first, uint32_t end, const char *text)
{
    put_tag(3, 16 + (uint32_t)strlen(text) + 1);
    put(&input, 4, first);
    put(&input, 4, end);
    put_bytes(&input, text, strlen(text) + 1);
}

static void put_memory_entry(uint64_t base, uint64_t length, uint32_t type)
{
    put(&input, 8, base);
    put(&input, 8, length);
    put(&input, 4, type);
    put(&input, 4, 0xeeeeeeee);
}

static void put_memory_map(void)
{
    put_tag(6, 16 + 3 * 24);
    put(&input, 4, 24);
    put(&input, 4, 0);
    put_memory_entry(0, 0x9fc00, 1);
    put_memory_entry(0x100000, 0x7ee0000, 1);
    put_memory_entry(0x7fe0000, 0x20000, 3);
}

static void put_framebuffer(uint8_t kind)
{
    put_tag(8, kind == 1 ? 38 : kind == 0 ? 36 : 32);
    put(&input, 8, 0x1fd000000);
    put(&input, 4, 4096);
    put(&input, 4, 1024);
    put(&input, 4, 768);
    put(&input, 1, 32);
    put(&input, 1, kind);
    put(&input, 2, 0);
    if (kind == 1)
        put_bytes(&input, "\x10\x08\x09\x07\x02\x06", 6);
    else if (kind == 0)
        put(&input, 4, 0); /* an empty palette */
}

static void put_rsdp(bool new, char mark)
{
    put_tag(new ? 15 : 14, 8 + (new ? 36 : 20));
    put_bytes(&input, "RSD PTR ", 8);
    put(&input, 1, (uint64_t)mark);
    put_zeros(&input, new ? 27 : 11);
}

static void put_efi_memory_map(void)
{
    put_tag(17, 16 + 2 * 48);
    put(&input, 4, 48);
    put(&input, 4, 1);
    put_bytes(&input, "first descriptor", 16);
    put_zeros(&input, 2 * 48 - 16);
}

static void put_end(void)
{
    put_tag(0, 8);
    patch(&input, 0, 4, input.size);
}

static bool parse_cut(size_t size)
{
    free(copy);
    copy = malloc(size ? size : 1);
    memcpy(copy, input.data, size);
    memset(&info, 0xa5, sizeof(info));
    memset(&error, 0, sizeof(error));
    return multiboot2_parse(copy, size, &info, &error);
}

static void parse(void)
{
    bool ok = parse_cut(input.size);

    if (!ok)
        fail_msg("%s", error.text);
}

static void parse_fails(const char *part)
{
    assert_false(parse_cut(input.size));
    assert_contains(error.text, part);
    assert_contains(error.text, ": ");
}

/* ---- tags that are right ---- */

static void least_is_a_memory_map(void **state)
{
    (void)state;
    start();
    put_memory_map();
    put_end();
    parse();
    assert_string_equal(info.command_line, "");
    assert_string_equal(info.loader_name, "");
    assert_int_equal(info.module_count, 0);
    assert_null(info.rsdp);
    assert_int_equal(info.rsdp_size, 0);
    assert_int_equal(info.framebuffer.kind, FRAMEBUFFER_NONE);
    assert_int_equal(info.efi_system_table, 0);
    assert_false(info.efi_64bit);
    assert_false(info.efi_boot_services);
    assert_null(info.efi_memory_map);
    assert_int_equal(info.memmap.count, 3);
    assert_int_equal(info.memmap.entries[2].range.start, 0x7fe0000);
    assert_int_equal(info.memmap.entries[2].range.end, 0x8000000);
    assert_int_equal(info.memmap.entries[2].kind, MEMORY_ACPI_RECLAIMABLE);
}

static void no_memory_map_is_an_error(void **state)
{
    (void)state;
    start();
    put_end();
    parse_fails("no memory map");
    start();
    put_tag(6, 16);
    put(&input, 4, 24);
    put(&input, 4, 0);
    put_end();
    parse_fails("no memory map, or an empty one");
}

static void strings_are_taken_whole(void **state)
{
    (void)state;
    start();
    put_string_tag(1, "log=debug  serial=off ");
    put_string_tag(2, "GRUB 2.06");
    put_memory_map();
    put_end();
    parse();
    assert_string_equal(info.command_line, "log=debug  serial=off ");
    assert_string_equal(info.loader_name, "GRUB 2.06");
    assert_true((const uint8_t *)info.command_line > copy && (const uint8_t *)info.command_line < copy + input.size);
}

static void modules_keep_their_order(void **state)
{
    (void)state;
    start();
    put_module(0x200000, 0xa12345, "root=/dev/sda1 console=ttyS0");
    put_memory_map();
    put_module(0xfffff000, 0xffffffff, "");
    put_module(0x5000, 0x5000, "empty");
    put_end();
    parse();
    assert_int_equal(info.module_count, 3);
    assert_int_equal(info.modules[0].range.start, 0x200000);
    assert_int_equal(info.modules[0].range.end, 0xa12345);
    assert_string_equal(info.modules[0].string, "root=/dev/sda1 console=ttyS0");
    assert_int_equal(info.modules[1].range.end, 0xffffffff);
    assert_string_equal(info.modules[1].string, "");
    assert_int_equal(range_size(info.modules[2].range), 0);
}

static void modules_up_to_the_maximum(void **state)
{
    (void)state;
    start();
    put_memory_map();
    for (uint32_t i = 0; i < BOOT_MODULES_MAX; i++)
        put_module(i * 0x1000, i * 0x1000 + 1, "m");
    put_end();
    parse();
    assert_int_equal(info.module_count, BOOT_MODULES_MAX);
    input.size -= 8;
    put_module(0, 1, "one too many");
    put_end();
    parse_fails("more than 16 modules: remove");
}

static void memory_maps_of_other_shapes(void **state)
{
    (void)state;
    start();
    put_tag(6, 16 + 2 * 32);
    put(&input, 4, 32); /* a later version may have longer entries */
    put(&input, 4, 1);
    put_memory_entry(0x1000, UINT64_MAX, 1);
    put_zeros(&input, 8);
    put_memory_entry(0x10000, 0x1000, 77);
    put_zeros(&input, 8);
    put_end();
    parse();
    assert_int_equal(info.memmap.count, 3);
    assert_int_equal(info.memmap.entries[1].kind, MEMORY_RESERVED);
    assert_int_equal(info.memmap.entries[2].range.end, UINT64_MAX);
}

static void framebuffers(void **state)
{
    (void)state;
    for (uint8_t kind = 0; kind <= 3; kind++) {
        start();
        put_memory_map();
        put_framebuffer(kind);
        put_end();
        parse();
        assert_int_equal(info.framebuffer.kind, kind <= 2 ? kind : FRAMEBUFFER_NONE);
        assert_true(info.framebuffer.address == (kind <= 2 ? 0x1fd000000 : 0));
        if (kind != 1)
            continue;
        assert_int_equal(info.framebuffer.pitch, 4096);
        assert_int_equal(info.framebuffer.width, 1024);
        assert_int_equal(info.framebuffer.height, 768);
        assert_int_equal(info.framebuffer.bits_per_pixel, 32);
        assert_int_equal(info.framebuffer.red_position, 0x10);
        assert_int_equal(info.framebuffer.red_size, 8);
        assert_int_equal(info.framebuffer.green_position, 9);
        assert_int_equal(info.framebuffer.green_size, 7);
        assert_int_equal(info.framebuffer.blue_position, 2);
        assert_int_equal(info.framebuffer.blue_size, 6);
    }
}

/* The newer of two wins whichever comes first: the RSDP and the EFI system table. */
static void the_newer_tag_wins(void **state)
{
    (void)state;
    for (unsigned order = 0; order < 2; order++) {
        start();
        put_memory_map();
        put_rsdp(order == 0, order == 0 ? 'N' : 'O');
        put_tag(order == 0 ? 12 : 11, order == 0 ? 16 : 12);
        put(&input, order == 0 ? 8 : 4, order == 0 ? 0x1234567890 : 0x1111);
        put_rsdp(order == 1, order == 1 ? 'N' : 'O');
        put_tag(order == 1 ? 12 : 11, order == 1 ? 16 : 12);
        put(&input, order == 1 ? 8 : 4, order == 1 ? 0x1234567890 : 0x1111);
        put_end();
        parse();
        assert_int_equal(info.rsdp_size, 36);
        assert_memory_equal(info.rsdp, "RSD PTR N", 9);
        assert_int_equal(info.efi_system_table, 0x1234567890);
        assert_true(info.efi_64bit);
    }
}

static void the_older_tags_alone(void **state)
{
    (void)state;
    start();
    put_memory_map();
    put_rsdp(false, 'O');
    put_tag(11, 12);
    put(&input, 4, 0x7fed0018);
    put_tag(18, 8);
    put_efi_memory_map();
    put_end();
    parse();
    assert_int_equal(info.rsdp_size, 20);
    assert_memory_equal(info.rsdp, "RSD PTR O", 9);
    assert_int_equal(info.efi_system_table, 0x7fed0018);
    assert_false(info.efi_64bit);
    assert_true(info.efi_boot_services);
    assert_int_equal(info.efi_memory_map_size, 96);
    assert_int_equal(info.efi_descriptor_size, 48);
    assert_int_equal(info.efi_descriptor_version, 1);
    assert_memory_equal(info.efi_memory_map, "first descriptor", 16);
}

static void unknown_tags_are_skipped(void **state)
{
    static const uint32_t types[] = {4, 5, 7, 9, 10, 13, 16, 19, 20, 21, 22, 99, 0x80000000, 0xffffffff};

    (void)state;
    start();
    for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
        put_tag(types[i], 8 + i);
        put_zeros(&input, i);
    }
    put_memory_map();
    put_end();
    parse();
    assert_int_equal(info.memmap.count, 3);
}

/* What lies behind the end tag isn't looked at. */
static void the_end_tag_ends(void **state)
{
    (void)state;
    start();
    put_memory_map();
    put_end();
    put_tag(1, 3);
    patch(&input, 0, 4, input.size);
    parse();
}

/* ---- tags that are wrong ---- */

static void strings_without_an_end(void **state)
{
    static const struct {
        uint32_t type, fixed;
        const char *name;
    } tags[] = {{1, 0, "the command line tag"}, {2, 0, "the boot loader name tag"}, {3, 8, "the module tag"}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(tags); i++) {
        start();
        put_memory_map();
        put_tag(tags[i].type, 8 + tags[i].fixed + 5);
        put_zeros(&input, tags[i].fixed);
        put_bytes(&input, "quiet", 5);
        put_end();
        parse_fails("has no end");
        assert_contains(error.text, tags[i].name);
        start();
        put_memory_map();
        put_tag(tags[i].type, 8 + tags[i].fixed);
        put_zeros(&input, tags[i].fixed);
        put_end();
        parse_fails(tags[i].name);
        assert_contains(error.text, tags[i].fixed ? "has 16 bytes, but needs 17" : "has 8 bytes, but needs 9");
    }
}

static void a_module_that_ends_before_it_starts(void **state)
{
    (void)state;
    start();
    put_memory_map();
    put_module(0x1000, 0x2000, "good");
    put_module(0x200000, 0x1fffff, "bad");
    put_end();
    parse_fails("module 2");
    assert_contains(error.text, "ends at 0x1fffff, below its start 0x200000");
}

static void tags_too_short_for_what_they_say(void **state)
{
    char want[100];
    static const struct {
        uint32_t type, least;
    } tags[] = {{1, 9}, {2, 9}, {3, 17}, {6, 16}, {8, 32}, {11, 12}, {12, 16}, {14, 28}, {15, 44}, {17, 16}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(tags); i++)
        for (uint32_t size = 0; size <= tags[i].least; size++) {
            start();
            put_memory_map();
            put_tag(tags[i].type, size);
            put_zeros(&input, size < 8 ? 0 : size - 8);
            if (tags[i].type == 6 && size == 16)
                patch(&input, input.size - 8, 4, 24);
            put_end();
            if (size == tags[i].least) {
                parse();
            } else {
                snprintf(want, sizeof(want), " tag at offset 0x60 has %u bytes, but needs %u: ", size,
                         size < 8 ? 8 : tags[i].least);
                parse_fails(tags[i].type <= 3 && size >= 8 ? " tag at offset 0x60 " : want);
            }
        }
}

static void memory_map_entries_that_do_not_fit(void **state)
{
    (void)state;
    for (uint32_t entry_size = 0; entry_size < 24; entry_size++) {
        start();
        put_tag(6, 16 + 24);
        put(&input, 4, entry_size);
        put(&input, 4, 0);
        put_memory_entry(0, 0x1000, 1);
        put_end();
        parse_fails("the memory map tag at offset 0x8 has entries of");
    }
    for (uint32_t extra = 1; extra < 24; extra++) {
        start();
        put_tag(6, 16 + 24 + extra);
        put(&input, 4, 24);
        put(&input, 4, 0);
        put_memory_entry(0, 0x1000, 1);
        put_zeros(&input, extra);
        put_end();
        parse_fails("the memory map tag");
    }
    start();
    put_tag(6, 16 + 24);
    put(&input, 4, 0xffffffff);
    put(&input, 4, 0);
    put_memory_entry(0, 0x1000, 1);
    put_end();
    parse();
}

static void a_memory_map_with_too_many_ranges(void **state)
{
    (void)state;
    start();
    put_tag(6, 16 + 24 * (MEMMAP_MAX + 1));
    put(&input, 4, 24);
    put(&input, 4, 0);
    for (uint64_t i = 0; i <= MEMMAP_MAX; i++)
        put_memory_entry(i * 0x2000, 0x1000, 1);
    put_end();
    parse_fails("more than 256 ranges: build");
}

static void an_rgb_framebuffer_needs_its_colours(void **state)
{
    (void)state;
    for (uint32_t size = 32; size <= 38; size++) {
        start();
        put_memory_map();
        put_framebuffer(1);
        patch(&input, input.size - 38 + 4, 4, size);
        input.size -= 38 - size;
        put_end();
        if (size == 38)
            parse();
        else
            parse_fails("the framebuffer tag");
    }
}

/* A tag's size reaches beyond all there is, by one byte and by as much as can be written. */
static void tags_beyond_the_end(void **state)
{
    static const uint32_t types[] = {0, 1, 3, 6, 99};
    size_t at;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(types); i++)
        for (unsigned huge = 0; huge < 2; huge++) {
            start();
            put_memory_map();
            at = input.size;
            put_tag(types[i], 0);
            put_zeros(&input, 24);
            patch(&input, 0, 4, input.size);
            patch(&input, at + 4, 4, huge ? 0xffffffff : input.size - at + 1);
            parse_fails("but only 0x20 are left");
        }
}

static void total_size_beyond_what_can_be_read(void **state)
{
    (void)state;
    start();
    put_memory_map();
    put_end();
    patch(&input, 0, 4, input.size + 1);
    parse_fails("can be read");
    patch(&input, 0, 4, 0xffffffff);
    parse_fails("0xffffffff bytes");
    for (uint32_t total = 0; total < 16; total++) {
        patch(&input, 0, 4, total);
        parse_fails("no end tag");
    }
}

static void put_everything(void)
{
    start();
    put_string_tag(1, "log=debug");
    put_string_tag(2, "GRUB 2.06");
    put_module(0x200000, 0xa12345, "quiet");
    put_memory_map();
    put_framebuffer(1);
    put_rsdp(false, 'O');
    put_rsdp(true, 'N');
    put_tag(12, 16);
    put(&input, 8, 0x7fed0018);
    put_efi_memory_map();
    put_tag(18, 8);
    put_end();
}

/* At every byte, both as the loader would cut it (total_size says so) and as memory would end (it doesn't). */
static void cut_anywhere_it_fails(void **state)
{
    size_t whole;

    (void)state;
    put_everything();
    parse();
    whole = input.size;
    for (size_t size = 0; size < whole; size++) {
        patch(&input, 0, 4, whole);
        assert_false(parse_cut(size));
        assert_contains(error.text, "multiboot2: ");
        patch(&input, 0, 4, size);
        assert_false(parse_cut(size));
        assert_contains(error.text, "multiboot2: ");
    }
}

/* Any byte may be wrong; the outcome must be a whole struct or a message, never a crash (ASan and UBSan watch). */
static void any_byte_may_be_wrong(void **state)
{
    static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};

    (void)state;
    put_everything();
    for (size_t at = 0; at < input.size; at++) {
        uint8_t right = input.data[at];

        for (unsigned v = 0; v < ARRAY_SIZE(values); v++) {
            input.data[at] = values[v];
            if (!parse_cut(input.size))
                assert_contains(error.text, "multiboot2: ");
        }
        input.data[at] = right;
    }
}

static int teardown(void **state)
{
    (void)state;
    free(copy);
    copy = NULL;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(least_is_a_memory_map),
        cmocka_unit_test(no_memory_map_is_an_error),
        cmocka_unit_test(strings_are_taken_whole),
        cmocka_unit_test(modules_keep_their_order),
        cmocka_unit_test(modules_up_to_the_maximum),
        cmocka_unit_test(memory_maps_of_other_shapes),
        cmocka_unit_test(framebuffers),
        cmocka_unit_test(the_newer_tag_wins),
        cmocka_unit_test(the_older_tags_alone),
        cmocka_unit_test(unknown_tags_are_skipped),
        cmocka_unit_test(the_end_tag_ends),
        cmocka_unit_test(strings_without_an_end),
        cmocka_unit_test(a_module_that_ends_before_it_starts),
        cmocka_unit_test(tags_too_short_for_what_they_say),
        cmocka_unit_test(memory_map_entries_that_do_not_fit),
        cmocka_unit_test(a_memory_map_with_too_many_ranges),
        cmocka_unit_test(an_rgb_framebuffer_needs_its_colours),
        cmocka_unit_test(tags_beyond_the_end),
        cmocka_unit_test(total_size_beyond_what_can_be_read),
        cmocka_unit_test(cut_anywhere_it_fails),
        cmocka_unit_test(any_byte_may_be_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, teardown);
}
