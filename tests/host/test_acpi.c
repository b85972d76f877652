/* arch/x86/acpi.c: good tables of every age, and each thing that firmware may get wrong. */
#include "tests/host/support.h"

#include "arch/x86/acpi.h"
#include "tests/host/bytes.h"

enum { ROOT = 0x7fe0000, MADT = 0x7fe1234, FADT = 0x7fe3001, DSDT = 0x7fe4003, FAR = 0x7000000 };
#define BEYOND 0x7fe0000000 /* nothing of the arena is there */

static struct bytes rsdp, root, madt, fadt, dsdt;
static struct acpi_info info;
static struct error error;

static void fix(struct bytes *table, size_t offset, size_t size)
{
    uint8_t sum = 0;

    table->data[offset] = 0;
    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + table->data[i]);
    table->data[offset] = (uint8_t)-sum;
}

static void start_table(struct bytes *table, const char *signature)
{
    table->size = 0;
    put_bytes(table, signature, 4);
    put(table, 4, 0);
    put(table, 2, 1);
    put_bytes(table, "BOCHS BXPCTABL", 14);
    put_zeros(table, 12);
}

/* Length and checksum as they should be. */
static void finish_table(struct bytes *table)
{
    patch(table, 4, 4, table->size);
    fix(table, 9, table->size);
}

static void finish_rsdp(void)
{
    fix(&rsdp, 8, 20);
    if (rsdp.size >= 36)
        fix(&rsdp, 32, 36);
}

static void make_rsdp(uint8_t revision, uint32_t rsdt, uint64_t xsdt)
{
    rsdp.size = 0;
    put_bytes(&rsdp, "RSD PTR ", 8);
    put(&rsdp, 1, 0);
    put_bytes(&rsdp, "BOCHS ", 6);
    put(&rsdp, 1, revision);
    put(&rsdp, 4, rsdt);
    if (revision >= 2) {
        put(&rsdp, 4, 36);
        put(&rsdp, 8, xsdt);
        put(&rsdp, 4, 0);
    }
    finish_rsdp();
}

static void make_root(bool xsdt, size_t count, const uint64_t *addresses)
{
    start_table(&root, xsdt ? "XSDT" : "RSDT");
    for (size_t i = 0; i < count; i++)
        put(&root, xsdt ? 8 : 4, addresses[i]);
    finish_table(&root);
}

static void put_apic(uint8_t id, uint32_t flags)
{
    put(&madt, 1, 0);
    put(&madt, 1, 8);
    put(&madt, 1, 1);
    put(&madt, 1, id);
    put(&madt, 4, flags);
}

static void put_x2apic(uint32_t id, uint32_t flags)
{
    put(&madt, 1, 9);
    put(&madt, 1, 16);
    put(&madt, 2, 0);
    put(&madt, 4, id);
    put(&madt, 4, flags);
    put(&madt, 4, 1);
}

static void start_madt(void)
{
    start_table(&madt, "APIC");
    put(&madt, 4, 0xfee00000);
    put(&madt, 4, 1);
}

/* Fields by their offsets in ACPI 6.5, table 5.9. */
static void make_fadt(uint32_t size, uint32_t flags)
{
    start_table(&fadt, "FACP");
    put_zeros(&fadt, 276 - 36);
    patch(&fadt, 76, 4, 0xb008);
    patch(&fadt, 91, 1, 4);
    patch(&fadt, 112, 4, flags);
    patch(&fadt, 116, 4, 0x01000801); /* I/O space, 8 bits */
    patch(&fadt, 120, 8, 0xcf9);
    patch(&fadt, 128, 1, 0x06);
    fadt.size = size;
    finish_table(&fadt);
}

/* A machine with two CPUs and all tables right; tests then change one thing. */
static int setup(void **state)
{
    (void)state;
    console_clear();
    make_rsdp(2, 0, ROOT);
    make_root(true, 2, (const uint64_t[]){FADT, MADT});
    start_madt();
    put_apic(0, 1);
    put_apic(1, 1);
    finish_table(&madt);
    make_fadt(276, 1 << 10 | 1 << 8);
    dsdt.size = 0;
    return 0;
}

/* Each table lies alone in memory of just its size. */
static void load(uint64_t address, const struct bytes *table)
{
    memcpy(arena_add(address, table->size), table->data, table->size);
}

static bool parse_raw(void)
{
    uint8_t *copy = malloc(rsdp.size ? rsdp.size : 1);
    bool ok;

    arena_clear();
    load(ROOT, &root);
    load(MADT, &madt);
    load(FADT, &fadt);
    if (dsdt.size)
        load(DSDT, &dsdt);
    memcpy(copy, rsdp.data, rsdp.size);
    memset(&info, 0xa5, sizeof(info));
    ok = acpi_parse(copy, rsdp.size, &info, &error);
    free(copy);
    return ok;
}

static void parse(void)
{
    if (!parse_raw())
        fail_msg("%s", error.text);
}

static void parse_fails(const char *want)
{
    assert_false(parse_raw());
    assert_contains(error.text, want);
    assert_contains(error.text, "update the firmware");
}

static void assert_cpus(unsigned count, const uint32_t *ids)
{
    assert_int_equal(info.cpu_count, count);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(info.cpus[i].apic_id, ids[i]);
}

/* ---- good tables ---- */

static void acpi_2_with_xsdt(void **state)
{
    (void)state;
    parse();
    assert_cpus(2, (const uint32_t[]){0, 1});
    assert_string_equal(info.oem_id, "BOCHS ");
    assert_int_equal(info.local_apic, 0xfee00000);
    assert_int_equal(info.cpus_disabled, 0);
    assert_int_equal(info.pm_timer_port, 0xb008);
    assert_true(info.pm_timer_32bit);
    assert_int_equal(info.reset_space, 1);
    assert_int_equal(info.reset_address, 0xcf9);
    assert_int_equal(info.reset_value, 6);
    assert_string_equal(console_text(), "");
}

static void acpi_1_with_rsdt(void **state)
{
    (void)state;
    make_rsdp(0, ROOT, 0);
    make_root(false, 2, (const uint64_t[]){MADT, FADT});
    parse();
    assert_cpus(2, (const uint32_t[]){0, 1});
    assert_int_equal(info.pm_timer_port, 0xb008);
}

/* ACPI 2.0 without an XSDT, or with one that can't be reached, or of which the loader kept only the first part. */
static void acpi_2_with_rsdt(void **state)
{
    static const uint64_t xsdts[] = {0, BEYOND, UINT64_MAX};

    (void)state;
    make_root(false, 2, (const uint64_t[]){MADT, FADT});
    for (unsigned i = 0; i < ARRAY_SIZE(xsdts); i++) {
        make_rsdp(2, ROOT, xsdts[i]);
        parse();
    }
    make_rsdp(2, ROOT, 0x1000);
    for (rsdp.size = 20; rsdp.size < 36; rsdp.size++)
        parse();
}

static void the_xsdt_is_preferred(void **state)
{
    (void)state;
    make_rsdp(2, FAR, ROOT);
    parse();
    make_root(false, 2, (const uint64_t[]){MADT, FADT});
    parse_fails("XSDT at 0x7fe0000");
}

static void oem_id_is_made_printable(void **state)
{
    (void)state;
    memcpy(root.data + 10, "A\n\xff\0~ ", 6);
    finish_table(&root);
    parse();
    assert_memory_equal(info.oem_id, "A??\0~ ", 7);
}

static void odd_addresses_are_skipped(void **state)
{
    (void)state;
    make_root(true, 6, (const uint64_t[]){0, BEYOND, UINT64_MAX, FADT, UINT64_MAX - 40, MADT});
    parse();
    assert_cpus(2, (const uint32_t[]){0, 1});
}

static void the_override_gives_the_apic_address(void **state)
{
    (void)state;
    start_madt();
    put(&madt, 4, 0x0c05);
    put(&madt, 8, 0x1fee00000);
    put_apic(0, 1);
    finish_table(&madt);
    parse();
    assert_int_equal(info.local_apic, 0x1fee00000);
}

/* ---- CPUs ---- */

static void x2apic_entries(void **state)
{
    (void)state;
    start_madt();
    put_apic(2, 1);
    put_x2apic(2, 1);   /* the same CPU */
    put_x2apic(300, 1); /* order is the MADT's */
    put_x2apic(0xff, 1);
    put_x2apic(0xffffffff, 1);
    put_apic(0xff, 1);
    put_x2apic(0xfffffffe, 1);
    put_apic(1, 1);
    finish_table(&madt);
    parse();
    assert_cpus(5, (const uint32_t[]){2, 300, 0xff, 0xfffffffe, 1});
    assert_int_equal(info.cpus_disabled, 0);
}

static void disabled_and_online_capable(void **state)
{
    (void)state;
    start_madt();
    put_apic(0, 0);
    put_apic(1, 2);   /* online-capable: not usable now */
    put_x2apic(1, 2); /* the same CPU */
    put_apic(2, 3);
    put_x2apic(2, 0); /* the same CPU, which is enabled */
    put_x2apic(256, 0);
    put_apic(0xff, 0);
    put_x2apic(0xffffffff, 0);
    finish_table(&madt);
    parse();
    assert_cpus(1, (const uint32_t[]){2});
    assert_int_equal(info.cpus_disabled, 3);
}

static void duplicates_count_once(void **state)
{
    (void)state;
    start_madt();
    for (unsigned i = 0; i < 10; i++)
        put_apic((uint8_t)(i % 3), 1);
    finish_table(&madt);
    parse();
    assert_cpus(3, (const uint32_t[]){0, 1, 2});
}

static void entries_of_other_types_are_skipped(void **state)
{
    (void)state;
    start_madt();
    for (unsigned type = 0; type < 256; type++) {
        if (type == 0 || type == 5 || type == 9)
            continue;
        put(&madt, 1, type);
        put(&madt, 1, 2 + type % 50);
        put_zeros(&madt, type % 50);
    }
    put_apic(7, 1);
    finish_table(&madt);
    parse();
    assert_cpus(1, (const uint32_t[]){7});
}

/* Entries of a later specification may be longer. */
static void longer_entries_are_right(void **state)
{
    (void)state;
    start_madt();
    put_apic(0, 1);
    put_zeros(&madt, 4);
    patch(&madt, madt.size - 12 + 1, 1, 12);
    put_apic(1, 1);
    finish_table(&madt);
    parse();
    assert_cpus(2, (const uint32_t[]){0, 1});
}

static void more_cpus_than_the_maximum(void **state)
{
    (void)state;
    start_madt();
    for (uint32_t i = 0; i < ACPI_CPUS_MAX + 3; i++)
        put_x2apic(i * 2, 1);
    put_x2apic(0, 1);
    finish_table(&madt);
    parse();
    assert_int_equal(info.cpu_count, ACPI_CPUS_MAX);
    assert_int_equal(info.cpus[ACPI_CPUS_MAX - 1].apic_id, (ACPI_CPUS_MAX - 1) * 2);
    assert_string_equal(console_text(), "warning: ACPI: 3 CPUs beyond the first 512 are left out: build Plinth with a "
                                        "larger ACPI_CPUS_MAX\n");
}

static void no_enabled_cpu(void **state)
{
    (void)state;
    start_madt();
    finish_table(&madt);
    parse_fails("MADT at 0x7fe1234 names no enabled CPU");
    put_apic(0, 2);
    finish_table(&madt);
    parse_fails("names no enabled CPU");
}

/* ---- RSDP and root table that are wrong ---- */

static void rsdp_too_short(void **state)
{
    (void)state;
    for (rsdp.size = 0; rsdp.size < 20; rsdp.size++)
        parse_fails("RSDP has");
}

static void rsdp_signature(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        setup(NULL);
        rsdp.data[i] ^= 0x20;
        finish_rsdp();
        parse_fails("RSDP lacks its signature");
    }
}

static void rsdp_checksums(void **state)
{
    (void)state;
    rsdp.data[9] += 0x13;
    parse_fails("RSDP has checksum 0x13, want 0");
    setup(NULL);
    rsdp.data[33] += 0x17;
    parse_fails("RSDP has extended checksum 0x17, want 0");
}

static void rsdp_length(void **state)
{
    static const uint32_t lengths[] = {0, 20, 35, 37, 0xffffffff};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
        patch(&rsdp, 20, 4, lengths[i]);
        finish_rsdp();
        parse_fails("RSDP has length");
    }
}

static void rsdp_of_a_later_version(void **state)
{
    (void)state;
    put_bytes(&rsdp, "more", 4);
    patch(&rsdp, 20, 4, 40);
    fix(&rsdp, 32, 40);
    parse();
}

static void rsdp_without_a_root(void **state)
{
    (void)state;
    make_rsdp(2, 0, 0);
    parse_fails("RSDP names no XSDT");
    make_rsdp(2, 0, BEYOND);
    parse_fails("RSDP names no XSDT (0x7fe0000000) within reach and no RSDT");
    make_rsdp(0, 0, 0);
    parse_fails("RSDP names no XSDT");
    make_rsdp(0, FAR, 0);
    parse_fails("RSDT at 0x7000000, 36 bytes, lies outside");
}

static void root_signature(void **state)
{
    (void)state;
    root.data[0] = 'R';
    finish_table(&root);
    parse_fails("XSDT at 0x7fe0000 lacks its signature");
    root.data[0] = 'X';
    finish_table(&root);
    make_rsdp(0, ROOT, 0);
    parse_fails("RSDT at 0x7fe0000 lacks its signature");
    make_root(false, 1, (const uint64_t[]){MADT});
    put_zeros(&root, 3);
    finish_table(&root);
    parse_fails("RSDT at 0x7fe0000 has length 43, want 36 and a multiple of 4");
}

/* ---- what goes for every table ---- */

struct table_case {
    struct bytes *table;
    const char *name;
};
static const struct table_case cases[] = {{&root, "XSDT at 0x7fe0000"}, {&madt, "MADT at 0x7fe1234"}};

static void checksums(void **state)
{
    char want[100];

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
        for (unsigned off = 1; off < 256; off++) {
            setup(NULL);
            cases[i].table->data[9] = (uint8_t)(cases[i].table->data[9] + off);
            snprintf(want, sizeof(want), "ACPI: %s has checksum 0x%x, want 0: ", cases[i].name, off);
            parse_fails(want);
        }
}

static void lengths(void **state)
{
    static const uint32_t wrong[] = {0, 1, 35, 0x100001, 0x7fffffff, 0x80000000, 0xffffffff};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
        for (unsigned w = 0; w < ARRAY_SIZE(wrong); w++) {
            setup(NULL);
            patch(cases[i].table, 4, 4, wrong[w]);
            parse_fails(" has length ");
            assert_contains(error.text, cases[i].name);
        }
}

/* One byte longer than the memory there is. */
static void tables_beyond_memory(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        setup(NULL);
        patch(cases[i].table, 4, 4, cases[i].table->size + 1);
        parse_fails("lies outside the memory that can be read");
        assert_contains(error.text, cases[i].name);
    }
}

/* Cut at every length with a right checksum: all but whole entries are refused, and nothing beyond is read. */
static void root_cut_anywhere(void **state)
{
    size_t whole = root.size;

    (void)state;
    for (root.size = 36; root.size <= whole; root.size++) {
        finish_table(&root);
        if (root.size == whole)
            parse();
        else if ((root.size - 36) % 8 == 0)
            parse_fails("XSDT at 0x7fe0000 names no MADT within reach");
        else
            parse_fails("and a multiple of 8");
    }
}

static void madt_cut_anywhere(void **state)
{
    (void)state;
    start_madt();
    put_apic(0, 1);
    put_x2apic(1, 1);
    for (madt.size = 36; madt.size <= 44 + 8 + 16; madt.size++) {
        finish_table(&madt);
        if (madt.size < 44)
            parse_fails("MADT at 0x7fe1234 has length");
        else if (madt.size == 44)
            parse_fails("names no enabled CPU");
        else if (madt.size == 44 + 8 || madt.size == 44 + 8 + 16)
            parse();
        else
            parse_fails("MADT at 0x7fe1234: the entry at offset 0x");
    }
}

static void madt_entry_lengths(void **state)
{
    static const struct {
        uint8_t type, least;
    } entries[] = {{0, 8}, {5, 12}, {9, 16}, {1, 2}, {77, 2}, {255, 2}};
    char want[100];

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(entries); i++)
        for (unsigned length = 0; length < 40; length++) {
            start_madt();
            put_apic(0, 1);
            put(&madt, 1, entries[i].type);
            put(&madt, 1, length);
            put_zeros(&madt, 30);
            finish_table(&madt);
            snprintf(want, sizeof(want),
                     "the entry at offset 0x34, type %u, has length %u, want %u to 32: ", entries[i].type, length,
                     entries[i].least);
            if (length < entries[i].least || length > 32)
                parse_fails(want);
        }
}

static void madt_missing(void **state)
{
    (void)state;
    make_root(true, 1, (const uint64_t[]){FADT});
    parse_fails("XSDT at 0x7fe0000 names no MADT within reach");
    make_root(true, 2, (const uint64_t[]){FADT, BEYOND});
    parse_fails("names no MADT within reach");
    make_root(true, 0, NULL);
    parse_fails("names no MADT within reach");
}

/* ---- FADT: nothing of it may stop the boot ---- */

static void assert_no_fadt(void)
{
    assert_int_equal(info.pm_timer_port, 0);
    assert_false(info.pm_timer_32bit);
    assert_int_equal(info.reset_space, 0xff);
    assert_cpus(2, (const uint32_t[]){0, 1});
}

static void fadt_missing(void **state)
{
    (void)state;
    make_root(true, 1, (const uint64_t[]){MADT});
    parse();
    assert_no_fadt();
    assert_string_equal(console_text(), "");
}

static void fadt_broken_is_a_warning(void **state)
{
    static const uint32_t wrong[] = {0, 36, 115, 277, 0xffffffff};

    (void)state;
    fadt.data[9] += 0x21;
    parse();
    assert_no_fadt();
    assert_contains(console_text(), "warning: ACPI: FADT at 0x7fe3001 has checksum 0x21, want 0: update");
    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        setup(NULL);
        patch(&fadt, 4, 4, wrong[i]);
        parse();
        assert_no_fadt();
        assert_contains(console_text(), "warning: ACPI: FADT at 0x7fe3001");
    }
}

static void fadt_of_every_length(void **state)
{
    (void)state;
    for (uint32_t size = 116; size <= 276; size++) {
        make_fadt(size, 1 << 10);
        parse();
        assert_int_equal(info.pm_timer_port, 0xb008);
        assert_false(info.pm_timer_32bit);
        assert_int_equal(info.reset_space, size >= 129 ? 1 : 0xff);
    }
}

static void change_fadt(size_t offset, unsigned size, uint64_t value)
{
    patch(&fadt, offset, size, value);
    finish_table(&fadt);
}

static void soft_off(void **state)
{
    static const uint8_t s5[] = {0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 0x05, 0x01, 0x00, 0x00};

    (void)state;
    change_fadt(48, 4, 0xb2);
    change_fadt(52, 1, 0xf1);
    change_fadt(64, 4, 0x404);
    parse();
    assert_int_equal(info.pm1_control[0], 0); /* no DSDT */
    start_table(&dsdt, "DSDT");
    put_bytes(&dsdt, s5, sizeof(s5));
    finish_table(&dsdt);
    change_fadt(40, 4, DSDT);
    parse();
    assert_int_equal(info.pm1_control[0], 0x404);
    assert_int_equal(info.pm1_control[1], 0);
    assert_int_equal(info.soft_off_type[0], 5);
    assert_int_equal(info.soft_off_type[1], 1);
    assert_int_equal(info.smi_command, 0xb2);
    assert_int_equal(info.acpi_enable, 0xf1);
    change_fadt(172, 1, 1);
    change_fadt(176, 8, 0x1804);
    parse();
    assert_int_equal(info.pm1_control[0], 0x1804);
    dsdt.data[9]++; /* its checksum */
    parse();
    assert_int_equal(info.pm1_control[0], 0);
    assert_string_equal(console_text(), "");
}

static void pm_timer_blocks(void **state)
{
    (void)state;
    change_fadt(208, 1, 1);
    change_fadt(212, 8, 0x1808);
    parse();
    assert_int_equal(info.pm_timer_port, 0x1808);
    change_fadt(208, 1, 0); /* in memory: not for us, and the old one isn't it */
    parse();
    assert_int_equal(info.pm_timer_port, 0);
    change_fadt(208, 1, 1);
    change_fadt(212, 8, 0xffff);
    parse();
    assert_int_equal(info.pm_timer_port, 0xffff);
    change_fadt(212, 8, 0x10000);
    parse();
    assert_int_equal(info.pm_timer_port, 0);
    change_fadt(212, 8, 0);
    change_fadt(76, 4, 0xffff);
    parse();
    assert_int_equal(info.pm_timer_port, 0xffff);
    change_fadt(76, 4, 0x10000);
    parse();
    assert_int_equal(info.pm_timer_port, 0);
    make_fadt(276, 1 << 8);
    change_fadt(91, 1, 0);
    parse();
    assert_int_equal(info.pm_timer_port, 0);
    assert_false(info.pm_timer_32bit);
    make_fadt(276, 1 << 20 | 1 << 8); /* hardware-reduced */
    parse();
    assert_int_equal(info.pm_timer_port, 0);
}

static void reset_registers(void **state)
{
    (void)state;
    make_fadt(276, 0);
    parse();
    assert_int_equal(info.reset_space, 0xff);
    make_fadt(276, 1 << 10);
    for (unsigned space = 0; space < 256; space++) {
        change_fadt(116, 1, space);
        change_fadt(120, 8, 0x123456789abcd);
        parse();
        assert_int_equal(info.reset_space, space <= 2 ? space : 0xff);
        assert_int_equal(info.reset_address, space <= 2 ? 0x123456789abcd : 0);
    }
}

static int teardown(void **state)
{
    (void)state;
    arena_clear();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(acpi_2_with_xsdt),
        TEST(acpi_1_with_rsdt),
        TEST(acpi_2_with_rsdt),
        TEST(the_xsdt_is_preferred),
        TEST(oem_id_is_made_printable),
        TEST(odd_addresses_are_skipped),
        TEST(the_override_gives_the_apic_address),
        TEST(x2apic_entries),
        TEST(disabled_and_online_capable),
        TEST(duplicates_count_once),
        TEST(entries_of_other_types_are_skipped),
        TEST(longer_entries_are_right),
        TEST(more_cpus_than_the_maximum),
        TEST(no_enabled_cpu),
        TEST(rsdp_too_short),
        TEST(rsdp_signature),
        TEST(rsdp_checksums),
        TEST(rsdp_length),
        TEST(rsdp_of_a_later_version),
        TEST(rsdp_without_a_root),
        TEST(root_signature),
        TEST(checksums),
        TEST(lengths),
        TEST(tables_beyond_memory),
        TEST(root_cut_anywhere),
        TEST(madt_cut_anywhere),
        TEST(madt_entry_lengths),
        TEST(madt_missing),
        TEST(fadt_missing),
        TEST(fadt_broken_is_a_warning),
        TEST(fadt_of_every_length),
        TEST(soft_off),
        TEST(pm_timer_blocks),
        TEST(reset_registers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
