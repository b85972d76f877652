/*
 * Fuzzes the multiboot loaders. The input: 16 bytes that say where things are, then the kernel's file as it is. What is
 * accepted must lie in RAM, clear of the block, of each other and of the modules, whose bytes must still be theirs.
 */
#include "tests/fuzz/loader_world.h"

#include "guest/multiboot.h"

enum { MODULE_BYTES = 3000, MODULES = 2 };

static const uint8_t rsdp[36];

static uint32_t word(uint64_t physical)
{
    uint32_t value;

    check(physical + sizeof value <= MEMORY_SIZE);
    memcpy(&value, memory + physical, sizeof value);
    return value;
}

/* The modules as the information says: multiboot's table, or multiboot2's tags. */
static void read_modules(const struct guest_entry *entry, struct range *modules)
{
    unsigned count = 0;

    if (entry->eax == 0x2badb002)
        for (; count < MODULES; count++)
            modules[count] =
                (struct range){word(word(entry->ebx + 24) + 16 * count), word(word(entry->ebx + 24) + 16 * count + 4)};
    else
        for (uint32_t at = entry->ebx + 8; word(at) != 0; at += ALIGN_UP(word(at + 4), 8))
            if (word(at) == 3)
                modules[count++] = (struct range){word(at + 8), word(at + 12)};
    check(count == MODULES);
}

static void check_loaded(const struct guest_source *source, const struct guest_entry *entry)
{
    struct range modules[MODULES];

    read_modules(entry, modules);
    check(memmap_is(source->memmap, entry->parameters, MEMORY_RAM));
    check(!range_overlaps(entry->parameters, source->block));
    check(entry->eip >= entry->kernel.start && entry->eip < entry->kernel.end);
    check(entry->kernel.end <= 4 * GIB);
    for (unsigned i = 0; i < MODULES; i++) {
        check(memmap_is(source->memmap, modules[i], MEMORY_RAM) && modules[i].start % PAGE_SIZE == 0);
        check(!range_overlaps(modules[i], entry->parameters) && !range_overlaps(modules[i], source->block));
        check(i == 0 || !range_overlaps(modules[i], modules[0]));
        for (uint64_t at = modules[i].start; at < modules[i].end; at++)
            check(memory[at] == 0xa0 + i);
    }
}

static bool add_modules(struct guest_source *source, const uint8_t *config)
{
    source->module_count = MODULES;
    for (unsigned i = 0; i < MODULES; i++) {
        const struct range at = pages(config + 2 * i, MODULE_BYTES);

        if (at.end > MEMORY_SIZE || range_overlaps(at, source->kernel) || range_overlaps(at, source->block) ||
            (i && range_overlaps(at, source->modules[0].range)))
            return false;
        source->modules[i] = (struct guest_module){at, i ? "a" : ""};
        memset(memory + at.start, 0xa0 + (int)i, MODULE_BYTES);
    }
    return true;
}

static void fuzz_load(const uint8_t *config, const uint8_t *data, size_t size)
{
    const bool apart = config[4] & 1;
    const uint64_t at = apart ? next_apart() : pages(config + 5, 0).start % (MEMORY_SIZE - 8192);
    uint8_t *file = apart ? arena_add(at, size) : memory + at;
    struct guest_source source = {
        .kernel = {at, at + size},
        .command_line = "a b",
        .loader_name = "fuzz",
        .block = pages(config + 12, 3 * PAGE_SIZE),
        .rsdp_copy = rsdp,
        .rsdp_size = config[4] & 2 ? 36 : 20,
        .screen = {.present = config[4] & 4, .text = config[4] & 8},
    };
    const struct memmap map = make_map(config, source.block);
    struct guest_entry entry;
    struct error error;

    source.memmap = &map;
    source.avoid[0] = pages(config + 14, PAGE_SIZE);
    source.avoid_count = config[4] >> 4 & 1;
    if (size > 8192 || !add_modules(&source, config + 7))
        return;
    memcpy(file, data, size);
    if (multiboot_load(&source, &entry, &error))
        check_loaded(&source, &entry);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < CONFIG_SIZE)
        return 0;
    make_memory();
    fuzz_load(data, data + CONFIG_SIZE, size - CONFIG_SIZE);
    return 0;
}

static uint32_t get(const uint8_t *data, size_t at)
{
    uint32_t value;

    memcpy(&value, data + at, sizeof value);
    return value;
}

static void set(uint8_t *data, size_t at, uint32_t value)
{
    memcpy(data + at, &value, sizeof value);
}

/* Checksums are made right again, or nearly every mutation would end at them. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    (void)seed;
    size = LLVMFuzzerMutate(data, size, max_size);
    for (size_t at = CONFIG_SIZE; at + 16 <= size; at += 4) {
        if (get(data, at) == 0x1badb002)
            set(data, at + 8, -(0x1badb002 + get(data, at + 4)));
        if (get(data, at) == 0xe85250d6)
            set(data, at + 12, -(0xe85250d6 + get(data, at + 4) + get(data, at + 8)));
    }
    return size;
}
