/* Starting the application processors (SDM vol. 3, "MP Initialization Protocol Algorithm", 8.4.3 and 8.4.4). Boot CPU,
 * boot only. */
#pragma once

#include "arch/x86/acpi.h"
#include "lib/error.h"
#include "mm/memmap.h"

/*
 * Starts every CPU of the list but this one; each has its slot mapped and its struct created in index order, and runs
 * `entry` on its own stack. A CPU that doesn't come within a bound is named in a warning and left out. cpu_count is
 * set. The page below 1 MiB that the CPUs start in is as before afterwards. Fails if there is no such page.
 */
struct smp_plan {
    const struct acpi_info *acpi;
    const struct memmap *map;
    uint64_t cr3;
    uint64_t pages;      /* physical address of the CPUs' pages, cpu index 0 first */
    uint32_t cpu_pages;  /* how many each has */
    void (*entry)(void); /* doesn't return */
};

must_check bool smp_start(const struct smp_plan *plan, struct error *error);

/* Sends an INIT to every CPU of the list but this one: they wait for a SIPI, as firmware leaves them. None of them may
 * be in VMX operation, which blocks INITs. */
void smp_reset(const struct acpi_info *acpi);
