/* What the multiboot loader refuses: every field out of range, by its name, and nothing written before. */
#include "tests/host/support.h"

#include "tests/host/bytes.h"
#include "tests/host/multiboot_fixture.h"

static const struct segment good[] = {
    {0x1000, 0x200000, 0x200000, 0x800, 0x3000},
    {0x1800, 0x600000, 0x600000, 0x100, 0x100},
};

/* --- ELF --- */

static void elf32(void)
{
    put_elf32(good, 2, 0x200010);
    put_header1(3, NULL, 0);
    put_content();
}

static void elf64(void)
{
    put_elf64(good, 2, 0x200010);
    put_header1(3, NULL, 0);
    put_content();
}

enum { Q1 = ELF32_PHDRS, Q2 = ELF32_PHDRS + 32 }; /* the program headers of elf32() */

static const struct bad_elf {
    unsigned at, size;
    uint64_t value;
    const char *texts[3];
} bad_elf32[] = {
    {16, 2, 3 + 1, {"e_type", "4", "link"}},
    {18, 2, 8, {"e_machine", "8", "x86"}},
    {20, 4, 2, {"e_version", "2", NULL}},
    {24, 4, 0x300000, {"e_entry", "0x300000", "segments"}},
    {28, 4, FILE_SIZE, {"e_phoff", "0x2000", "truncated"}},
    {28, 4, UINT32_MAX, {"e_phoff", "0xffffffff", NULL}},
    {42, 2, 56, {"e_phentsize", "56", "32"}},
    {44, 2, 0, {"PT_LOAD", NULL, NULL}},
    {44, 2, 0xffff, {"e_phnum", "65535", "8192"}},
    {Q1 + 4, 4, FILE_SIZE - 0x7ff, {"header 0", "p_offset", "truncated"}},
    {Q1 + 4, 4, UINT32_MAX, {"header 0", "p_offset", NULL}},
    {Q2 + 12, 4, 0x202fff, {"0 and 1", "overlap", "p_paddr"}},
    {Q2 + 12, 4, 0xffffff80, {"header 1", "p_paddr", "4 GiB"}},
    {Q2 + 12, 4, 60 * MIB + 0x1000, {"header 1", "block", "0x3c00000"}},
    {Q2 + 12, 4, 60 * MIB - 0xff, {"header 1", "block", "0x3c00000"}},
    {Q2 + 12, 4, 64 * MIB - 0x80, {"header 1", "RAM", "p_paddr"}},
    {Q2 + 16, 4, 0x101, {"header 1", "p_filesz 0x101", "p_memsz 0x100"}},
    {Q2 + 20, 4, UINT32_MAX, {"header 1", "p_memsz", "4 GiB"}},
};

enum { P1 = ELF64_PHDRS, P2 = ELF64_PHDRS + 56 }; /* the program headers */

static const struct bad_elf bad_elf64[] = {
    {4, 1, 3, {"EI_CLASS", "3", "damaged"}},
    {5, 1, 2, {"EI_DATA", "2", "x86"}},
    {6, 1, 0, {"EI_VERSION", "0", NULL}},
    {16, 2, 1, {"e_type", "1", "link"}},
    {18, 2, 183, {"e_machine", "183", "x86"}},
    {20, 4, 0, {"e_version", "0", NULL}},
    {24, 8, 0x300000, {"e_entry", "0x300000", "segments"}},
    {24, 8, 0x600100, {"e_entry", "0x600100", NULL}},
    {32, 8, FILE_SIZE, {"e_phoff", "0x2000", "truncated"}},
    {32, 8, UINT64_MAX, {"e_phoff", "0xffffffffffffffff", NULL}},
    {54, 2, 32, {"e_phentsize", "32", "56"}},
    {56, 2, 0, {"PT_LOAD", NULL, NULL}},
    {56, 2, 0xffff, {"e_phnum", "65535", "8192"}},
    {P1 + 8, 8, FILE_SIZE - 0x7ff, {"header 0", "p_offset", "truncated"}},
    {P1 + 8, 8, UINT64_MAX, {"header 0", "p_offset", NULL}},
    {P2 + 24, 8, 0x202fff, {"0 and 1", "overlap", "p_paddr"}},
    {P2 + 24, 8, 0x100000000, {"header 1", "p_paddr", "4 GiB"}},
    {P2 + 24, 8, 0xffffff80, {"header 1", "p_paddr", "4 GiB"}},
    {P2 + 24, 8, UINT64_MAX - 1, {"header 1", "p_paddr", "4 GiB"}},
    {P2 + 24, 8, 60 * MIB + 0x1000, {"header 1", "block", "0x3c00000"}},
    {P2 + 24, 8, 60 * MIB - 0xff, {"header 1", "block", "0x3c00000"}},
    {P2 + 24, 8, 64 * MIB - 0x80, {"header 1", "RAM", "p_paddr"}},
    {P2 + 24, 8, 0xf0000, {"header 1", "RAM", NULL}},
    {P2 + 32, 8, 0x101, {"header 1", "p_filesz 0x101", "p_memsz 0x100"}},
    {P2 + 40, 8, UINT64_MAX, {"header 1", "p_memsz", "4 GiB"}},
};

static void refuse_each(void (*make)(void), const struct bad_elf *bad, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        machine_make();
        make();
        patch(&machine.file, bad[i].at, bad[i].size, bad[i].value);
        machine_kernel_at(KERNEL_AT);
        refuse(bad[i].texts[0], bad[i].texts[1], bad[i].texts[2]);
    }
}

static void bad_elf_fields(void **state)
{
    (void)state;
    refuse_each(elf32, bad_elf32, ARRAY_SIZE(bad_elf32));
    refuse_each(elf64, bad_elf64, ARRAY_SIZE(bad_elf64));
}

static void too_many_segments(void **state)
{
    static struct segment many[33];

    (void)state;
    for (unsigned i = 0; i < 33; i++)
        many[i] = (struct segment){0x1000, 0x200000 + i * 0x1000, 0x200000 + i * 0x1000, 16, 32};
    for (unsigned count = 32; count <= 33; count++) {
        machine_make();
        put_elf32(many, count, 0x200000);
        while (machine.file.size < 0x800)
            put(&machine.file, 1, 0);
        put_bytes(&machine.file, "\x02\xb0\xad\x1b\0\0\0\0\xfe\x4f\x52\xe4", 12);
        put_content();
        machine_kernel_at(KERNEL_AT);
        if (count == 32)
            load();
        else
            refuse("32", "PT_LOAD", "e_phnum");
    }
}

static void truncated_files(void **state)
{
    (void)state;
    for (unsigned width = 32; width <= 64; width += 32)
        for (uint64_t size = HEADER_AT + 12; size < 0x1900; size += size < 0x240 ? 1 : 61) {
            machine_make();
            width == 32 ? elf32() : elf64();
            machine.file.size = size;
            machine_kernel_at(GIB + size * PAGE_SIZE + (width == 32 ? 0 : GIB));
            if (!multiboot_load(&machine.source, &machine.entry, &machine.error))
                assert_contains(machine.error.text, "truncated");
            else
                fail_msg("a file of %lu bytes was loaded", size);
        }
}

/* --- multiboot's header --- */

static const struct {
    uint32_t flags, fields[5];
    const char *texts[3];
} bad_header1[] = {
    {1 << 3, {0}, {"flags", "0x8", "unknown"}},
    {1 << 16 | 1 << 15, {0}, {"flags", "0x8000", "unknown"}},
    {1 << 16, {0x100200, 0x100201, 0, 0, 0x100200}, {"load_addr 0x100201", "header_addr", NULL}},
    {1 << 16, {0x100200, 0x0fffff, 0, 0, 0x100200}, {"load_addr 0xfffff", "first byte", NULL}},
    {1 << 16, {0x100200, 0x100000, 0x100000, 0, 0x100200}, {"load_end_addr 0x100000", "load_addr", NULL}},
    {1 << 16, {0x100200, 0x100000, 0x102001, 0, 0x100200}, {"load_end_addr 0x102001", "truncated", NULL}},
    {1 << 16, {0x100200, 0x100000, 0x101000, 0x100fff, 0x100200}, {"bss_end_addr 0x100fff", "load_end_addr", NULL}},
    {1 << 16, {0x100200, 0x100000, 0x101000, 0x102000, 0x102000}, {"entry_addr", "0x102000", NULL}},
    {1 << 16, {0x100200, 0x100000, 0x101000, 0x102000, 0x0fffff}, {"entry_addr", "0xfffff", NULL}},
    {1 << 16, {0xfffff200, 0xfffff000, 0, 0, 0xfffff200}, {"load_addr", "4 GiB", NULL}},
    {1 << 16, {0x3c00200, 0x3c00000, 0, 0, 0x3c00200}, {"load_addr", "block", NULL}},
    {1 << 16, {0x3bff200, 0x3bff000, 0, 0, 0x3bff200}, {"load_addr", "block", NULL}},
    {1 << 16, {0x100200, 0x100000, 0, 0x4000001, 0x100200}, {"bss_end_addr", "block", NULL}},
    {1 << 16, {0x3e00200, 0x3e00000, 0, 0x4000001, 0x3e00200}, {"bss_end_addr", "RAM", NULL}},
    {0, {0}, {"flags", "bit 16", "ELF"}},
};

static void bad_header1_fields(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad_header1); i++) {
        machine_make();
        machine.file.size = 0;
        put_header1(bad_header1[i].flags, bad_header1[i].fields, 5);
        put_content();
        machine_kernel_at(KERNEL_AT);
        refuse(bad_header1[i].texts[0], bad_header1[i].texts[1], bad_header1[i].texts[2]);
    }
}

static void fields_beyond_the_first_8_kib(void **state)
{
    (void)state;
    machine_make();
    put_elf32(good, 2, 0x200010);
    while (machine.file.size < FILE_SIZE - 12)
        put(&machine.file, 1, 0);
    put_bytes(&machine.file, "\x02\xb0\xad\x1b\0\0\1\0\xfe\x4f\x51\xe4", 12);
    put_zeros(&machine.file, 100);
    machine_kernel_at(KERNEL_AT);
    refuse("0x1ff4", "8 KiB", "flags 0x10000");
}

/* --- multiboot2's header --- */

/* One tag, in a kernel that is else good. */
static const struct {
    uint16_t type, flags;
    unsigned count;
    uint32_t words[6];
    const char *texts[3];
} bad_tags[] = {
    {11, 0, 0, {0}, {"required tag", "type 11", NULL}},
    {0xffff, 0, 0, {0}, {"required tag", "65535", NULL}},
    {1, 0, 3, {1, 6, 7}, {"information request", "tag 7", "VBE"}},
    {1, 0, 1, {10}, {"tag 10", "APM", NULL}},
    {1, 0, 1, {12}, {"tag 12", "EFI", NULL}},
    {1, 0, 1, {22}, {"tag 22", "unknown", NULL}},
    {1, 0, 1, {UINT32_MAX}, {"tag 4294967295", "unknown", NULL}},
    {2, 0, 3, {0}, {"address tag", "size 20", "24"}},
    {2, 0, 4, {0x300200, 0x300000, 0, 0}, {"address tag", "no entry address tag", NULL}},
    {3, 0, 0, {0}, {"entry address tag", "size 8", "12"}},
    {3, 0, 1, {0x203000}, {"entry_addr", "0x203000", NULL}},
    {4, 0, 0, {0}, {"console flags tag", "size 8", NULL}},
    {4, 0, 1, {3}, {"console flags tag", "screen", NULL}},
    {10, 0, 3, {0}, {"relocatable tag", "size 20", "24"}},
    {10, 0, 4, {0x1000000, 0x1ffffff, 0x3000, 0}, {"relocatable tag", "align 0x3000", "power of two"}},
    {10, 0, 4, {0x1000000, 0x1ffffff, 0x1000, 3}, {"relocatable tag", "preference 3", NULL}},
    {10, 0, 4, {0x1000000, 0x1000000, 0x1000, 0}, {"relocatable tag", "min_addr 0x1000000", "max_addr"}},
    {10, 0, 4, {0x1000000, 0x13fffff, 0x1000, 0}, {"min_addr", "0x1000000 and 0x13fffff", "RAM: 61 MiB"}},
    {10, 0, 4, {0x1000000, 0xffffffff, 0x80000000, 0}, {"max_addr", "0x80000000", NULL}},
    {10, 0, 4, {0x3c00000, 0xffffffff, 0x1000, 2}, {"max_addr", "0xffffffff", NULL}},
};

static void kernel2(unsigned i)
{
    put_elf64(good, 2, 0x200010);
    put_header2(0);
    put_tag2(bad_tags[i].type, bad_tags[i].flags, bad_tags[i].words, bad_tags[i].count);
    header2_end();
    put_content();
}

static void bad_header_tags(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad_tags); i++) {
        machine_make();
        kernel2(i);
        machine_kernel_at(KERNEL_AT);
        refuse(bad_tags[i].texts[0], bad_tags[i].texts[1], bad_tags[i].texts[2]);
    }
}

/* Both tags of a kernel that is no ELF file: header_addr, load_addr, load_end_addr, bss_end_addr; entry_addr. */
static const struct {
    uint32_t addresses[4], entry;
    const char *texts[3];
} bad_addresses2[] = {
    {{0x100200, 0x100201, 0, 0}, 0x100200, {"load_addr 0x100201", "header_addr", NULL}},
    {{0x100200, 0x0fffff, 0, 0}, 0x100200, {"load_addr 0xfffff", "first byte", NULL}},
    {{0x1ff, 0xffffffff, 0, 0}, 0x1ff, {"header_addr 0x1ff", "offset", NULL}},
    {{0x100200, 0x100000, 0x100000, 0}, 0x100200, {"load_end_addr 0x100000", "load_addr", NULL}},
    {{0x100200, 0x100000, 0x102001, 0}, 0x100200, {"load_end_addr 0x102001", "truncated", NULL}},
    {{0x100200, 0x100000, 0x101000, 0x100fff}, 0x100200, {"bss_end_addr 0x100fff", "load_end_addr", NULL}},
    {{0x100200, 0x100000, 0x101000, 0x102000}, 0x102000, {"entry_addr", "0x102000", NULL}},
    {{0xfffff200, 0xfffff000, 0, 0}, 0xfffff200, {"load_addr", "4 GiB", NULL}},
    {{0x3c00200, 0x3c00000, 0, 0}, 0x3c00200, {"load_addr", "block", NULL}},
    {{0x100200, 0x100000, 0, 0x4000001}, 0x100200, {"bss_end_addr", "block", NULL}},
};

static void bad_address_tags(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad_addresses2); i++) {
        machine_make();
        machine.file.size = 0;
        put_header2(0);
        put_tag2(2, 0, bad_addresses2[i].addresses, 4);
        put_tag2(3, 0, &bad_addresses2[i].entry, 1);
        header2_end();
        put_content();
        machine_kernel_at(KERNEL_AT);
        refuse(bad_addresses2[i].texts[0], bad_addresses2[i].texts[1], bad_addresses2[i].texts[2]);
    }
}

static void optional_tags_are_no_demand(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 7; i++) {
        machine_make();
        kernel2(i);
        patch(&machine.file, HEADER_AT + 16 + 2, 2, 1);
        machine_kernel_at(KERNEL_AT);
        load();
    }
}

static void a_kernel_that_only_draws_is_told(void **state)
{
    static const uint32_t required = 1;

    (void)state;
    machine_make();
    put_elf64(good, 2, 0x200010);
    put_header2(0);
    put_tag2(4, 0, &required, 1);
    put_tag2(5, 0, (uint32_t[]){1024, 768, 32}, 3);
    header2_end();
    put_content();
    machine_kernel_at(KERNEL_AT);
    machine.source.screen.present = machine.source.screen.text = true;
    refuse("console flags tag", "graphics", "text mode");
    machine.source.screen.text = false;
    load();
}

static void header2_sizes(void **state)
{
    static const struct {
        unsigned at;
        uint32_t value;
        uint32_t length;
        const char *texts[3];
    } bad[] = {
        {HEADER_AT + 4, 4, 40, {"architecture is 4", "x86", NULL}},
        {HEADER_AT, 0xe85250d6, FILE_SIZE - HEADER_AT + 1, {"header_length 7681", "8192", NULL}},
        {HEADER_AT, 0xe85250d6, UINT32_MAX, {"header_length 4294967295", NULL, NULL}},
        {HEADER_AT, 0xe85250d6, 0, {"end tag", "0 bytes", "header_length"}},
        {HEADER_AT, 0xe85250d6, 24, {"end tag", "24 bytes", "header_length"}},
        {HEADER_AT + 20, 7, 40, {"type 6", "offset 0x10", "size 7"}},
        {HEADER_AT + 20, 25, 40, {"type 6", "offset 0x10", "size 25"}},
        {HEADER_AT + 20, UINT32_MAX, 40, {"type 6", "size 4294967295", NULL}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        machine_make();
        put_elf64(good, 2, 0x200010);
        put_header2(0);
        put_tag2(6, 0, NULL, 0);
        header2_end();
        put_content();
        patch(&machine.file, bad[i].at, 4, bad[i].value);
        sum_header2(bad[i].length);
        machine_kernel_at(KERNEL_AT);
        refuse(bad[i].texts[0], bad[i].texts[1], bad[i].texts[2]);
    }
}

/* --- no room --- */

static void no_room_for_what_must_move(void **state)
{
    (void)state;
    machine_make();
    machine_memory(8 * MIB, 64 * MIB, MEMORY_RESERVED);
    machine_memory(MIB, 8 * MIB, MEMORY_RESERVED);
    machine_memory(0x200000, 0x203000, MEMORY_RAM);
    machine_memory(0x600000, 0x601000, MEMORY_RAM);
    elf32();
    machine_kernel_at(KERNEL_AT);
    machine_module(0x201000, "");
    refuse("module 2", "5 KiB", "RAM: 0 MiB");
    machine.source.module_count = 0;
    machine_kernel_at(0x201000);
    refuse("own file", "8 KiB", NULL);
    machine_kernel_at(KERNEL_AT);
    machine_memory(0, 0x9fc00, MEMORY_RESERVED);
    refuse("multiboot information", "4 KiB", NULL);
}

static void what_the_caller_needs_is_avoided(void **state)
{
    (void)state;
    machine_make();
    elf32();
    machine_kernel_at(KERNEL_AT);
    machine.source.avoid[0] = (struct range){0x202fff, 0x203000};
    machine.source.avoid_count = 1;
    refuse("p_paddr", "Plinth needs", "0x203000");
}

static void no_header_at_all(void **state)
{
    (void)state;
    machine_make();
    elf32();
    machine.file.data[HEADER_AT + 8] ^= 1; /* the checksum */
    machine_kernel_at(KERNEL_AT);
    refuse("no multiboot header", NULL, NULL);
    machine.source.kernel = (struct range){5 * GIB, 5 * GIB + 4096};
    refuse("4 GiB", NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_elf_fields),
        cmocka_unit_test(too_many_segments),
        cmocka_unit_test(truncated_files),
        cmocka_unit_test(bad_header1_fields),
        cmocka_unit_test(fields_beyond_the_first_8_kib),
        cmocka_unit_test(bad_header_tags),
        cmocka_unit_test(bad_address_tags),
        cmocka_unit_test(optional_tags_are_no_demand),
        cmocka_unit_test(a_kernel_that_only_draws_is_told),
        cmocka_unit_test(header2_sizes),
        cmocka_unit_test(no_room_for_what_must_move),
        cmocka_unit_test(what_the_caller_needs_is_avoided),
        cmocka_unit_test(no_header_at_all),
    };

    return cmocka_run_group_tests_name("multiboot refusals", tests, NULL, NULL);
}
