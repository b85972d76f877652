/*
 * What the tests of the multiboot loader share: a machine's memory, kernel files made field by field, and the check of
 * everything that must hold after multiboot_load(). Include tests/host/support.h and tests/host/bytes.h first.
 */
#pragma once

#include "guest/multiboot.h"

enum { MEMORY_SIZE = 64 << 20, KERNEL_AT = 8 << 20, MODULE_BYTES = 5000 };

static uint8_t *memory;

static struct {
    struct memmap map;
    struct guest_source source;
    struct guest_entry entry;
    struct error error;
    struct bytes file;
} machine;

static const uint8_t rsdp[36] = "RSD PTR ";

static inline void machine_memory(uint64_t start, uint64_t end, enum memory_kind kind)
{
    assert_true(memmap_set(&machine.map, (struct range){start, end}, kind, &machine.error));
}

/* 64 MiB of RAM, Plinth's block at 60 MiB. */
static inline void machine_make(void)
{
    if (!memory)
        memory = arena_add(0, MEMORY_SIZE);
    memset(memory, 0xcc, MEMORY_SIZE);
    memset(&machine, 0, sizeof machine);
    machine_memory(0, 0x9fc00, MEMORY_RAM);
    machine_memory(0xf0000, 0x100000, MEMORY_RESERVED);
    machine_memory(MIB, MEMORY_SIZE, MEMORY_RAM);
    machine_memory(60 * MIB, 62 * MIB, MEMORY_RESERVED);
    machine.source = (struct guest_source){.command_line = "root=/dev/ram0 a b",
                                           .loader_name = "Plinth test",
                                           .rsdp_copy = rsdp,
                                           .rsdp_size = sizeof rsdp,
                                           .block = {60 * MIB, 62 * MIB},
                                           .memmap = &machine.map};
}

static inline uint8_t module_byte(unsigned index, uint64_t at)
{
    return (uint8_t)(index * 37 + at * 7 + at / 251);
}

static inline void machine_module(uint64_t at, const char *string)
{
    const unsigned index = machine.source.module_count++;

    machine.source.modules[index] = (struct guest_module){{at, at + MODULE_BYTES}, string};
    for (uint64_t i = 0; i < MODULE_BYTES; i++)
        memory[at + i] = module_byte(index, i);
}

/* Puts the file into memory of its own, where ASan sees a read beyond; or among the RAM. */
static inline void machine_kernel_at(uint64_t at)
{
    uint8_t *to = at >= MEMORY_SIZE ? arena_add(at, machine.file.size) : memory + at;

    memcpy(to, machine.file.data, machine.file.size);
    machine.source.kernel = (struct range){at, at + machine.file.size};
}

static inline uint32_t word_at(uint64_t physical)
{
    uint32_t word;

    memcpy(&word, memory + physical, sizeof word);
    return word;
}

static inline void check_free(struct range place)
{
    assert_true(memmap_is(&machine.map, place, MEMORY_RAM));
    assert_false(range_overlaps(place, machine.source.block));
}

static inline void check_module(unsigned index, uint64_t start, uint64_t end)
{
    assert_int_equal(end - start, MODULE_BYTES);
    assert_int_equal(start % PAGE_SIZE, 0);
    check_free((struct range){start, end});
    for (uint64_t i = 0; i < MODULE_BYTES; i++)
        if (memory[start + i] != module_byte(index, i))
            fail_msg("module %u, byte %lu", index, i);
}

static inline void load(void)
{
    if (!multiboot_load(&machine.source, &machine.entry, &machine.error))
        fail_msg("%s", machine.error.text);
    check_free(machine.entry.kernel);
    check_free(machine.entry.parameters);
    assert_false(range_overlaps(machine.entry.kernel, machine.entry.parameters));
    assert_true(range_contains(machine.entry.kernel, (struct range){machine.entry.eip, machine.entry.eip + 1u}));
    assert_int_equal(machine.entry.code_selector, 0x10);
    assert_int_equal(machine.entry.gdt_limit, 31);
    assert_int_equal(word_at(machine.entry.gdt_base + 0x14), 0x00cf9b00);
}

/* It must refuse, in whole words that hold the (at most three) texts, and change nothing. */
static inline void refuse(const char *a, const char *b, const char *c)
{
    const char *const texts[] = {a, b, c};
    static uint8_t before[MEMORY_SIZE];

    memcpy(before, memory, MEMORY_SIZE);
    memset(machine.error.text, 'x', sizeof machine.error.text);
    if (multiboot_load(&machine.source, &machine.entry, &machine.error))
        fail_msg("not refused, but expected: %s", a);
    assert_true(strlen(machine.error.text) < sizeof machine.error.text - 1); /* nothing was cut */
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (texts[i])
            assert_contains(machine.error.text, texts[i]);
    assert_contains(machine.error.text, ": "); /* fact: remedy */
    assert_memory_equal(before, memory, MEMORY_SIZE);
    if (getenv("SHOW"))
        print_message("    %s\n", machine.error.text);
}

/* --- kernel files --- */

struct segment {
    uint64_t offset, vaddr, paddr, filesz, memsz;
};

enum { ELF32_PHDRS = 52, ELF64_PHDRS = 64, FILE_SIZE = 8192, HEADER_AT = 0x200 };

static inline void put_elf32(const struct segment *segments, unsigned count, uint32_t entry)
{
    struct bytes *f = &machine.file;

    f->size = 0;
    put_bytes(f, "\177ELF\1\1\1\0\0\0\0\0\0\0\0\0", 16);
    put(f, 2, 2), put(f, 2, 3), put(f, 4, 1), put(f, 4, entry), put(f, 4, ELF32_PHDRS), put(f, 4, 0), put(f, 4, 0);
    put(f, 2, 52), put(f, 2, 32), put(f, 2, count), put(f, 2, 0), put(f, 2, 0), put(f, 2, 0);
    for (unsigned i = 0; i < count; i++) {
        put(f, 4, 1), put(f, 4, segments[i].offset), put(f, 4, segments[i].vaddr), put(f, 4, segments[i].paddr);
        put(f, 4, segments[i].filesz), put(f, 4, segments[i].memsz), put(f, 4, 7), put(f, 4, 4096);
    }
}

static inline void put_elf64(const struct segment *segments, unsigned count, uint64_t entry)
{
    struct bytes *f = &machine.file;

    f->size = 0;
    put_bytes(f, "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0", 16);
    put(f, 2, 2), put(f, 2, 62), put(f, 4, 1), put(f, 8, entry), put(f, 8, ELF64_PHDRS), put(f, 8, 0), put(f, 4, 0);
    put(f, 2, 64), put(f, 2, 56), put(f, 2, count), put(f, 2, 0), put(f, 2, 0), put(f, 2, 0);
    for (unsigned i = 0; i < count; i++) {
        put(f, 4, 1), put(f, 4, 7), put(f, 8, segments[i].offset), put(f, 8, segments[i].vaddr);
        put(f, 8, segments[i].paddr), put(f, 8, segments[i].filesz), put(f, 8, segments[i].memsz), put(f, 8, 4096);
    }
}

/* Bytes that tell where they come from, up to FILE_SIZE. */
static inline void put_content(void)
{
    while (machine.file.size < FILE_SIZE)
        put(&machine.file, 1, machine.file.size * 31 + machine.file.size / 256);
}

static inline uint8_t content(uint64_t offset)
{
    return (uint8_t)(offset * 31 + offset / 256);
}

static inline void check_segment(const struct segment *segment, uint64_t shift)
{
    for (uint64_t i = 0; i < segment->memsz; i++) {
        const uint64_t offset = segment->offset + i;
        const uint8_t want = i < segment->filesz ? machine.file.data[offset] : 0;

        if (memory[segment->paddr + shift + i] != want)
            fail_msg("segment at %lx, byte %lx: %x, not %x", segment->paddr, i, memory[segment->paddr + shift + i],
                     want);
    }
}

/* A multiboot 1 header at HEADER_AT, in the file that was put so far. */
static inline void put_header1(uint32_t flags, const uint32_t *fields, unsigned count)
{
    while (machine.file.size < HEADER_AT)
        put(&machine.file, 1, 0);
    put(&machine.file, 4, 0x1badb002), put(&machine.file, 4, flags), put(&machine.file, 4, -(0x1badb002 + flags));
    for (unsigned i = 0; i < count; i++)
        put(&machine.file, 4, fields[i]);
}

/* Begins a multiboot 2 header there; header2_end() closes it. */
static inline void put_header2(uint32_t architecture)
{
    while (machine.file.size < HEADER_AT)
        put(&machine.file, 1, 0);
    put(&machine.file, 4, 0xe85250d6), put(&machine.file, 4, architecture), put(&machine.file, 8, 0);
}

static inline void put_tag2(uint16_t type, uint16_t flags, const uint32_t *words, unsigned count)
{
    put_align(&machine.file, 8);
    put(&machine.file, 2, type), put(&machine.file, 2, flags), put(&machine.file, 4, 8 + 4 * count);
    for (unsigned i = 0; i < count; i++)
        put(&machine.file, 4, words[i]);
    put_align(&machine.file, 8);
}

static inline void sum_header2(uint32_t length)
{
    uint32_t architecture;

    memcpy(&architecture, machine.file.data + HEADER_AT + 4, 4);
    patch(&machine.file, HEADER_AT + 8, 4, length);
    patch(&machine.file, HEADER_AT + 12, 4, -(0xe85250d6 + architecture + length));
}

static inline void header2_end(void)
{
    put_tag2(0, 0, NULL, 0);
    sum_header2((uint32_t)machine.file.size - HEADER_AT);
}
