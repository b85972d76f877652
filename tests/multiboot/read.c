/* Reads the information of multiboot (Multiboot Specification 0.6.96, 3.3) and multiboot2 (Multiboot2 2.0, 3.6). */
#include "tests/multiboot/multiboot.h"

static uint32_t word(const uint8_t *at)
{
    return *(const uint32_t *)at;
}

static uint64_t quad(const uint8_t *at)
{
    return word(at) | (uint64_t)word(at + 4) << 32;
}

static const uint8_t *pointer(const uint8_t *at)
{
    return (const uint8_t *)word(at);
}

static void add_memory(struct information *info, const uint8_t *at)
{
    if (info->memory_count == MEMORY_MAX)
        return;
    info->memory[info->memory_count].base = quad(at);
    info->memory[info->memory_count].length = quad(at + 8);
    info->memory[info->memory_count++].type = word(at + 16);
}

static void add_module(struct information *info, uint32_t start, uint32_t end, const char *string)
{
    if (info->module_count == MODULES_MAX)
        return;
    info->modules[info->module_count].start = start;
    info->modules[info->module_count].end = end;
    info->modules[info->module_count++].string = string;
}

static void read_screen(struct information *info, const uint8_t *at)
{
    info->screen.present = true;
    info->screen.address = quad(at);
    info->screen.pitch = word(at + 8);
    info->screen.width = word(at + 12);
    info->screen.height = word(at + 16);
    info->screen.depth = at[20];
    info->screen.type = at[21];
}

void read1(const uint8_t *at, struct information *info)
{
    const uint32_t flags = word(at);
    const uint8_t *entry = pointer(at + 48);

    info->start = (uint32_t)at;
    info->size = 116;
    if (flags & 1 << 0) {
        info->lower = word(at + 4);
        info->upper = word(at + 8);
    }
    if (flags & 1 << 2)
        info->command_line = (const char *)pointer(at + 16);
    for (uint32_t i = 0; flags & 1 << 3 && i < word(at + 20); i++) {
        const uint8_t *module = pointer(at + 24) + 16 * i;

        add_module(info, word(module), word(module + 4), (const char *)pointer(module + 8));
    }
    for (; flags & 1 << 6 && entry < pointer(at + 48) + word(at + 44); entry += word(entry) + 4)
        add_memory(info, entry + 4);
    if (flags & 1 << 9)
        info->loader_name = (const char *)pointer(at + 64);
    if (flags & 1 << 12)
        read_screen(info, at + 88);
}

static void read_tag(const uint8_t *tag, struct information *info)
{
    switch (word(tag)) {
    case 1:
        info->command_line = (const char *)tag + 8;
        break;
    case 2:
        info->loader_name = (const char *)tag + 8;
        break;
    case 3:
        add_module(info, word(tag + 8), word(tag + 12), (const char *)tag + 16);
        break;
    case 4:
        info->lower = word(tag + 8);
        info->upper = word(tag + 12);
        break;
    case 6:
        for (uint32_t at = 16; at < word(tag + 4); at += word(tag + 8))
            add_memory(info, tag + at);
        break;
    case 8:
        read_screen(info, tag + 8);
        break;
    case 14:
        info->rsdp_old = tag + 8;
        break;
    case 15:
        info->rsdp_new = tag + 8;
        break;
    case 21:
        info->has_load_base = true;
        info->load_base = word(tag + 8);
        break;
    default:
        break;
    }
}

void read2(const uint8_t *at, struct information *info)
{
    const uint8_t *tag = at + 8;

    info->start = (uint32_t)at;
    info->size = word(at);
    for (; tag < at + word(at) && word(tag) != 0; tag += (word(tag + 4) + 7) & ~7u)
        read_tag(tag, info);
}
