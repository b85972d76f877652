#include "boot/preflight.h"

#include "lib/log.h"

enum row {
    ROW_CPUS_LISTED,
    ROW_CPUS_ANSWER,
    ROW_UEFI_MAP,
    ROW_MTRRS,
    ROW_X2APIC,
    ROW_TSC_RATE,
    ROW_RESET,
    ROW_SERIAL,
    ROW_SCREEN,
    ROWS,
};

static const struct property rows[ROWS] = {
    [ROW_CPUS_LISTED] = {true, "CPUs listed by ACPI", "ACPI's MADT lists no CPU", "update the firmware"},
    [ROW_CPUS_ANSWER] = {false, "all CPUs answer", "a CPU that ACPI lists doesn't answer INIT-SIPI-SIPI",
                         "check the firmware's CPU settings; if the guest can start it, it runs outside of Plinth"},
    [ROW_UEFI_MAP] = {false, "memory map of the firmware", "UEFI's memory map can't be read",
                      "update the firmware; the guest is started as on a BIOS machine, without efivars"},
    [ROW_MTRRS] = {false, "MTRRs", "the CPU has no MTRRs", "nothing to do: all memory counts as write-back"},
    [ROW_X2APIC] = {false, "x2APIC", "the CPU has no x2APIC",
                    "nothing to do with up to 255 CPUs; else enable it in the firmware setup"},
    [ROW_TSC_RATE] = {false, "TSC rate by CPUID or PM timer", "neither CPUID 15H nor ACPI's PM timer tells the time",
                      "nothing to do: the PIT serves"},
    [ROW_RESET] = {false, "ACPI reset register", "ACPI's FADT has no reset register",
                   "nothing to do: port CF9 and the keyboard controller serve"},
    [ROW_SERIAL] = {false, "serial line", "no UART answers, or serial=off",
                    "read the screen; or enable the port in the firmware setup, or name another by console="},
    [ROW_SCREEN] = {false, "screen", "the boot loader left no screen that can be drawn on",
                    "put \"set gfxpayload=1024x768x32\" between multiboot2 and boot; or use a serial line"},
};

struct property_set preflight_firmware(const struct preflight_facts *facts)
{
    const bool found[ROWS] = {
        [ROW_CPUS_LISTED] = facts->cpus_listed > 0,
        [ROW_CPUS_ANSWER] = facts->cpus_started == facts->cpus_listed,
        [ROW_UEFI_MAP] = !facts->uefi || facts->uefi_map,
        [ROW_MTRRS] = facts->mtrrs,
        [ROW_X2APIC] = facts->x2apic,
        [ROW_TSC_RATE] = facts->pm_timer || facts->tsc_by_cpuid,
        [ROW_RESET] = facts->reset_register,
        [ROW_SERIAL] = facts->serial,
        [ROW_SCREEN] = facts->screen,
    };
    struct property_set set = {rows, ROWS, 0, UINT64_MAX};

    for (unsigned i = 0; i < ROWS; i++)
        set.found |= (uint64_t)found[i] << i;
    return set;
}

/* Rows that are needed, or not; of these, those that are there. */
static void count(const struct property_set *set, bool needed, unsigned *all, unsigned *found)
{
    for (unsigned i = 0; i < set->count; i++)
        if (set->rows[i].needed == needed) {
            ++*all;
            *found += set->found >> i & 1;
        }
}

static void print_summary(const struct property_set *firmware, const struct property_set *cpu)
{
    unsigned needed = 0, needed_found = 0, used = 0, used_found = 0;

    count(firmware, true, &needed, &needed_found);
    count(cpu, true, &needed, &needed_found);
    count(firmware, false, &used, &used_found);
    count(cpu, false, &used, &used_found);
    log_info("Preflight: %u of %u that Plinth needs, %u of %u that it also uses%s", needed_found, needed, used_found,
             used, needed == needed_found ? " (preflight=full lists them)" : "");
}

enum state { FOUND, UNKNOWN, MISSING, STATES };

static enum state state_of(const struct property_set *set, unsigned row)
{
    if (set->found >> row & 1)
        return FOUND;
    return set->known >> row & 1 ? MISSING : UNKNOWN;
}

static void print_rows(const struct property_set *set, uint64_t boot_cpu_found, enum state state)
{
    for (unsigned i = 0; i < set->count; i++) {
        const struct property *row = &set->rows[i];
        const char *use = row->needed ? "needed" : "used  ";

        if (state_of(set, i) != state)
            continue;
        if (state == MISSING)
            log_info("  %s  %s  %s: %s%s: %s", use, row->needed ? "MISSING" : "missing", row->name, row->lack,
                     boot_cpu_found >> i & 1 ? " (a CPU other than the first)" : "", row->remedy);
        else
            log_info("  %s  %s  %s", use, state == FOUND ? "found  " : "unknown", row->name);
    }
}

/* What is missing comes last: a screen of 25 rows keeps but the end. */
static void print_table(const struct property_set *firmware, const struct property_set *cpu, uint64_t boot_cpu_found)
{
    for (enum state state = 0; state < STATES; state++) {
        print_rows(firmware, 0, state);
        print_rows(cpu, boot_cpu_found, state);
    }
}

bool preflight_report(const struct property_set *firmware, const struct property_set *cpu, uint64_t boot_cpu_found,
                      enum preflight how, struct error *error)
{
    const struct property *of_firmware = property_lacking(firmware), *of_cpu = property_lacking(cpu);
    bool others_only;

    print_summary(firmware, cpu);
    if (how != PREFLIGHT_SHORT || of_firmware || of_cpu)
        print_table(firmware, cpu, boot_cpu_found);
    if (of_firmware)
        return fail(error, "Firmware: %s: %s", of_firmware->lack, of_firmware->remedy);
    if (!of_cpu)
        return true;
    others_only = boot_cpu_found >> (of_cpu - cpu->rows) & 1;
    return fail(error, "VT-x: %s%s: %s", of_cpu->lack, others_only ? " (a CPU other than the first)" : "",
                of_cpu->remedy);
}
