/*
 * Multiboot and multiboot2 kernels as guests (Multiboot Specification 0.6.96; Multiboot2 Specification 2.0). Pure:
 * memory only through phys_map(). Boot only.
 */
#pragma once

#include "guest/guest.h"

/* 2 or 1: the file has such a header, multiboot2 first; 0: neither. */
unsigned multiboot_recognise(const void *file, size_t size);

/*
 * For a file that multiboot_recognise() knows: checks header and segments, places them, the modules, and the
 * information with a GDT, in RAM without overlap with one another, the block or `avoid`, copies them there and fills
 * *entry. Errors name the field and the remedy; nothing is written before everything is checked and placed. The files
 * as the loader left them must not overlap each other or the block. Strings and rsdp_copy must lie in memory that is
 * not the guest's.
 */
must_check bool multiboot_load(const struct guest_source *source, struct guest_entry *entry, struct error *error);
