/*
 * The preflight table: what Plinth needs or uses of CPU and firmware, found or missing, and what the user can do about
 * it. Pure: decides on facts and logs. Boot only.
 */
#pragma once

#include "arch/x86/property.h"
#include "lib/error.h"
#include "lib/options.h"

/* What is known of the firmware and the board. */
struct preflight_facts {
    uint32_t cpus_listed, cpus_started; /* in ACPI's MADT; answered */
    bool serial, screen;                /* consoles */
    bool reset_register;                /* ACPI's */
    bool pm_timer, tsc_by_cpuid;        /* sources for the TSC's rate */
    bool mtrrs, x2apic;
    bool uefi, uefi_map; /* loaded by UEFI; its memory map can be read */
};

/* The firmware's rows. */
struct property_set preflight_firmware(const struct preflight_facts *facts);

/*
 * Prints as `how` says, but all of it if something needed is missing: then it returns false with the first such row's
 * sentence in *error. `cpu` is what every CPU has, `boot_cpu_found` what the boot CPU has of it.
 */
must_check bool preflight_report(const struct property_set *firmware, const struct property_set *cpu,
                                 uint64_t boot_cpu_found, enum preflight how, struct error *error);
