/* guest/linux_params.c on a UEFI machine: efi_info, the map without the block, the screen, and what is not built upon.
 */
#include "tests/host/linux_fixture.h"

enum { DESCRIPTOR_SIZE = 56, COUNT = 3, BLOCK = 200 << 20, SYSTEM_TABLE = 0x1ebee018 };

static uint8_t descriptors[COUNT * DESCRIPTOR_SIZE];

static void put_descriptor(unsigned index, uint32_t type, uint64_t start, uint64_t end)
{
    const struct efi_descriptor d = {
        .type = type, .physical = start, .pages = (end - start) / PAGE_SIZE, .attributes = 0xf};

    memcpy(descriptors + index * DESCRIPTOR_SIZE, &d, sizeof d);
}

static void make(void)
{
    machine_make(512 * MIB);
    header_make();
    kernel_put(2 * MIB);
    initrd_put(64 * MIB, 3 * MIB);
    machine_block(BLOCK, 2 * MIB);
    put_descriptor(0, EFI_CONVENTIONAL, 0, 100 * MIB);
    put_descriptor(1, EFI_LOADER_DATA, 100 * MIB, 511 * MIB);
    put_descriptor(2, EFI_RUNTIME_SERVICES_DATA, 511 * MIB, 512 * MIB);
    machine.source.has_bios = false;
    machine.source.efi.system_table = SYSTEM_TABLE;
    machine.source.efi.is_64bit = true;
    machine.source.efi.map = (struct efi_map){descriptors, sizeof descriptors, DESCRIPTOR_SIZE, 1};
}

static void the_guest_is_told_of_uefi(void **state)
{
    const struct efi_info *info;
    struct efi_descriptor d;
    struct efi_map map;

    (void)state;
    make();
    info = &load()->efi_info;
    assert_memory_equal(info->loader_signature, "EL64", 4);
    assert_int_equal(info->systab, SYSTEM_TABLE);
    assert_int_equal(info->systab_hi, 0);
    assert_int_equal(info->memdesc_size, DESCRIPTOR_SIZE);
    assert_int_equal(info->memdesc_version, 1);
    assert_int_equal(info->memmap_hi, 0);
    assert_int_equal(info->memmap_size, 5 * DESCRIPTOR_SIZE);
    assert_int_equal(info->memmap % 8, 0);
    assert_true(range_contains(machine.entry.parameters, range_of(info->memmap, info->memmap_size)));
    map = (struct efi_map){memory + info->memmap, info->memmap_size, info->memdesc_size, 1};
    efi_map_get(&map, 2, &d);
    assert_int_equal(d.type, EFI_RESERVED);
    assert_int_equal(d.physical, BLOCK);
    assert_int_equal(d.pages, 512);
    efi_map_get(&map, 3, &d);
    assert_int_equal(d.type, EFI_LOADER_DATA);
    assert_int_equal(d.physical, BLOCK + 2 * MIB);
}

/* Linux chooses a random place for itself by this map, and in no other memory than EFI_CONVENTIONAL. */
static void the_old_log_is_reserved(void **state)
{
    const struct range log = {50 * MIB, 50 * MIB + 64 * KIB};
    const struct efi_info *info;
    struct efi_descriptor d;
    struct efi_map map;
    bool found = false;

    (void)state;
    make();
    machine.source.old_log = log;
    machine.source.command_line = "ramoops.mem_size=0"; /* so nothing is added to it */
    info = &load()->efi_info;
    map = (struct efi_map){memory + info->memmap, info->memmap_size, info->memdesc_size, 1};
    for (unsigned i = 0; i < efi_map_count(&map); i++) {
        efi_map_get(&map, i, &d);
        if (!range_overlaps(range_of(d.physical, d.pages * PAGE_SIZE), log))
            continue;
        assert_int_equal(d.type, EFI_RESERVED);
        found = true;
    }
    assert_true(found);
}

static void a_system_table_anywhere(void **state)
{
    const struct efi_info *info;

    (void)state;
    make();
    machine.source.efi.system_table = 0x123456789a;
    info = &load()->efi_info;
    assert_int_equal(info->systab, 0x3456789a);
    assert_int_equal(info->systab_hi, 0x12);
    make();
    machine.source.efi.is_64bit = false;
    assert_memory_equal(load()->efi_info.loader_signature, "EL32", 4);
}

static void a_bios_machine_has_none(void **state)
{
    static const struct efi_info none;

    (void)state;
    make();
    machine.source.efi.system_table = 0;
    assert_memory_equal(&load()->efi_info, &none, sizeof none);
}

static void the_screen_is_uefis(void **state)
{
    const struct screen_info *info;

    (void)state;
    make();
    machine.source.screen.present = true;
    machine.source.screen.address = 0x80000000;
    machine.source.screen.width = 1280;
    machine.source.screen.height = 801;
    machine.source.screen.pitch = 5120;
    machine.source.screen.bits_per_pixel = 32;
    info = &load()->screen_info;
    assert_int_equal(info->orig_video_isVGA, 0x70);
    assert_int_equal(info->lfb_size, 5120 * 801); /* bytes, with this type */
}

/* A server without a graphics card: Linux must not take it for one in text mode. GRUB's `linux` says nothing either. */
static void no_framebuffer_is_no_screen(void **state)
{
    static const struct screen_info none;
    struct screen_info info;

    (void)state;
    make();
    machine.source.screen.present = false;
    info = load()->screen_info;
    info.ext_mem_k = 0; /* which is no part of the screen */
    assert_memory_equal(&info, &none, sizeof none);
}

/* `free` has less than memmap: all images go where it says, the map that the guest sees is the same. */
static void images_keep_to_free_memory(void **state)
{
    static struct memmap less;
    struct error error;

    (void)state;
    make();
    less = machine.map;
    assert_true(memmap_set(&less, (struct range){0, 96 * MIB}, MEMORY_RESERVED, &error));
    machine.source.free = &less;
    load();
    assert_true(memmap_is(&less, machine.entry.kernel, MEMORY_RAM));
    assert_true(memmap_is(&less, machine.entry.parameters, MEMORY_RAM));
    assert_true(machine.entry.kernel.start >= 96 * MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_guest_is_told_of_uefi),  cmocka_unit_test(the_old_log_is_reserved),
        cmocka_unit_test(a_system_table_anywhere),    cmocka_unit_test(a_bios_machine_has_none),
        cmocka_unit_test(the_screen_is_uefis),        cmocka_unit_test(no_framebuffer_is_no_screen),
        cmocka_unit_test(images_keep_to_free_memory),
    };

    return cmocka_run_group_tests(tests, NULL, forget);
}
