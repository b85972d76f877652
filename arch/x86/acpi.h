/*
 * ACPI tables: just what Plinth needs to know about the machine (ACPI 6.5, 5.2). Pure: reads memory through phys_map()
 * only. Boot only.
 */
#pragma once

#include "lib/compiler.h"
#include "lib/error.h"

enum { ACPI_CPUS_MAX = 512 };

struct acpi_cpu {
    uint32_t apic_id;
};

struct acpi_info {
    char oem_id[7];         /* of the RSDT/XSDT, terminated */
    uint64_t local_apic;    /* physical; the 64-bit override wins (MADT type 5) */
    unsigned cpu_count;     /* enabled CPUs, in the MADT's order, no APIC ID twice */
    unsigned cpus_disabled; /* entries that are neither enabled nor usable now (online-capable ones count here too) */
    struct acpi_cpu cpus[ACPI_CPUS_MAX];
    uint16_t pm_timer_port; /* FADT X_PM_TMR_BLK/PM_TMR_BLK in I/O space, 0 if none */
    bool pm_timer_32bit;
    /* FADT RESET_REG if RESET_REG_SUP (flags bit 10), else reset_space = 0xff */
    uint8_t reset_space; /* 0 memory, 1 I/O, 2 PCI configuration */
    uint64_t reset_address;
    uint8_t reset_value;
    /* Soft off (4.8.3.2.1, 7.4.2.6): the PM1 control registers, and what selects S5 in each; port 0: not known */
    uint16_t pm1_control[2]; /* the second may be 0 alone */
    uint8_t soft_off_type[2];
    uint16_t smi_command; /* where `acpi_enable` is written to turn ACPI on; 0: it is always on */
    uint8_t acpi_enable;
};

/*
 * Fills *info from the RSDP (the `rsdp_size` bytes at `rsdp`: a copy, 20 bytes for ACPI 1.0, 36 for 2.0). Checks
 * signatures, checksums and lengths of RSDP, XSDT or RSDT (the XSDT if the RSDP has a usable one), MADT and FADT. Local
 * APIC entries with ID 0xff and x2APIC entries with ID 0xffffffff are skipped; an x2APIC entry for an ID that a local
 * APIC entry named is the same CPU. No FADT is no error (pm_timer_port 0); a broken FADT is logged as a warning and
 * left out. A broken RSDP, XSDT/RSDT or MADT is an error that names the table, what is wrong with it (with the numbers)
 * and the remedy.
 */
must_check bool acpi_parse(const void *rsdp, size_t rsdp_size, struct acpi_info *info, struct error *error);
