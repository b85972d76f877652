/* Where the RSDP is of which the boot loader gave a copy. Pure; boot only. */
#pragma once

#include "lib/compiler.h"

/*
 * Its physical address: the place of a BIOS's RSDP (ACPI 6.5, 5.2.5.1: first KiB of the EBDA, then 0xe0000 to 0xfffff)
 * whose bytes equal the copy; 0 if it isn't there, as on UEFI.
 */
uint64_t rsdp_find(const void *copy, size_t size);
