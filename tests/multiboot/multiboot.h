/* What the test kernels read of either multiboot information, and print. 32-bit code. */
#pragma once

#include "lib/compiler.h"

enum { MODULES_MAX = 16, MEMORY_MAX = 256 };

/* Both versions' information in one form. */
struct information {
    uint32_t start, size;
    const char *command_line, *loader_name;
    unsigned module_count, memory_count;
    struct {
        uint32_t start, end;
        const char *string;
    } modules[MODULES_MAX];
    struct {
        uint64_t base, length;
        uint32_t type;
    } memory[MEMORY_MAX];
    uint32_t lower, upper;
    struct {
        bool present;
        uint64_t address;
        uint32_t pitch, width, height, depth, type;
    } screen;
    const uint8_t *rsdp_old, *rsdp_new;
    bool has_load_base;
    uint32_t load_base;
};

void read1(const uint8_t *at, struct information *information);
void read2(const uint8_t *at, struct information *information);

void put_text(const char *text);
void put_hex(uint64_t value);
