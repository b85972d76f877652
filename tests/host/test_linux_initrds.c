/* guest/linux_initrds.c by way of linux_load(): several files become one initrd, whatever lies where. */
#include "tests/host/linux_fixture.h"

static uint64_t seeds[GUEST_MODULES_MAX];

static void make(uint64_t size)
{
    machine_make(size);
    header_make();
    kernel_put(2 * MIB);
}

/* One more file for the initrd, as guest_source_describe() has it. */
static void put(uint64_t at, uint64_t size)
{
    const unsigned i = machine.source.module_count++;

    machine.source.modules[i] = (struct guest_module){range_of(at, size), ""};
    seeds[i] = ++seed << 32;
    fill(at, size, seeds[i]);
    if (i == 0)
        machine.source.initrd = machine.source.modules[0].range;
}

static void check_zeros(uint64_t at, uint64_t end)
{
    for (; at < end; at++)
        assert_int_equal(memory[at], 0);
}

static void load_joined(void)
{
    const struct range *initrd = &machine.entry.initrd;
    const struct boot_params *params;
    uint64_t at;

    if (!linux_load(&machine.source, &machine.entry, &machine.error))
        fail_msg("%s", machine.error.text);
    params = (const struct boot_params *)(memory + machine.entry.esi);
    check_kernel(params);
    check_parameters(params);
    check_place(*initrd);
    assert_int_equal(params->hdr.ramdisk_image, initrd->start);
    assert_int_equal(params->hdr.ramdisk_size, range_size(*initrd));
    assert_true(initrd->end - 1 <= machine.header.initrd_addr_max);
    assert_false(range_overlaps(whole_pages_of(*initrd), machine.entry.kernel));
    at = initrd->start;
    for (unsigned i = 0; i < machine.source.module_count; i++) {
        check_zeros(at, ALIGN_UP(at, 4));
        at = ALIGN_UP(at, 4);
        assert_true(is_filled(at, range_size(machine.source.modules[i].range), seeds[i]));
        at += range_size(machine.source.modules[i].range);
    }
    assert_int_equal(at, initrd->end);
}

static void files_follow_each_other(void **state)
{
    (void)state;
    make(512 * MIB);
    put(80 * MIB, 3 * MIB + 1);
    put(84 * MIB, 5 * MIB + 6);
    put(90 * MIB, 7);
    load_joined();
    assert_int_equal(range_size(machine.entry.initrd), 8 * MIB + 4 + 8 + 7);
}

/* As an initrd that is one file: it isn't even moved. */
static void one_file_stays(void **state)
{
    (void)state;
    make(512 * MIB);
    put(80 * MIB, 3 * MIB + 1);
    load_joined();
    assert_int_equal(machine.entry.initrd.start, 80 * MIB);
}

static void empty_files_count_nothing(void **state)
{
    (void)state;
    make(512 * MIB);
    put(80 * MIB, 0);
    put(84 * MIB, 100);
    put(85 * MIB, 0);
    load_joined();
    assert_int_equal(range_size(machine.entry.initrd), 100);
}

/* Where the kernel goes, where the highest free RAM is, across the limit. */
static void they_may_lie_anywhere(void **state)
{
    static const uint64_t places[] = {16 * MIB, 12 * MIB, 63 * MIB, 296 * MIB + 4, 299 * MIB, 500 * MIB, 504 * MIB};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(places); i++)
        for (unsigned j = 0; j < ARRAY_SIZE(places); j++) {
            if (i == j)
                continue;
            make(512 * MIB);
            machine_block(505 * MIB, 2 * MIB);
            machine.header.initrd_addr_max = 300 * MIB - 1;
            memcpy(memory + 2 * MIB + SETUP_HEADER_OFFSET, &machine.header, sizeof machine.header);
            put(places[i], MIB - 3);
            put(places[j], MIB / 2 + 1);
            load_joined();
        }
}

/* The highest free RAM below the limit is the kernel's own file, which moves only after them. */
static void they_keep_clear_of_the_kernels_file(void **state)
{
    (void)state;
    make(512 * MIB);
    kernel_put(304 * MIB - MIB / 2);
    machine.header.initrd_addr_max = 304 * MIB - 1;
    memcpy(memory + machine.source.kernel.start + SETUP_HEADER_OFFSET, &machine.header, sizeof machine.header);
    put(80 * MIB, MIB - 3);
    put(84 * MIB, MIB / 2 + 1);
    load_joined();
}

static void as_many_as_there_may_be(void **state)
{
    (void)state;
    make(512 * MIB);
    for (unsigned i = 0; i < GUEST_MODULES_MAX; i++)
        put(80 * MIB + i * MIB, 1000 * i + i);
    load_joined();
}

static void too_little_memory_is_named(void **state)
{
    (void)state;
    make(96 * MIB);
    put(30 * MIB, 20 * MIB);
    put(52 * MIB, 20 * MIB);
    refuse("the 2 initrds (40960 KiB together)", "RAM: 95 MiB", "use smaller ones or more memory");
    assert_true(is_filled(30 * MIB, 20 * MIB, seeds[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_follow_each_other),
        cmocka_unit_test(one_file_stays),
        cmocka_unit_test(empty_files_count_nothing),
        cmocka_unit_test(they_may_lie_anywhere),
        cmocka_unit_test(they_keep_clear_of_the_kernels_file),
        cmocka_unit_test(as_many_as_there_may_be),
        cmocka_unit_test(too_little_memory_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, forget);
}
