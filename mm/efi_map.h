/*
 * The memory map of UEFI firmware as it was when boot services ended (UEFI 2.10, 7.2.3 "GetMemoryMap()"). Nothing of it
 * is trusted: descriptors may be of any size from 40 bytes on, of unknown types, unaligned, overlapping, in any order.
 * Pure; used at boot only.
 */
#pragma once

#include "lib/compiler.h"
#include "lib/error.h"
#include "lib/range.h"
#include "mm/memmap.h"

struct efi_map {
    const void *descriptors; /* NULL: none */
    uint32_t size, descriptor_size, descriptor_version;
};

/* UEFI 2.10, table 7.6 "Memory Type" (EfiReservedMemoryType and so on). */
enum efi_memory_type {
    EFI_RESERVED = 0,
    EFI_LOADER_CODE = 1,
    EFI_LOADER_DATA = 2,
    EFI_BOOT_SERVICES_CODE = 3,
    EFI_BOOT_SERVICES_DATA = 4,
    EFI_RUNTIME_SERVICES_CODE = 5,
    EFI_RUNTIME_SERVICES_DATA = 6,
    EFI_CONVENTIONAL = 7,
    EFI_UNUSABLE = 8,
    EFI_ACPI_RECLAIM = 9,
    EFI_ACPI_NVS = 10,
};

#define EFI_MEMORY_RUNTIME ((uint64_t)1 << 63) /* the OS must map it for run-time services */

/* Version 1; a larger descriptor_size means fields behind these. */
struct efi_descriptor {
    uint32_t type, padding;
    uint64_t physical, virtual, pages, attributes;
};

/* Can it be read at all? A rest that holds no whole descriptor is left out. The error says what is wrong. */
must_check bool efi_map_check(const struct efi_map *map, struct error *error);

/* Of a map that efi_map_check() took. */
unsigned efi_map_count(const struct efi_map *map);
void efi_map_get(const struct efi_map *map, unsigned index, struct efi_descriptor *out);

/* Takes from `memmap` what the firmware keeps for itself, by the kind that Linux gives it: what the loader's own map
 * called RAM although the firmware doesn't, too. Fails only when memmap is full. */
must_check bool efi_map_reserve(const struct efi_map *map, struct memmap *memmap, struct error *error);

/* Takes from `memmap` where boot services were: RAM, but firmware is known to use it still when the OS tells it of its
 * virtual addresses, so nothing is put there before. Where these are too many pieces for memmap, what lies around and
 * between them goes with them. Fails only if that doesn't help either. */
must_check bool efi_map_avoid_boot_services(const struct efi_map *map, struct memmap *memmap, struct error *error);

/* What a copy of a map has as reserved, whatever it was: page aligned, none overlaps another, an empty one hides
 * nothing. */
enum { EFI_HIDDEN_MAX = 2 };
struct efi_hidden {
    struct range ranges[EFI_HIDDEN_MAX];
};

/* The bytes that efi_map_copy() needs. */
uint32_t efi_map_copy_size(const struct efi_map *map, const struct efi_hidden *hidden);

/* Copies the map to `to`, without the hidden ranges. */
void efi_map_copy(const struct efi_map *map, const struct efi_hidden *hidden, void *to);
