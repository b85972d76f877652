/*
 * Fuzzes the start in real mode: from a disk's boot sector, or by a kernel's set-up code. The input: 16 bytes that say
 * where things are, 16 that lie in the interrupt vectors and the firmware's data, and bytes xored onto a good setup
 * header. Base memory, the memory map, vectors and disks are as bad as they come; what is accepted must lie in RAM
 * below the end of base memory, and nothing else may change but INT 15H's vector and 40:13.
 */
#include "tests/fuzz/loader_world.h"

#include "guest/bios_resident.h"
#include "guest/boot_params.h"
#include "guest/load.h"

enum { LOW_SIZE = 0xa0000, FIRMWARE_BYTES = 16, FILE_SIZE = 4096, SETUP_BYTES = 1024, RESIDENT_MAX = 4096 };
enum { VECTOR_13 = 0x13 * 4, VECTOR_15 = 0x15 * 4, BASE_MEMORY = 0x413, DISKS = 0x475 };

static uint8_t before[LOW_SIZE], resident[RESIDENT_MAX];

static uint32_t word(uint64_t at, unsigned size)
{
    uint32_t value = 0;

    memcpy(&value, memory + at, size);
    return value;
}

/* Low memory is filled once, and every run puts back what it changed: filling it costs more than a run. */
static void make_low_memory(void)
{
    if (before[0])
        return;
    memset(before, 0xcc, LOW_SIZE);
    memcpy(memory, before, LOW_SIZE);
}

static void put_back(void)
{
    for (uint64_t page = 0; page < LOW_SIZE; page += PAGE_SIZE)
        if (memcmp(memory + page, before + page, PAGE_SIZE))
            memcpy(memory + page, before + page, PAGE_SIZE);
}

/* Base memory near where it always ends, else where the input says; likewise the disks and the vectors. */
static void make_firmware(const uint8_t *config, const uint8_t *firmware)
{
    const uint16_t base =
        firmware[0] & 1 ? (uint16_t)(firmware[1] << 8 | firmware[2]) : (uint16_t)(640 - firmware[1] % 8);

    memcpy(memory + VECTOR_13, firmware + 4, 4);
    memcpy(memory + VECTOR_15, firmware + 8, 4);
    memcpy(memory + BASE_MEMORY, &base, sizeof base);
    memory[DISKS] = firmware[3];
    memcpy(before, memory, PAGE_SIZE);
    memset(resident, 0x90, sizeof resident);
    resident[RESIDENT_INT15] = config[0];
    resident[RESIDENT_INT15 + 1] = 0;
}

/* A kernel without a 32-bit entry. */
static void make_file(uint8_t *file, const uint8_t *data, size_t size)
{
    struct setup_header header = {
        .setup_sects = 1,
        .syssize = (FILE_SIZE - SETUP_BYTES) / 16,
        .boot_flag = BOOT_FLAG,
        .jump_opcode = 0xeb,
        .jump_distance = 0x268 - 0x202,
        .header = HEADER_MAGIC,
        .version = 0x020b,
        .loadflags = LOADFLAGS_LOADED_HIGH,
        .initrd_addr_max = 0x7fffffff,
    };

    for (size_t i = 0; i < sizeof header && i < size; i++)
        ((uint8_t *)&header)[i] ^= data[i];
    memset(file, 0x5a, FILE_SIZE);
    memcpy(file + SETUP_HEADER_OFFSET, &header, sizeof header);
}

/* The answers to E820: the map as it was, but for the resident code's own pages. */
static void check_answers(const struct memmap *map, struct range place)
{
    struct memmap expected = *map, told = {.count = 0};
    uint64_t at = place.start + word(place.start + RESIDENT_MAP_OFFSET, 2);
    struct e820_entry entry;
    struct error error;

    check(memmap_set(&expected, place, MEMORY_RESERVED, &error));
    check(word(place.start + RESIDENT_MAP_COUNT, 2) == expected.count);
    for (unsigned i = 0; i < expected.count; i++, at += sizeof entry) {
        check(at + sizeof entry <= place.end);
        memcpy(&entry, memory + at, sizeof entry);
        check(memmap_add(&told, (struct range){entry.addr, entry.addr + entry.size}, (enum memory_kind)entry.type,
                         &error));
    }
    for (unsigned i = 0; i < expected.count; i++)
        check(told.entries[i].range.start == expected.entries[i].range.start &&
              told.entries[i].range.end == expected.entries[i].range.end &&
              told.entries[i].kind == expected.entries[i].kind);
    check(word(place.start + RESIDENT_EXTENDED_KIB, 2) <= 63 * 1024);
    check(word(place.start + RESIDENT_BELOW_16_KIB, 2) <= 15 * 1024);
}

/* Whole pages for the code and as many answers as the map may then have. */
static struct range place_of(const struct guest_source *source, uint64_t start)
{
    const uint64_t answers = (source->memmap->count + 2) * sizeof(struct e820_entry);

    return (struct range){start, ALIGN_UP(start + ALIGN_UP(source->resident_size, 16) + answers, PAGE_SIZE)};
}

static bool is_within(uint64_t at, struct range range)
{
    return at >= range.start && at < range.end;
}

static bool may_change(uint64_t at, struct range place, struct range setup)
{
    return is_within(at, place) || is_within(at, setup) || (at >= VECTOR_15 && at < VECTOR_15 + 4) ||
           (at >= BASE_MEMORY && at < BASE_MEMORY + 2);
}

static void check_loaded(const struct guest_source *source, const struct guest_entry *entry)
{
    const struct range setup = source->chainload ? (struct range){0, 0} : entry->parameters;
    const struct range place = place_of(source, (uint64_t)entry->real_mode_page * PAGE_SIZE);

    check(place.start >= 64 * KIB && memmap_is(source->memmap, place, MEMORY_RAM));
    check(word(BASE_MEMORY, 2) == place.start / KIB);
    check(word(VECTOR_15, 4) == ((uint32_t)(place.start >> 4) << 16 | word(place.start + RESIDENT_INT15, 2)));
    check(!range_overlaps(place, source->block) && !range_overlaps(place, setup));
    check(memcmp(memory + place.start + RESIDENT_OLD_INT15, before + VECTOR_15, 4) == 0);
    for (uint64_t page = 0; page < LOW_SIZE; page += PAGE_SIZE)
        if (memcmp(memory + page, before + page, PAGE_SIZE))
            for (uint64_t at = page; at < page + PAGE_SIZE; at++)
                check(memory[at] == before[at] || may_change(at, place, setup));
    check_answers(source->memmap, place);
    if (!source->chainload)
        check(memmap_is(source->memmap, setup, MEMORY_RAM) && setup.end <= place.start &&
              word(setup.start + SETUP_HEADER_OFFSET, 1) == memory[setup.start + SETUP_HEADER_OFFSET]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *config = data, *firmware = data + CONFIG_SIZE;
    struct guest_source source;
    struct guest_entry entry;
    struct memmap map;
    struct error error;

    if (size < CONFIG_SIZE + FIRMWARE_BYTES)
        return 0;
    make_memory();
    make_low_memory();
    make_firmware(config, firmware);
    source = (struct guest_source){
        .kernel = {3 * MIB, 3 * MIB + FILE_SIZE},
        .command_line = config[4] & 4 ? "a b" : "",
        .chainload = config[4] & 1 ? config[5] | 0x80 : 0,
        .has_bios = !(config[4] & 2),
        .resident = resident,
        .resident_size = 256 + (config[6] << 4) % (RESIDENT_MAX - 256),
        .block = pages(config + 12, 3 * PAGE_SIZE),
    };
    make_file(memory + source.kernel.start, firmware + FIRMWARE_BYTES, size - CONFIG_SIZE - FIRMWARE_BYTES);
    map = make_map(config, source.block);
    source.memmap = &map;
    if (!guest_load(&source, &entry, &error))
        check(memcmp(before, memory, LOW_SIZE) == 0);
    else if (entry.real_mode_page)
        check_loaded(&source, &entry);
    put_back();
    return 0;
}
