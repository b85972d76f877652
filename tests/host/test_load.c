/* Which loader gets the first module, and what is said of one that none of them knows. */
#include "tests/host/support.h"

#include "guest/load.h"

enum { MEMORY_SIZE = 32 << 20, KERNEL_AT = 8 << 20, KERNEL_SIZE = 1 << 20 };

static uint8_t *memory;
static struct memmap map;
static struct guest_source source;
static struct guest_entry entry;
static struct error error;

static void machine_make(void)
{
    if (!memory)
        memory = arena_add(0, MEMORY_SIZE);
    memset(memory, 0, MEMORY_SIZE);
    map.count = 0;
    assert_true(memmap_set(&map, (struct range){0, MEMORY_SIZE}, MEMORY_RAM, &error));
    source = (struct guest_source){
        .kernel = {KERNEL_AT, KERNEL_AT + KERNEL_SIZE}, .command_line = "", .loader_name = "", .memmap = &map};
}

static void put(uint64_t at, const void *bytes, size_t size)
{
    memcpy(memory + KERNEL_AT + at, bytes, size);
}

static void refuse(const char *a, const char *b)
{
    assert_false(guest_load(&source, &entry, &error));
    assert_true(strlen(error.text) < sizeof error.text - 1);
    assert_contains(error.text, a);
    assert_contains(error.text, b);
}

static void what_is_unknown_is_described_with_its_first_bytes(void **state)
{
    (void)state;
    machine_make();
    put(0, "\x1f\x8b\x08\x00\x01\x02\x03\xff\xee", 9);
    refuse("gzip", "(it begins 1f 8b 08 00 01 02 03 ff): ");
    assert_contains(error.text, "Linux bzImage and multiboot kernels");
    source.kernel.end = source.kernel.start + 2;
    refuse("gzip", "(it begins 1f 8b): ");
    source.kernel.end = source.kernel.start;
    refuse("an empty file", "Linux bzImage and multiboot kernels");
    source.kernel = (struct range){5 * GIB, 5 * GIB + 4096};
    refuse("4 GiB", "boot loader");
}

static const uint8_t setup_header[] = {0x55, 0xaa, 0xeb, 0x62, 'H', 'd', 'r', 'S', 0x05, 0x01};
static const uint8_t multiboot1[] = {0x02, 0xb0, 0xad, 0x1b, 0, 0, 0, 0, 0xfe, 0x4f, 0x52, 0xe4};
static const uint8_t multiboot2[] = {0xd6, 0x50, 0x52, 0xe8, 4, 0, 0, 0, 0x10, 0, 0, 0, 0x16, 0xaf, 0xad, 0x17};

/* None of the headers is good, so each loader tells itself by its refusal. */
static void the_loaders_in_their_order(void **state)
{
    (void)state;
    machine_make();
    put(0x1000, multiboot1, sizeof multiboot1);
    refuse("the multiboot kernel is no ELF file", "bit 16");
    put(0x800, multiboot2, sizeof multiboot2);
    refuse("multiboot2 header's architecture is 4", "x86");
    put(0x1fe, setup_header, sizeof setup_header);
    refuse("boot protocol", "1.05");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_unknown_is_described_with_its_first_bytes),
        cmocka_unit_test(the_loaders_in_their_order),
    };

    return cmocka_run_group_tests_name("load", tests, NULL, NULL);
}
