/* boot/efi_tables.c: the RSDP by the EFI system table, 32 and 64 bit, and by tables that lie. */
#include "tests/host/support.h"

#include "boot/efi_tables.h"

enum { SYSTEM = 0x10000, ENTRIES = 0x20000 };

static const uint8_t acpi_2[16] = {0x71, 0xe8, 0x68, 0x88, 0xf1, 0xe4, 0xd3, 0x11,
                                   0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81};
static const uint8_t acpi_1[16] = {0x30, 0x2d, 0x9d, 0xeb, 0x88, 0x2d, 0xd3, 0x11,
                                   0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d};
static uint8_t *system_table, *entries;

static void put(uint8_t *at, uint64_t value, bool is_64bit)
{
    memcpy(at, &value, is_64bit ? 8 : 4);
}

static void make(bool is_64bit, uint64_t count)
{
    arena_clear();
    system_table = arena_add(SYSTEM, is_64bit ? 120 : 72);
    entries = arena_add(ENTRIES, 3 * (is_64bit ? 24 : 20));
    memcpy(system_table, "IBI SYST", 8);
    put(system_table + (is_64bit ? 104 : 64), count, is_64bit);
    put(system_table + (is_64bit ? 112 : 68), ENTRIES, is_64bit);
}

static void put_entry(unsigned index, const uint8_t guid[16], uint64_t pointer, bool is_64bit)
{
    uint8_t *at = entries + index * (is_64bit ? 24 : 20);

    memcpy(at, guid, 16);
    put(at + 16, pointer, is_64bit);
}

static void both_widths(void **state)
{
    (void)state;
    for (int is_64bit = 0; is_64bit < 2; is_64bit++) {
        make(is_64bit, 3);
        assert_int_equal(efi_find_rsdp(SYSTEM, is_64bit), 0);
        put_entry(1, acpi_1, 0x111000, is_64bit);
        assert_int_equal(efi_find_rsdp(SYSTEM, is_64bit), 0x111000);
        put_entry(2, acpi_2, 0xf2220000, is_64bit); /* wins, though later */
        assert_int_equal(efi_find_rsdp(SYSTEM, is_64bit), 0xf2220000);
        put(system_table + (is_64bit ? 104 : 64), 2, is_64bit);
        assert_int_equal(efi_find_rsdp(SYSTEM, is_64bit), 0x111000);
    }
}

static void lies(void **state)
{
    (void)state;
    make(true, 3);
    put_entry(0, acpi_2, 0x333000, true);
    assert_int_equal(efi_find_rsdp(0, true), 0);
    assert_int_equal(efi_find_rsdp(SYSTEM + 8, true), 0); /* beyond what can be reached */
    put(system_table + 104, UINT64_MAX, true);
    assert_int_equal(efi_find_rsdp(SYSTEM, true), 0);
    put(system_table + 104, 4, true); /* more than is there */
    assert_int_equal(efi_find_rsdp(SYSTEM, true), 0);
    put(system_table + 104, 3, true);
    put(system_table + 112, UINT64_MAX, true);
    assert_int_equal(efi_find_rsdp(SYSTEM, true), 0);
    put(system_table + 112, ENTRIES, true);
    assert_int_equal(efi_find_rsdp(SYSTEM, true), 0x333000);
    system_table[0] = 'X';
    assert_int_equal(efi_find_rsdp(SYSTEM, true), 0);
    arena_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(both_widths), cmocka_unit_test(lies)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
