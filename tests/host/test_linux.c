/* The Linux loader: header checks, the zero page, and the real kernels that the build has. */
#include "tests/host/linux_fixture.h"

#include <glob.h>

/* --- good kernels --- */

static void a_kernel_goes_to_pref_address(void **state)
{
    (void)state;
    machine_make(512 * MIB);
    header_make();
    kernel_put(2 * MIB);
    initrd_put(100 * MIB, 3 * MIB + 123);
    load();
    assert_int_equal(machine.entry.kernel.start, 16 * MIB);
    assert_int_equal(machine.entry.initrd.start, 100 * MIB); /* stayed */
    assert_in_range(machine.entry.parameters.start, 0x10000, 0x80000);
}

static void a_kernel_needs_no_initrd(void **state)
{
    (void)state;
    machine_make(512 * MIB);
    header_make();
    kernel_put(2 * MIB);
    load();
}

static void setup_sects_0_means_4(void **state)
{
    (void)state;
    machine_make(512 * MIB);
    header_make();
    machine.header.setup_sects = 0;
    kernel_put(2 * MIB);
    assert_int_equal(machine.setup_size, 5 * 512);
    load();
}

static void protocol_2_10_suffices(void **state)
{
    (void)state;
    machine_make(512 * MIB);
    header_make();
    machine.header.version = 0x020a;
    machine.header.jump_distance = 0x264 - 0x202;
    machine.header.handover_offset = 0x55555555; /* beyond the header's end */
    kernel_put(2 * MIB);
    assert_int_equal(load()->hdr.handover_offset, 0);
}

/* Each version's own header; what lies behind it (here all ones) is no field. */
static void protocols_from_2_04_on(void **state)
{
    static const uint16_t ends[] = {0x230, 0x235, 0x23c, 0x248, 0x250, 0x258, 0x264, 0x268};

    (void)state;
    for (unsigned minor = 4; minor <= 11; minor++)
        for (unsigned longer = 0; longer <= 4; longer += 4) {
            const size_t size = ends[minor - 4] - SETUP_HEADER_OFFSET;

            machine_make(512 * MIB);
            header_make();
            machine.header.version = (uint16_t)(0x200 + minor);
            machine.header.jump_distance = (uint8_t)(ends[minor - 4] - 0x202 + longer);
            memset((uint8_t *)&machine.header + size, 0xff, sizeof machine.header - size);
            if (minor < 10)
                machine.header.min_alignment = 40; /* padding */
            machine.header.relocatable_kernel = minor >= 5 ? machine.header.relocatable_kernel : 0;
            kernel_put(100 * MIB);
            if (minor == 4)
                memory[100 * MIB + 0x234] = 0xff;
            initrd_put(64 * MIB, MIB);
            load();
            machine.header.jump_distance = (uint8_t)(ends[minor - 4] - 0x202 - 1);
            kernel_put(100 * MIB);
            if (minor <= 10)
                refuse("jump", NULL, NULL);
        }
}

static void an_old_kernel_gets_three_times_its_size(void **state)
{
    (void)state;
    machine_make(512 * MIB);
    header_make();
    machine.header.version = 0x204;
    machine.header.relocatable_kernel = 0;
    kernel_put(100 * MIB);
    initrd_put(24 * MIB, MIB); /* behind the file's size, within what it may unpack to */
    load();
    assert_int_equal(machine.entry.kernel.start, MIB);
    assert_int_equal(machine.entry.kernel.end, 25 * MIB);
    assert_int_equal(machine.entry.initrd.end, 512 * MIB);
}

static void a_fixed_kernel_goes_to_its_address(void **state)
{
    (void)state;
    machine_make(512 * MIB);
    header_make();
    machine.header.relocatable_kernel = 0;
    machine.header.kernel_alignment = 0;
    machine.header.pref_address = 0;
    kernel_put(100 * MIB);
    load();
    machine.header.pref_address = 0x1234000;
    kernel_put(100 * MIB);
    load();
}

static void a_small_init_size_counts_as_the_code(void **state)
{
    (void)state;
    machine_make(512 * MIB);
    header_make();
    machine.header.init_size = 0;
    kernel_put(2 * MIB);
    initrd_put(20 * MIB, MIB); /* behind pref_address, within the code */
    load();
    assert_true(machine.entry.initrd.start >= 24 * MIB);
}

static void the_file_may_be_longer_than_its_header_says(void **state)
{
    (void)state;
    machine_make(512 * MIB);
    header_make();
    kernel_put(2 * MIB);
    machine.source.kernel.end += 1491; /* a signature */
    load();
}

static void the_last_paragraph_may_be_short(void **state)
{
    (void)state;
    machine_make(512 * MIB);
    header_make();
    machine.header.init_size = 0;
    kernel_put(100 * MIB);
    machine.source.kernel.end -= 15;
    machine.system_size -= 15;
    load();
}

static void command_line_of_full_length(void **state)
{
    static char line[2049];

    (void)state;
    machine_make(512 * MIB);
    header_make();
    kernel_put(2 * MIB);
    memset(line, 'a', 2047);
    machine.source.command_line = line;
    load();
    line[2047] = 'b';
    refuse("cmdline_size", "2048", "2047");
    machine.header.cmdline_size = 0; /* then 255, as before protocol 2.06 */
    line[255] = 0;
    kernel_put(2 * MIB);
    load();
    line[255] = 'a';
    line[256] = 0;
    refuse("cmdline_size", "256", "255");
}

static void command_line_longer_than_a_page(void **state)
{
    static char line[5001];

    (void)state;
    machine_make(512 * MIB);
    header_make();
    machine.header.cmdline_size = 8191;
    kernel_put(2 * MIB);
    memset(line, 'a', 5000);
    machine.source.command_line = line;
    load();
    assert_true(range_size(machine.entry.parameters) >= 4096 + 5000);
}

static void what_the_file_says_in_our_fields_is_ignored(void **state)
{
    (void)state;
    machine_make(512 * MIB);
    header_make();
    machine.header.setup_data = 0x123456;
    machine.header.type_of_loader = 0x72;
    machine.header.ramdisk_image = machine.header.ramdisk_size = machine.header.cmd_line_ptr = 0x1000;
    machine.header.loadflags = 0xff;
    kernel_put(2 * MIB);
    load();
}

static void the_command_line_may_lie_where_the_kernel_goes(void **state)
{
    char *line = (char *)memory + 17 * MIB;

    (void)state;
    machine_make(512 * MIB);
    header_make();
    kernel_put(2 * MIB);
    strcpy(line, "quiet");
    machine.source.command_line = line;
    assert_true(linux_load(&machine.source, &machine.entry, &machine.error));
    machine.source.command_line = "quiet";
    check_loaded();
}

/* --- headers that are not --- */

static void set_version(void)
{
    machine.header.version = 0x0203;
}
static void set_low(void)
{
    machine.header.loadflags = 0;
}
static void set_short_header(void)
{
    machine.header.jump_distance = 0x263 - 0x202;
}
static void set_long_header(void)
{
    machine.header.jump_distance = 0x291 - 0x202;
}
static void set_no_code32(void)
{
    machine.header.code32_start = 0;
}
static void set_no_system(void)
{
    machine.header.syssize = 0;
}
static void set_alignment_0(void)
{
    machine.header.kernel_alignment = 0;
}
static void set_alignment_odd(void)
{
    machine.header.kernel_alignment = 0x300000;
}
static void set_min_alignment_high(void)
{
    machine.header.min_alignment = 22;
}
static void set_min_alignment_32(void)
{
    machine.header.min_alignment = 32;
}
static void set_min_alignment_255(void)
{
    machine.header.min_alignment = 255;
}
static void set_pref_low(void)
{
    machine.header.pref_address = 0x90000;
}
static void set_pref_high(void)
{
    machine.header.pref_address = 4 * GIB;
}
static void set_pref_wrapping(void)
{
    machine.header.pref_address = UINT64_MAX - MIB + 1;
}
static void set_pref_beyond_ram(void)
{
    machine.header.pref_address = GIB;
}
static void set_init_size_huge(void)
{
    machine.header.init_size = UINT32_MAX;
}
static void set_fixed_in_hole(void)
{
    machine.header.relocatable_kernel = 0;
    machine.header.pref_address = 512 * MIB - MIB;
}
static void set_initrd_max_0(void)
{
    machine.header.initrd_addr_max = 0;
}
static void set_initrd_max_low(void)
{
    machine.header.initrd_addr_max = 2 * MIB - 1;
}

static const struct {
    void (*set)(void);
    const char *texts[3];
} bad_headers[] = {
    {set_version, {"version", "2.03", "2.04"}},
    {set_low, {"loadflags", "LOADED_HIGH", "bzImage"}},
    {set_short_header, {"0x263", "0x264", NULL}},
    {set_long_header, {"0x291", "0x290", NULL}},
    {set_no_code32, {"BIOS", "13H", NULL}}, /* this machine has none */
    {set_no_system, {"syssize", NULL, NULL}},
    {set_alignment_0, {"kernel_alignment", "0", NULL}},
    {set_alignment_odd, {"kernel_alignment", "0x300000", NULL}},
    {set_min_alignment_high, {"min_alignment", "22", "0x200000"}},
    {set_min_alignment_32, {"min_alignment", "32", NULL}},
    {set_min_alignment_255, {"min_alignment", "255", NULL}},
    {set_pref_low, {"pref_address", "0x90000", NULL}},
    {set_pref_high, {"pref_address", "0x100000000", "RAM: 511 MiB"}},
    {set_pref_wrapping, {"pref_address", "0xfffffffffff00000", NULL}},
    {set_pref_beyond_ram, {"pref_address", "0x40000000", "more memory"}},
    {set_init_size_huge, {"init_size", "4194304 KiB", "more memory"}},
    {set_fixed_in_hole, {"init_size", "pref_address", "relocatable"}},
    {set_initrd_max_0, {"initrd_addr_max", "3073 KiB", "smaller initrd"}},
    {set_initrd_max_low, {"initrd_addr_max", "0x200000", "smaller initrd"}},
};

static void bad_headers_are_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad_headers); i++) {
        machine_make(512 * MIB);
        header_make();
        bad_headers[i].set();
        kernel_put(2 * MIB);
        initrd_put(100 * MIB, 3 * MIB + 123);
        refuse(bad_headers[i].texts[0], bad_headers[i].texts[1], bad_headers[i].texts[2]);
        assert_true(is_filled(100 * MIB, 3 * MIB + 123, machine.initrd_seed));
        assert_true(is_filled(2 * MIB + machine.setup_size, machine.system_size, machine.kernel_seed));
    }
}

static void truncated_files_are_refused_with_both_sizes(void **state)
{
    static const uint64_t sizes[] = {0x206, 1023, 1024, 20480, 20481, 8 * MIB, 8 * MIB + 20464};
    char is[24];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        machine_make(64 * MIB);
        header_make();
        kernel_put(2 * MIB);
        memcpy(arena_add(GIB, sizes[i]), memory + 2 * MIB, sizes[i]); /* by itself, so that reading on is seen */
        machine.source.kernel = range_of(GIB, sizes[i]);
        snprintf(is, sizeof is, "%llu", (unsigned long long)sizes[i]);
        refuse("truncated", is, sizes[i] < 1024 ? "1024" : "8409088");
    }
    machine.source.kernel.end = machine.source.kernel.start;
    refuse("empty", NULL, NULL);
}

static void what_has_no_setup_header_is_refused(void **state)
{
    (void)state;
    machine_make(512 * MIB);
    header_make();
    kernel_put(2 * MIB);
    memcpy(memory + 2 * MIB + 0x202, "hdrS", 4);
    refuse("setup header", NULL, NULL);
    machine.source.kernel = (struct range){4 * GIB, 4 * GIB + MIB};
    refuse("4 GiB", NULL, NULL);
}

/* --- the zero page's other fields --- */

static void many_memory_ranges_use_setup_data(void **state)
{
    (void)state;
    for (unsigned count = 126; count <= 131; count++) {
        machine_make(512 * MIB);
        header_make();
        for (unsigned i = 0; machine.map.count < count; i++)
            add_memory(GIB + i * MIB, GIB + i * MIB + PAGE_SIZE, MEMORY_RESERVED);
        kernel_put(2 * MIB);
        load();
    }
    while (machine.map.count < MEMMAP_MAX)
        add_memory(2 * GIB + machine.map.count * MIB, 2 * GIB + machine.map.count * MIB + 1, MEMORY_RESERVED);
    kernel_put(2 * MIB);
    load();
}

static void screen_text(void **state)
{
    const struct screen_info *info;

    (void)state;
    machine_make(512 * MIB);
    header_make();
    kernel_put(2 * MIB);
    info = &load()->screen_info;
    assert_int_equal(info->orig_video_isVGA, 1);
    assert_int_equal(info->orig_video_mode, 3);
    assert_int_equal(info->orig_video_cols, 80);
    assert_int_equal(info->orig_video_lines, 25);
    assert_int_equal(info->orig_y, 24);
    machine.source.screen.present = machine.source.screen.text = true;
    machine.source.screen.width = 132;
    machine.source.screen.height = 50;
    kernel_put(2 * MIB);
    info = &load()->screen_info;
    assert_int_equal(info->orig_video_cols, 132);
    assert_int_equal(info->orig_y, 49);
}

static void screen_framebuffer(void **state)
{
    const struct screen_info *info;

    (void)state;
    machine_make(512 * MIB);
    header_make();
    kernel_put(2 * MIB);
    machine.source.screen.present = true;
    machine.source.screen.address = 0x4fd000000;
    machine.source.screen.width = 1024;
    machine.source.screen.height = 769;
    machine.source.screen.pitch = 4096;
    machine.source.screen.bits_per_pixel = 32;
    machine.source.screen.red_position = 16;
    machine.source.screen.red_size = 8;
    machine.source.screen.green_position = 9;
    machine.source.screen.green_size = 7;
    machine.source.screen.blue_position = 1;
    machine.source.screen.blue_size = 6;
    info = &load()->screen_info;
    assert_int_equal(info->orig_video_isVGA, 0x23);
    assert_int_equal(info->lfb_base, 0xfd000000);
    assert_int_equal(info->ext_lfb_base, 4);
    assert_int_equal(info->capabilities, 2);
    assert_int_equal(info->lfb_size, 49); /* 769 lines of 4 KiB, in pieces of 64 KiB */
    assert_int_equal(info->lfb_width, 1024);
    assert_int_equal(info->lfb_height, 769);
    assert_int_equal(info->lfb_linelength, 4096);
    assert_int_equal(info->lfb_depth, 32);
    assert_memory_equal(&info->red_size, ((const uint8_t[]){8, 16, 7, 9, 6, 1}), 6); /* size and position of each */
    assert_int_equal(info->rsvd_pos, 0);
    assert_int_equal(info->rsvd_size, 11);
}

/* What no framebuffer can be, or what the fields don't hold, is no screen. */
static void nonsense_is_no_screen(void **state)
{
    static const struct {
        uint64_t address;
        uint32_t pitch, width, height;
        uint8_t bits;
    } rows[] = {
        {0, 4096, 1024, 768, 32},           {0xfd000000, 0, 1024, 768, 32},     {0xfd000000, 4096, 0, 768, 32},
        {0xfd000000, 4096, 1024, 0, 32},    {0xfd000000, 4096, 1024, 768, 0},   {0xfd000000, 4096, 1024, 768, 33},
        {0xfd000000, 65536, 1024, 768, 32}, {0xfd000000, 4096, 65536, 768, 32}, {0xfd000000, 4096, 1024, 65536, 32}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        machine_make(512 * MIB);
        header_make();
        kernel_put(2 * MIB);
        machine.source.screen.present = true;
        machine.source.screen.address = rows[i].address;
        machine.source.screen.pitch = rows[i].pitch;
        machine.source.screen.width = rows[i].width;
        machine.source.screen.height = rows[i].height;
        machine.source.screen.bits_per_pixel = rows[i].bits;
        assert_int_equal(load()->screen_info.orig_video_isVGA, 0);
    }
}

static void memory_size_fields(void **state)
{
    (void)state;
    machine_make(512 * MIB);
    header_make();
    kernel_put(2 * MIB);
    assert_int_equal(load()->alt_mem_k, 511 * 1024);
    assert_int_equal(load()->screen_info.ext_mem_k, 0xfc00);
}

/* --- a real kernel --- */

static bool read_file(const char *path, uint64_t at)
{
    FILE *file = fopen(path, "rb");
    size_t size;

    if (!file)
        return false;
    size = fread(memory + at, 1, 64 * MIB, file);
    fclose(file);
    machine.source.kernel = range_of(at, size);
    return true;
}

static void debian_kernel(const char *path)
{
    uint64_t size;

    machine_make(256 * MIB);
    assert_true(read_file(path, 128 * MIB)); /* to compare with */
    assert_true(read_file(path, 2 * MIB));
    assert_true(linux_recognise(memory + 2 * MIB, range_size(machine.source.kernel)));
    memcpy(&machine.header, memory + 2 * MIB + SETUP_HEADER_OFFSET, sizeof machine.header);
    size = machine.header.syssize * 16ul;
    initrd_put(20 * MIB, 5 * MIB);
    if (!linux_load(&machine.source, &machine.entry, &machine.error))
        fail_msg("%s", machine.error.text);
    assert_int_equal(machine.entry.eip, 16 * MIB);
    assert_int_equal(machine.entry.initrd.end, 256 * MIB);
    assert_memory_equal(memory + 16 * MIB, memory + 128 * MIB + (machine.header.setup_sects + 1) * 512, size);
    print_message("    %s: protected-mode part %lu KiB, init_size %u KiB\n", path, size / 1024,
                  machine.header.init_size / 1024);
}

static void debian_kernels(void **state)
{
    glob_t found;

    (void)state;
    if (glob("build/kernel/*/boot/vmlinuz-*", 0, NULL, &found) != 0)
        skip();
    for (size_t i = 0; i < found.gl_pathc; i++)
        debian_kernel(found.gl_pathv[i]);
    globfree(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kernel_goes_to_pref_address),
        cmocka_unit_test(a_kernel_needs_no_initrd),
        cmocka_unit_test(setup_sects_0_means_4),
        cmocka_unit_test(protocol_2_10_suffices),
        cmocka_unit_test(protocols_from_2_04_on),
        cmocka_unit_test(an_old_kernel_gets_three_times_its_size),
        cmocka_unit_test(a_fixed_kernel_goes_to_its_address),
        cmocka_unit_test(a_small_init_size_counts_as_the_code),
        cmocka_unit_test(the_file_may_be_longer_than_its_header_says),
        cmocka_unit_test(the_last_paragraph_may_be_short),
        cmocka_unit_test(command_line_of_full_length),
        cmocka_unit_test(command_line_longer_than_a_page),
        cmocka_unit_test(what_the_file_says_in_our_fields_is_ignored),
        cmocka_unit_test(the_command_line_may_lie_where_the_kernel_goes),
        cmocka_unit_test(bad_headers_are_refused_by_name),
        cmocka_unit_test(truncated_files_are_refused_with_both_sizes),
        cmocka_unit_test(what_has_no_setup_header_is_refused),
        cmocka_unit_test(many_memory_ranges_use_setup_data),
        cmocka_unit_test(screen_text),
        cmocka_unit_test(screen_framebuffer),
        cmocka_unit_test(nonsense_is_no_screen),
        cmocka_unit_test(memory_size_fields),
        cmocka_unit_test(debian_kernels),
    };

    return cmocka_run_group_tests_name("linux", tests, NULL, forget);
}
