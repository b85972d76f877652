/* The multiboot2 boot information (Multiboot2 Specification 2.0, section 3.6). Pure, fuzzed. */
#pragma once

#include "boot/boot_info.h"
#include "lib/error.h"

enum { MULTIBOOT2_BOOTLOADER_MAGIC = 0x36d76289 };

/*
 * Reads the `size` bytes at `information` (the whole structure, 8-byte aligned; its own total_size must not exceed
 * `size`) into *info, whose pointers then lead into it. Tags that are too short for what they say, strings without an
 * end, a module whose end is below its start, or more modules than BOOT_MODULES_MAX are errors that name the
 * tag; unknown tags are skipped. A missing memory map is an error. Each tag may come in any order.
 */
must_check bool multiboot2_parse(const void *information, size_t size, struct boot_info *info, struct error *error);
