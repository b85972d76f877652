#include "boot/efi_tables.h"

#include "lib/string.h"
#include "mm/phys.h"

#define SYSTEM_TABLE_SIGNATURE 0x5453595320494249 /* "IBI SYST" */

enum { TABLES_MAX = 1024 };

struct guid {
    uint32_t data1;
    uint16_t data2, data3;
    uint8_t data4[8];
};

static const struct guid acpi_2 = {0x8868e871, 0xe4f1, 0x11d3, {0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81}};
static const struct guid acpi_1 = {0xeb9d2d30, 0x2d88, 0x11d3, {0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}};

/* UEFI 2.10, 4.3.1 "EFI_SYSTEM_TABLE": where its last two fields are, and how large an entry of the table is. */
struct layout {
    uint32_t count, table, size, entry;
};
static const struct layout layout_32 = {64, 68, 72, 20}, layout_64 = {104, 112, 120, 24};

static uint64_t read_word(const uint8_t *at, bool is_64bit)
{
    uint64_t value = 0;

    memcpy(&value, at, is_64bit ? 8 : 4);
    return value;
}

/* The pointer of the entry with this GUID, which begins it. */
static uint64_t find(const uint8_t *entries, uint64_t count, const struct layout *layout, const struct guid *guid,
                     bool is_64bit)
{
    for (uint64_t i = 0; i < count; i++)
        if (!memcmp(entries + i * layout->entry, guid, sizeof(*guid)))
            return read_word(entries + i * layout->entry + sizeof(*guid), is_64bit);
    return 0;
}

uint64_t efi_find_rsdp(uint64_t system_table, bool is_64bit)
{
    const struct layout *layout = is_64bit ? &layout_64 : &layout_32;
    const uint8_t *system = system_table ? phys_map(system_table, layout->size) : NULL, *entries;
    uint64_t count, found;

    if (!system || read_word(system, true) != SYSTEM_TABLE_SIGNATURE)
        return 0;
    count = read_word(system + layout->count, is_64bit);
    if (count > TABLES_MAX)
        return 0;
    entries = phys_map(read_word(system + layout->table, is_64bit), count * layout->entry);
    if (!entries)
        return 0;
    found = find(entries, count, layout, &acpi_2, is_64bit);
    return found ? found : find(entries, count, layout, &acpi_1, is_64bit);
}
