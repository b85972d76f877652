/*
 * Fuzzes the Linux loader. The input: 16 bytes that say where things are, bytes that are xored onto a good setup
 * header, and the rest of the file. Also each input as it is, as a file to recognise and describe.
 */
#include "tests/fuzz/loader_world.h"

#include "guest/boot_params.h"
#include "guest/describe.h"
#include "guest/linux.h"

enum { FILE_MAX = 64 << 10 };

static const struct setup_header good = {
    .setup_sects = 1,
    .syssize = 64,
    .boot_flag = BOOT_FLAG,
    .jump_opcode = 0xeb,
    .jump_distance = 0x26c - 0x202,
    .header = HEADER_MAGIC,
    .version = 0x020f,
    .loadflags = LOADFLAGS_LOADED_HIGH,
    .code32_start = 0x100000,
    .initrd_addr_max = 0x7fffffff,
    .kernel_alignment = 0x4000,
    .relocatable_kernel = 1,
    .min_alignment = 12,
    .cmdline_size = 2047,
    .pref_address = 0x110000,
    .init_size = 0x8000,
};

static void fuzz_describe(const uint8_t *data, size_t size)
{
    static const size_t text_sizes[] = {80, 1, 5};
    char text[80];

    for (size_t i = 0; i < ARRAY_SIZE(text_sizes); i++) {
        memset(text, 'x', sizeof text);
        guest_describe(data, size, text, text_sizes[i]);
        check(strnlen(text, text_sizes[i]) < text_sizes[i]);
    }
    linux_recognise(data, size);
}

static void check_entry(const struct guest_source *source, const struct guest_entry *entry)
{
    const struct range places[] = {entry->kernel, entry->parameters, entry->initrd};

    for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
        check(memmap_is(source->memmap, places[i], MEMORY_RAM));
        check(!range_size(places[i]) || !range_overlaps(places[i], source->block));
        for (unsigned j = 0; j < i; j++)
            check(!range_size(places[i]) || !range_overlaps(places[i], places[j]));
    }
    check(entry->eip == entry->kernel.start && entry->esi == entry->parameters.start);
}

/* The file as the input makes it, at `file`. */
static void make_file(uint8_t *file, size_t file_size, const uint8_t *data, size_t size)
{
    struct setup_header header = good;

    for (size_t i = 0; i < sizeof header && i < size; i++)
        ((uint8_t *)&header)[i] ^= data[i];
    memset(file, 0x5a, file_size);
    if (file_size >= SETUP_HEADER_OFFSET + sizeof header)
        memcpy(file + SETUP_HEADER_OFFSET, &header, sizeof header);
}

/* The last paragraph may be short in the file. */
static void check_system(const struct guest_entry *entry, size_t file_size)
{
    const struct boot_params *params = (const struct boot_params *)(memory + entry->esi);
    const uint8_t *system = memory + entry->eip;
    const size_t setup = ((params->hdr.setup_sects ? params->hdr.setup_sects : 4) + 1) * 512ul;

    for (size_t i = 0; i < params->hdr.syssize * 16ul && setup + i < file_size; i++)
        check(system[i] == 0x5a);
}

static void fuzz_load(const uint8_t *config, const uint8_t *data, size_t size)
{
    const bool apart = config[4] & 1;
    const size_t file_size = 1024 + (config[5] << 8 | config[6]) % (FILE_MAX - 1024) - (config[4] & 2 ? 600 : 0);
    const uint64_t at = apart ? next_apart() : pages(config + 7, 0).start % (MEMORY_SIZE - FILE_MAX);
    uint8_t *file = apart ? arena_add(at, file_size) : memory + at;
    struct guest_source source = {
        .kernel = {at, at + file_size},
        .command_line = config[4] & 4 ? "a b" : "",
        .initrd = config[4] & 8 ? pages(config + 9, config[11] * 64 + 1) : (struct range){0, 0},
        .block = pages(config + 12, 3 * PAGE_SIZE),
    };
    const struct memmap map = make_map(config, source.block);
    struct guest_entry entry;
    struct error error;

    source.memmap = &map;
    source.avoid[0] = pages(config + 14, PAGE_SIZE);
    source.avoid_count = config[4] >> 4 & 1;
    if (config[4] & 32) {
        source.modules[source.module_count++].range = source.initrd;
        source.modules[source.module_count++].range = pages(config + 10, config[12] * 64 + 1);
    }
    make_file(file, file_size, data, size);
    if (range_overlaps(source.initrd, source.kernel) || range_overlaps(source.modules[1].range, source.kernel))
        return;
    if (!linux_load(&source, &entry, &error))
        return;
    check_entry(&source, &entry);
    check_system(&entry, file_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_describe(data, size);
    if (size < CONFIG_SIZE)
        return 0;
    make_memory();
    fuzz_load(data, data + CONFIG_SIZE, size - CONFIG_SIZE);
    return 0;
}
