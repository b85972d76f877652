/* Resetting the machine: FADT's reset register, then the chipset's, the keyboard controller's, a triple fault. And
 * turning it off. */
#pragma once

#include "arch/x86/acpi.h"

/* Remembers where the FADT says that a reset is to be had, and soft off. Boot only. */
void reset_init(const struct acpi_info *acpi);

/* Any CPU, root mode, any time. */
noreturn void machine_reset(void);

/* ACPI's soft off, by what the firmware's tables say; what an OS would do before it (_PTS) isn't done. Any CPU, root
 * mode, any time. False: it isn't known how, or it had no effect. */
bool machine_power_off(void);
