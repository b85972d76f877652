/* The Linux loader's placement: every way in which files and places can overlap, and what can be in the way. */
#include "tests/host/linux_fixture.h"

/* One case: where the loader left the files, and where they must be afterwards (0: anywhere allowed). */
static const struct {
    const char *name;
    uint64_t memory, kernel, initrd, initrd_size;
    uint64_t kernel_to, initrd_to;
} layouts[] = {
    {"nothing overlaps", 512 * MIB, 2 * MIB, 80 * MIB, 5 * MIB, 16 * MIB, 80 * MIB},
    {"kernel file at pref_address", 512 * MIB, 16 * MIB, 80 * MIB, 5 * MIB, 16 * MIB, 80 * MIB},
    {"kernel file just below", 512 * MIB, 16 * MIB - PAGE_SIZE, 80 * MIB, 5 * MIB, 16 * MIB, 80 * MIB},
    {"kernel file reaches in from below", 512 * MIB, 12 * MIB, 80 * MIB, 5 * MIB, 16 * MIB, 80 * MIB},
    {"kernel file already in place", 512 * MIB, 16 * MIB - 20480, 80 * MIB, 5 * MIB, 16 * MIB, 80 * MIB},
    {"kernel file reaches in from above", 512 * MIB, 20 * MIB, 80 * MIB, 5 * MIB, 16 * MIB, 80 * MIB},
    {"initrd at pref_address", 512 * MIB, 2 * MIB, 16 * MIB, 5 * MIB, 16 * MIB, 507 * MIB},
    {"initrd reaches in from below", 512 * MIB, 100 * MIB, 12 * MIB, 5 * MIB, 16 * MIB, 507 * MIB},
    {"initrd in the last page of init_size", 512 * MIB, 2 * MIB, 64 * MIB - PAGE_SIZE, 5 * MIB, 16 * MIB, 507 * MIB},
    {"initrd right behind init_size", 512 * MIB, 2 * MIB, 64 * MIB, 5 * MIB, 16 * MIB, 64 * MIB},
    {"initrd ends right below pref_address", 512 * MIB, 100 * MIB, 11 * MIB, 5 * MIB, 16 * MIB, 11 * MIB},
    {"both at pref_address", 512 * MIB, 16 * MIB, 25 * MIB, 5 * MIB, 16 * MIB, 507 * MIB},
    {"both, the initrd first", 512 * MIB, 21 * MIB, 16 * MIB, 5 * MIB, 16 * MIB, 507 * MIB},
    {"the initrd would go where the kernel file is", 512 * MIB, 503 * MIB - 20480, 16 * MIB, 5 * MIB, 16 * MIB,
     498 * MIB},
    {"unaligned initrd", 512 * MIB, 2 * MIB, 80 * MIB + 16, 5 * MIB, 16 * MIB, 507 * MIB},
    {"unaligned initrd overlaps its place", 512 * MIB, 2 * MIB, 506 * MIB + 16, 5 * MIB, 16 * MIB, 507 * MIB},
    {"256 MiB", 256 * MIB, 2 * MIB, 11 * MIB, 40 * MIB, 16 * MIB, 216 * MIB},
    /* too little for all at once: the kernel file's own memory must serve */
    {"96 MiB, full", 96 * MIB, 88 * MIB - 20480, 16 * MIB, 24 * MIB, 16 * MIB, 0},
    {"80 MiB, kernel first", 81 * MIB, 72 * MIB, 1 * MIB + 16, 14 * MIB, 0, 0},
};

static void files_and_places_may_overlap(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(layouts); i++) {
        machine_make(layouts[i].memory);
        header_make();
        kernel_put(layouts[i].kernel);
        initrd_put(layouts[i].initrd, layouts[i].initrd_size);
        if (getenv("SHOW"))
            print_message("    %s\n", layouts[i].name);
        load();
        if (layouts[i].kernel_to)
            assert_int_equal(machine.entry.kernel.start, layouts[i].kernel_to);
        if (layouts[i].initrd_to)
            assert_int_equal(machine.entry.initrd.start, layouts[i].initrd_to);
    }
}

static void the_initrd_goes_below_its_limit(void **state)
{
    static const uint64_t starts[] = {400 * MIB, 296 * MIB, 295 * MIB + PAGE_SIZE, 295 * MIB};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
        machine_make(512 * MIB);
        header_make();
        machine.header.initrd_addr_max = 300 * MIB - 1;
        kernel_put(2 * MIB);
        initrd_put(starts[i], 5 * MIB);
        load();
        assert_int_equal(machine.entry.initrd.start, 295 * MIB);
    }
    machine.header.initrd_addr_max--;
    kernel_put(2 * MIB);
    load();
    assert_int_equal(machine.entry.initrd.start, 295 * MIB - PAGE_SIZE);
}

static void memory_that_is_too_small_is_named(void **state)
{
    (void)state;
    machine_make(63 * MIB); /* 1 MiB less than pref_address + init_size */
    header_make();
    kernel_put(2 * MIB);
    refuse("49152 KiB", "0x1000000", "RAM: 62 MiB");
    machine_make(64 * MIB);
    header_make();
    kernel_put(2 * MIB);
    load();
    machine_make(80 * MIB);
    header_make();
    kernel_put(2 * MIB);
    initrd_put(11 * MIB, 30 * MIB);
    refuse("initrd (30720 KiB)", "initrd_addr_max", "RAM: 79 MiB");
}

static void the_block_and_avoid_are_left_alone(void **state)
{
    (void)state;
    machine_make(512 * MIB);
    header_make();
    machine_block(510 * MIB, 2 * MIB);
    machine.source.avoid[0] = range_of(500 * MIB, 10 * MIB);
    machine.source.avoid[1] = range_of(0x10000, 0x60000);
    machine.source.avoid_count = 2;
    fill(500 * MIB, 12 * MIB, 7);
    kernel_put(2 * MIB);
    initrd_put(16 * MIB, 5 * MIB);
    load();
    assert_int_equal(machine.entry.initrd.end, 500 * MIB);
    assert_int_equal(machine.entry.parameters.start, 0x70000);
    assert_true(is_filled(500 * MIB, 12 * MIB, 7));
}

static void a_relocatable_kernel_goes_round_the_block(void **state)
{
    (void)state;
    machine_make(512 * MIB);
    header_make();
    machine_block(60 * MIB, 2 * MIB);
    kernel_put(2 * MIB);
    initrd_put(70 * MIB, 5 * MIB);
    load();
    assert_int_equal(machine.entry.kernel.start, 76 * MIB); /* behind the initrd, which stays */
    assert_int_equal(machine.entry.initrd.start, 70 * MIB);
    machine.header.relocatable_kernel = 0;
    kernel_put(2 * MIB);
    refuse("pref_address", "0x1000000", "relocatable");
}

static void alignment_is_lowered_where_it_must(void **state)
{
    (void)state;
    machine_make(512 * MIB);
    header_make();
    machine.header.kernel_alignment = 256 * MIB;
    machine.header.pref_address = 256 * MIB;
    machine.header.min_alignment = 24;
    machine_block(256 * MIB, 2 * MIB);
    kernel_put(2 * MIB);
    assert_int_equal(load()->hdr.kernel_alignment, 128 * MIB);
    assert_int_equal(machine.entry.kernel.start, 384 * MIB);
    machine.header.min_alignment = 0; /* then kernel_alignment is a must */
    kernel_put(2 * MIB);
    refuse("pref_address", "init_size", NULL);
}

static void holes_in_the_map(void **state)
{
    (void)state;
    machine_make(512 * MIB);
    header_make();
    add_memory(40 * MIB, 40 * MIB + PAGE_SIZE, MEMORY_ACPI_NVS); /* in pref_address + init_size */
    add_memory(15 * MIB, 16 * MIB, MEMORY_RESERVED);
    add_memory(300 * MIB, 512 * MIB, MEMORY_ACPI_RECLAIMABLE);
    kernel_put(2 * MIB);
    initrd_put(299 * MIB, 2 * MIB); /* half of it where no RAM is */
    load();
    assert_int_equal(machine.entry.kernel.start, 42 * MIB);
    assert_int_equal(machine.entry.initrd.end, 300 * MIB);
}

static void memory_above_4_gib_is_not_used(void **state)
{
    static const uint64_t prefs[] = {4 * GIB - 32 * MIB, 4 * GIB, 5 * GIB};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(prefs); i++) {
        machine_make(512 * MIB);
        header_make();
        add_memory(3 * GIB, 8 * GIB, MEMORY_RAM);
        machine.header.pref_address = prefs[i];
        kernel_put(2 * MIB);
        refuse("below 4 GiB", "pref_address", NULL);
    }
    machine.header.pref_address = 16 * MIB;
    machine.header.initrd_addr_max = UINT32_MAX;
    kernel_put(2 * MIB);
    initrd_put(18 * MIB, MIB);
    refuse("can't reach", NULL, NULL); /* this machine has nothing mapped right below 4 GiB */
}

static void no_low_memory(void **state)
{
    (void)state;
    machine_make(512 * MIB);
    header_make();
    add_memory(0, 640 * KIB, MEMORY_RESERVED);
    kernel_put(2 * MIB);
    load();
    assert_true(machine.entry.parameters.start >= MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_and_places_may_overlap),
        cmocka_unit_test(the_initrd_goes_below_its_limit),
        cmocka_unit_test(memory_that_is_too_small_is_named),
        cmocka_unit_test(the_block_and_avoid_are_left_alone),
        cmocka_unit_test(a_relocatable_kernel_goes_round_the_block),
        cmocka_unit_test(alignment_is_lowered_where_it_must),
        cmocka_unit_test(holes_in_the_map),
        cmocka_unit_test(memory_above_4_gib_is_not_used),
        cmocka_unit_test(no_low_memory),
    };

    return cmocka_run_group_tests_name("linux placement", tests, NULL, forget);
}
