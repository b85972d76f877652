/* What UEFI firmware leaves in memory when boot services have ended. Pure: memory only through phys_map(). Boot only.
 */
#pragma once

#include "lib/compiler.h"

/*
 * Physical address of the RSDP by the configuration table of the EFI system table at `system_table` (UEFI 2.10, 4.3 and
 * 4.6): ACPI 2.0's, else ACPI 1.0's. 0 if it isn't there or can't be reached.
 */
uint64_t efi_find_rsdp(uint64_t system_table, bool is_64bit);
