/* boot/ram.c: the block lies in RAM where nobody has anything: not the firmware, not the loader's files, not the image.
 */
#include "tests/host/support.h"

#include "boot/image.h"
#include "boot/ram.h"

enum { PIECES = 40, PIECE_MAX = 24 * MIB, DESCRIPTOR_SIZE = 48, CPUS = 4, CPU_PAGES = 7 };

static struct boot_info info;
static struct memmap free_memory;
static struct block block;
static struct error error;
static uint8_t descriptors[PIECES * DESCRIPTOR_SIZE];

/* A UEFI machine of PIECES descriptors one after another from 0 on; the loader calls most of it RAM, as GRUB does. */
static void make_machine(uint64_t *seed)
{
    static const uint32_t types[] = {EFI_CONVENTIONAL,       EFI_CONVENTIONAL,          EFI_LOADER_DATA,
                                     EFI_BOOT_SERVICES_DATA, EFI_RUNTIME_SERVICES_CODE, EFI_RUNTIME_SERVICES_DATA,
                                     EFI_ACPI_NVS,           EFI_ACPI_RECLAIM,          0x70000001};
    uint64_t at = 0;

    memset(&info, 0, sizeof(info));
    for (unsigned i = 0; i < PIECES; i++) {
        struct efi_descriptor d = {.type = types[random_below(seed, ARRAY_SIZE(types))], .physical = at};

        d.pages = 1 + random_below(seed, PIECE_MAX / PAGE_SIZE);
        d.attributes = random_below(seed, 12) ? 0xf : 0xf | EFI_MEMORY_RUNTIME;
        memcpy(descriptors + i * DESCRIPTOR_SIZE, &d, sizeof(d));
        at += d.pages * PAGE_SIZE;
    }
    assert_true(memmap_add(&info.memmap, (struct range){0, at}, MEMORY_RAM, &error));
    info.efi_system_table = 0x1234000;
    info.efi_memory_map = descriptors;
    info.efi_memory_map_size = sizeof(descriptors);
    info.efi_descriptor_size = DESCRIPTOR_SIZE;
    info.efi_descriptor_version = 1;
    for (; info.module_count < 3; info.module_count++) {
        const uint64_t start = 16 * MIB + random_below(seed, at - 80 * MIB) / PAGE_SIZE * PAGE_SIZE;

        info.modules[info.module_count].range = (struct range){start, start + 1 + random_below(seed, 40 * MIB)};
    }
}

static void check_clear_of_firmware(void)
{
    const struct efi_map map = boot_info_efi_map(&info);
    struct efi_descriptor d;

    for (unsigned i = 0; i < efi_map_count(&map); i++) {
        efi_map_get(&map, i, &d);
        if (range_overlaps(block.range, (struct range){d.physical, d.physical + d.pages * PAGE_SIZE})) {
            assert_true(d.type == EFI_CONVENTIONAL || d.type == EFI_LOADER_DATA || d.type == EFI_BOOT_SERVICES_DATA);
            assert_false(d.attributes & EFI_MEMORY_RUNTIME);
        }
    }
}

static void check_block(void)
{
    struct range busy[RAM_BUSY_MAX];
    const unsigned count = ram_busy(&info, busy);

    assert_int_equal(count, 4);
    for (unsigned i = 0; i < count; i++)
        assert_false(range_overlaps(block.range, busy[i]));
    assert_int_equal(block.range.start % (2 * MIB), 0);
    assert_true(memmap_is(&info.memmap, block.range, MEMORY_RESERVED));
    check_clear_of_firmware();
}

static void the_block_is_clear_of_all(void **state)
{
    uint64_t seed = 11;
    unsigned placed = 0;

    (void)state;
    for (unsigned run = 0; run < 500; run++) {
        make_machine(&seed);
        assert_true(ram_reserve_firmware(&info, &free_memory, &error));
        block_plan(&block, 500 * KIB, CPUS, CPU_PAGES, MIB);
        if (!ram_take_block(&info, &free_memory, &block, &error)) {
            assert_contains(error.text, "of free RAM in one piece below 4 GiB for Plinth");
            continue;
        }
        placed++;
        check_block();
    }
    assert_true(placed > 400); /* else the test is about nothing */
}

/* Where boot services were, only if nothing else is free. */
static void boot_services_are_the_last_resort(void **state)
{
    const struct efi_descriptor low = {.type = EFI_CONVENTIONAL, .physical = 0, .pages = 64 * MIB / PAGE_SIZE};
    const struct efi_descriptor high = {
        .type = EFI_BOOT_SERVICES_DATA, .physical = 64 * MIB, .pages = 64 * MIB / PAGE_SIZE};
    uint64_t seed = 1;

    (void)state;
    for (unsigned module = 0; module < 2; module++) {
        make_machine(&seed);
        memcpy(descriptors, &low, sizeof(low));
        memcpy(descriptors + DESCRIPTOR_SIZE, &high, sizeof(high));
        info.efi_memory_map_size = 2 * DESCRIPTOR_SIZE;
        info.memmap.count = 0;
        assert_true(memmap_add(&info.memmap, (struct range){0, 128 * MIB}, MEMORY_RAM, &error));
        info.module_count = module;
        info.modules[0].range = (struct range){MIB, 64 * MIB};
        assert_true(ram_reserve_firmware(&info, &free_memory, &error));
        block_plan(&block, 500 * KIB, CPUS, CPU_PAGES, MIB);
        assert_true(ram_take_block(&info, &free_memory, &block, &error));
        assert_int_equal(block.range.start >= 64 * MIB, module);
    }
}

static void running_boot_services_are_refused(void **state)
{
    uint64_t seed = 1;

    (void)state;
    make_machine(&seed);
    info.efi_boot_services = true;
    assert_false(ram_reserve_firmware(&info, &free_memory, &error));
    assert_contains(error.text, "left boot services running: load Plinth with GRUB's multiboot2");
}

/* A map that can't be read is as good as none: what the loader says counts. */
static void a_bad_map_is_left_out(void **state)
{
    uint64_t seed = 1;

    (void)state;
    make_machine(&seed);
    info.efi_descriptor_size = 39;
    assert_true(ram_reserve_firmware(&info, &free_memory, &error));
    assert_int_equal(info.memmap.count, 1);
    assert_int_equal(free_memory.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_block_is_clear_of_all),
        cmocka_unit_test(boot_services_are_the_last_resort),
        cmocka_unit_test(running_boot_services_are_refused),
        cmocka_unit_test(a_bad_map_is_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
