/*
 * What the tests of the Linux loader share: a machine's memory, kernel files and initrds whose every byte is known, and
 * the check of everything that must hold after linux_load().
 */
#pragma once

#include "tests/host/support.h"

#include "guest/boot_params.h"
#include "guest/linux.h"

/* Physical memory from 0 on. It keeps what a test left in it, so every file gets bytes of its own. */
enum { MEMORY_SIZE = 512 << 20 };
static uint8_t *memory;
static uint64_t seed;

/* A machine with a kernel and an initrd in it, and what linux_load() made of them. */
static struct {
    struct memmap map;
    struct guest_source source;
    struct guest_entry entry;
    struct error error;
    struct setup_header header; /* of the kernel file */
    uint64_t setup_size, system_size;
    uint64_t kernel_seed, initrd_seed;
} machine;

static uint64_t pattern(uint64_t of, uint64_t i)
{
    return (of + i + 1) * 0x9e3779b97f4a7c15u;
}

static inline void fill(uint64_t at, uint64_t size, uint64_t of)
{
    uint64_t word;

    for (uint64_t i = 0; i < size; i += 8) {
        word = pattern(of, i);
        memcpy(memory + at + i, &word, size - i < 8 ? size - i : 8);
    }
}

static bool is_filled(uint64_t at, uint64_t size, uint64_t of)
{
    uint64_t word;

    for (uint64_t i = 0; i < size; i += 8) {
        word = pattern(of, i);
        if (memcmp(memory + at + i, &word, size - i < 8 ? size - i : 8))
            return false;
    }
    return true;
}

static struct range range_of(uint64_t start, uint64_t size)
{
    return (struct range){start, start + size};
}

static struct range whole_pages_of(struct range range)
{
    return (struct range){ALIGN_DOWN(range.start, PAGE_SIZE), ALIGN_UP(range.end, PAGE_SIZE)};
}

static void add_memory(uint64_t start, uint64_t end, enum memory_kind kind)
{
    struct error error;

    assert_true(memmap_set(&machine.map, (struct range){start, end}, kind, &error));
}

static void machine_clear(void)
{
    if (!memory)
        memory = arena_add(0, MEMORY_SIZE);
    memset(&machine, 0, sizeof machine);
    machine.source.memmap = &machine.map;
    machine.source.command_line = "console=ttyS0 root=/dev/sda1";
    machine.source.rsdp = 0xf5a40;
}

/* A PC with this much memory, at most MEMORY_SIZE, and no images yet. */
static inline void machine_make(uint64_t size)
{
    machine_clear();
    machine.source.has_bios = true;
    add_memory(0, 0x9fc00, MEMORY_RAM);
    add_memory(0x9fc00, 0xa0000, MEMORY_RESERVED);
    add_memory(0xf0000, 0x100000, MEMORY_RESERVED);
    add_memory(0x100000, size, MEMORY_RAM);
}

static inline void machine_block(uint64_t start, uint64_t size)
{
    machine.source.block = range_of(start, size);
    add_memory(start, start + size, MEMORY_RESERVED);
}

/* The header of a present-day distribution kernel with 8 MiB of protected-mode code. */
static inline void header_make(void)
{
    machine.header = (struct setup_header){
        .setup_sects = 39,
        .syssize = 8 * MIB / 16,
        .boot_flag = BOOT_FLAG,
        .jump_opcode = 0xeb,
        .jump_distance = 0x26c - 0x202,
        .header = HEADER_MAGIC,
        .version = 0x020f,
        .loadflags = LOADFLAGS_LOADED_HIGH,
        .code32_start = 0x100000,
        .initrd_addr_max = 0x7fffffff,
        .kernel_alignment = 0x200000,
        .relocatable_kernel = 1,
        .min_alignment = 21,
        .xloadflags = 0x7f,
        .cmdline_size = 2047,
        .pref_address = 0x1000000,
        .init_size = 48 * MIB,
    };
}

/* Puts the file with machine.header at `at`. */
static void kernel_put(uint64_t at)
{
    const unsigned sectors = machine.header.setup_sects ? machine.header.setup_sects : 4;

    machine.setup_size = (sectors + 1) * 512;
    machine.system_size = (uint64_t)machine.header.syssize * 16;
    machine.source.kernel = range_of(at, machine.setup_size + machine.system_size);
    machine.kernel_seed = ++seed << 32;
    memset(memory + at, 0, machine.setup_size);
    memcpy(memory + at + SETUP_HEADER_OFFSET, &machine.header, sizeof machine.header);
    fill(at + machine.setup_size, machine.system_size, machine.kernel_seed);
}

static inline void initrd_put(uint64_t at, uint64_t size)
{
    machine.source.initrd = range_of(at, size);
    machine.initrd_seed = ++seed << 32;
    fill(at, size, machine.initrd_seed);
}

static void check_place(struct range place)
{
    assert_true(memmap_is(&machine.map, place, MEMORY_RAM));
    assert_true(place.end <= 4 * GIB);
    assert_false(range_overlaps(place, machine.source.block));
}

static void check_avoided(struct range place)
{
    for (unsigned i = 0; i < machine.source.avoid_count; i++)
        assert_false(range_overlaps(place, machine.source.avoid[i]));
}

static void check_kernel(const struct boot_params *params)
{
    const struct guest_entry *entry = &machine.entry;
    const uint64_t start = entry->kernel.start;
    const uint64_t needs = machine.header.version < 0x20a ? ALIGN_UP(3 * machine.system_size, PAGE_SIZE)
                           : machine.header.init_size > machine.system_size ? machine.header.init_size
                                                                            : machine.system_size;

    check_place(entry->kernel);
    check_avoided(entry->kernel);
    assert_int_equal(range_size(entry->kernel), needs);
    assert_true(is_filled(start, machine.system_size, machine.kernel_seed));
    assert_int_equal(entry->eip, start);
    assert_int_equal(params->hdr.code32_start, start);
    if (machine.header.relocatable_kernel) {
        assert_int_equal(start % params->hdr.kernel_alignment, 0);
        assert_true(params->hdr.kernel_alignment <= machine.header.kernel_alignment);
        assert_true(
            params->hdr.kernel_alignment >=
            (machine.header.min_alignment && machine.header.version >= 0x20a ? 1u << machine.header.min_alignment : 1));
        assert_true(start >= (machine.header.version >= 0x20a ? machine.header.pref_address : MIB));
    } else {
        assert_int_equal(
            start, machine.header.version >= 0x20a && machine.header.pref_address ? machine.header.pref_address : MIB);
    }
}

static void check_initrd(const struct boot_params *params)
{
    const struct guest_entry *entry = &machine.entry;
    const uint64_t size = range_size(machine.source.initrd);

    assert_int_equal(range_size(entry->initrd), size);
    assert_int_equal(params->hdr.ramdisk_image, entry->initrd.start);
    assert_int_equal(params->hdr.ramdisk_size, size);
    assert_int_equal(params->ext_ramdisk_image | params->ext_ramdisk_size, 0);
    if (size == 0)
        return;
    check_place(entry->initrd);
    if (entry->initrd.start != machine.source.initrd.start)
        check_avoided(entry->initrd);
    assert_int_equal(entry->initrd.start % PAGE_SIZE, 0);
    assert_true(entry->initrd.end - 1 <= machine.header.initrd_addr_max);
    assert_false(range_overlaps(whole_pages_of(entry->initrd), entry->kernel));
    assert_true(is_filled(entry->initrd.start, size, machine.initrd_seed));
}

static void check_gdt(void)
{
    uint64_t gdt[4];

    assert_int_equal(machine.entry.code_selector, 0x10);
    assert_int_equal(machine.entry.data_selector, 0x18);
    assert_int_equal(machine.entry.gdt_limit, sizeof gdt - 1);
    assert_true(range_contains(machine.entry.parameters, range_of(machine.entry.gdt_base, sizeof gdt)));
    memcpy(gdt, memory + machine.entry.gdt_base, sizeof gdt);
    assert_int_equal(gdt[0], 0);
    assert_int_equal(gdt[2], 0x00cf9b000000ffff); /* base 0, limit 4 GiB, 32 bit, execute/read */
    assert_int_equal(gdt[3], 0x00cf93000000ffff); /* the same, read/write */
}

/* The map as Linux puts it together: the zero page's part, then the setup_data node. */
static void check_e820(const struct boot_params *params)
{
    const unsigned count = machine.map.count;
    const uint8_t *ext = memory + params->hdr.setup_data;
    struct setup_data node;
    struct e820_entry entry;

    assert_int_equal(params->e820_entries, count < 128 ? count : 128);
    assert_int_equal(params->hdr.setup_data != 0, count > 128);
    if (count > 128) {
        assert_true(
            range_contains(machine.entry.parameters, range_of(params->hdr.setup_data, 16 + (count - 128) * 20)));
        memcpy(&node, ext, sizeof node);
        assert_int_equal(node.next, 0);
        assert_int_equal(node.type, SETUP_E820_EXT);
        assert_int_equal(node.len, (count - 128) * 20);
    }
    for (unsigned i = 0; i < count; i++) {
        memcpy(&entry, i < 128 ? (const uint8_t *)&params->e820_table[i] : ext + 16 + (i - 128) * 20, sizeof entry);
        assert_int_equal(entry.addr, machine.map.entries[i].range.start);
        assert_int_equal(entry.size, range_size(machine.map.entries[i].range));
        assert_int_equal(entry.type, machine.map.entries[i].kind);
    }
}

static void check_parameters(const struct boot_params *params)
{
    const struct guest_entry *entry = &machine.entry;

    check_place(entry->parameters);
    check_avoided(entry->parameters);
    assert_false(range_overlaps(entry->parameters, entry->kernel));
    assert_false(range_overlaps(entry->parameters, whole_pages_of(entry->initrd)));
    assert_true(entry->parameters.start >= PAGE_SIZE);
    assert_int_equal(entry->esi, entry->parameters.start);
    assert_int_equal(params->sentinel, 0);
    assert_int_equal(params->acpi_rsdp_addr, machine.source.rsdp);
    assert_int_equal(params->hdr.type_of_loader, 0xff);
    assert_int_equal(params->hdr.loadflags, LOADFLAGS_LOADED_HIGH);
    assert_int_equal(params->hdr.version, machine.header.version);
    assert_int_equal(params->hdr.header, HEADER_MAGIC);
    assert_true(
        range_contains(entry->parameters, range_of(params->hdr.cmd_line_ptr, strlen(machine.source.command_line) + 1)));
    assert_string_equal((const char *)memory + params->hdr.cmd_line_ptr, machine.source.command_line);
    assert_int_equal(params->ext_cmd_line_ptr, 0);
}

/* All that must hold after a linux_load() that succeeded. */
static const struct boot_params *check_loaded(void)
{
    const struct boot_params *params = (const struct boot_params *)(memory + machine.entry.esi);

    check_kernel(params);
    check_initrd(params);
    check_parameters(params);
    check_gdt();
    check_e820(params);
    return params;
}

static inline const struct boot_params *load(void)
{
    if (!linux_load(&machine.source, &machine.entry, &machine.error))
        fail_msg("%s", machine.error.text);
    return check_loaded();
}

/* It must refuse, in whole words that hold every one of the (at most three) texts, and change nothing. */
static inline void refuse(const char *a, const char *b, const char *c)
{
    const char *const texts[] = {a, b, c};

    memset(machine.error.text, 'x', sizeof machine.error.text);
    assert_false(linux_load(&machine.source, &machine.entry, &machine.error));
    assert_true(strlen(machine.error.text) < sizeof machine.error.text - 1); /* nothing was cut */
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (texts[i] && !strstr(machine.error.text, texts[i]))
            fail_msg("\"%s\" is not in: %s", texts[i], machine.error.text);
    if (getenv("SHOW"))
        print_message("    %s\n", machine.error.text);
}

static inline int forget(void **state)
{
    (void)state;
    arena_clear();
    return 0;
}
