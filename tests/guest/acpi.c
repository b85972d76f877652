/*
 * The CPUs that the MADT lists (ACPI 6.5, 5.2.12). Deliberately not Plinth's parser: as part of the oracle it shares
 * no view of the machine with it.
 */
#include "lib/string.h"
#include "tests/guest/smp.h"

struct packed acpi_header {
    char signature[4];
    uint32_t length;
    uint8_t rest[28];
};

struct packed rsdp {
    char signature[8];
    uint8_t checksum;
    char oem[6];
    uint8_t revision;
    uint32_t rsdt, length;
    uint64_t xsdt;
};

static bool sums_to_zero(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint8_t sum = 0;

    while (size--)
        sum = (uint8_t)(sum + *bytes++);
    return !sum;
}

static const struct rsdp *search_rsdp(uintptr_t start, uintptr_t end)
{
    for (; start < end; start += 16)
        if (!memcmp((void *)start, "RSD PTR ", 8) && sums_to_zero((void *)start, 20))
            return (void *)start;
    return NULL;
}

static const struct rsdp *find_rsdp(uint64_t given)
{
    uintptr_t ebda;
    const struct rsdp *found;

    if (given)
        return (void *)given;
    ebda = (uintptr_t)(*(volatile uint16_t *)at_address(0x40e)) << 4;
    found = ebda >= 0x80000 && ebda < 0xa0000 ? search_rsdp(ebda, ebda + 1024) : NULL;
    return found ? found : search_rsdp(0xe0000, 0x100000);
}

static const struct acpi_header *find_table(const struct rsdp *rsdp, const char *signature)
{
    bool wide = rsdp->revision >= 2 && rsdp->xsdt;
    const struct acpi_header *root = (void *)(uintptr_t)(wide ? rsdp->xsdt : rsdp->rsdt);
    const uint8_t *entry = (const uint8_t *)(root + 1), *end = (const uint8_t *)root + root->length;

    for (; entry < end; entry += wide ? 8 : 4) {
        const struct acpi_header *table;
        uint64_t address = 0;

        memcpy(&address, entry, wide ? 8 : 4);
        table = (void *)address;
        if (!memcmp(table->signature, signature, 4))
            return table;
    }
    return NULL;
}

static void add_cpu(uint32_t id, uint32_t flags)
{
    if (!(flags & 1) || cpu_count == CPUS_MAX)
        return;
    for (unsigned i = 0; i < cpu_count; i++)
        if (cpu_apic_ids[i] == id)
            return;
    cpu_apic_ids[cpu_count++] = id;
}

static uint32_t read32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, 4);
    return value;
}

const char *acpi_find_cpus(uint64_t given)
{
    const struct rsdp *rsdp = find_rsdp(given);
    const struct acpi_header *madt = rsdp ? find_table(rsdp, "APIC") : NULL;

    for (unsigned i = 0; i < CPUS_MAX; i++)
        cpu_apic_ids[i] = UINT32_MAX;
    cpu_apic_ids[cpu_count++] = apic_id();
    if (!rsdp)
        return "no RSDP";
    if (!madt)
        return "no MADT";
    for (const uint8_t *entry = (const uint8_t *)(madt + 1) + 8; entry + 2 <= (const uint8_t *)madt + madt->length;
         entry += entry[1] ? entry[1] : 2) {
        if (entry[0] == 0 && entry[3] != 0xff)
            add_cpu(entry[3], read32(entry + 4));
        if (entry[0] == 9)
            add_cpu(read32(entry + 4), read32(entry + 8));
    }
    return NULL;
}
