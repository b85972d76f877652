/*
 * Any bytes as ACPI tables. The input is chunks, each a byte of length and that many bytes: first the RSDP, then
 * what lies at 0x1000, 0x2000 and so on. Its first byte says whether to make the checksums right, as no
 * fuzzer would find them.
 */
#include <stdlib.h>
#include <string.h>

#include "arch/x86/acpi.h"
#include "tests/host/support.h"

enum { HEADER_SIZE = 36, TABLES_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool right)
{
    if (!right)
        abort();
}

/* Makes the first `size` bytes sum up to 0 by the byte at `offset`. */
static void fix(uint8_t *bytes, size_t offset, size_t size)
{
    uint8_t sum = 0;

    bytes[offset] = 0;
    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + bytes[i]);
    bytes[offset] = (uint8_t)-sum;
}

static void fix_table(uint8_t *bytes, size_t size)
{
    uint32_t length;

    if (size < HEADER_SIZE)
        return;
    memcpy(&length, bytes + 4, 4);
    fix(bytes, 9, length < size ? length : size);
}

static void fix_rsdp(uint8_t *bytes, size_t size)
{
    if (size >= 20)
        fix(bytes, 8, 20);
    if (size >= 36)
        fix(bytes, 32, bytes[20] < size ? bytes[20] : size);
}

/* The next chunk, cut where the input ends. */
static size_t take_chunk(const uint8_t **data, size_t *size)
{
    size_t length = *(*data)++, left = --*size;

    length = length < left ? length : left;
    *size -= length;
    return length;
}

static void load_tables(const uint8_t *data, size_t size, bool fixed)
{
    for (uint64_t i = 1; size > 0 && i <= TABLES_MAX; i++) {
        size_t length = take_chunk(&data, &size);
        uint8_t *table = arena_add(i * 0x1000, length);

        memcpy(table, data, length);
        data += length;
        if (fixed)
            fix_table(table, length);
    }
}

static void check_info(const struct acpi_info *info)
{
    check(info->cpu_count >= 1 && info->cpu_count <= ACPI_CPUS_MAX);
    for (unsigned i = 0; i < info->cpu_count; i++)
        for (unsigned j = 0; j < i; j++)
            check(info->cpus[i].apic_id != info->cpus[j].apic_id);
    check(info->oem_id[6] == '\0');
    check(info->reset_space <= 2 || info->reset_space == 0xff);
    check(info->pm_timer_port != 0 || !info->pm_timer_32bit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct acpi_info info;
    struct error error = {""};
    uint8_t *rsdp;
    size_t length;
    bool fixed;

    if (size < 2)
        return 0;
    fixed = *data++ & 1;
    size--;
    length = take_chunk(&data, &size);
    rsdp = malloc(length ? length : 1);
    memcpy(rsdp, data, length);
    if (fixed)
        fix_rsdp(rsdp, length);
    console_clear();
    load_tables(data + length, size, fixed);
    if (acpi_parse(rsdp, length, &info, &error))
        check_info(&info);
    else
        check(strncmp(error.text, "ACPI: ", 6) == 0);
    arena_clear();
    free(rsdp);
    return 0;
}
