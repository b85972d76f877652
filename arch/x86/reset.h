/* Resetting the machine: FADT's reset register, then the chipset's, the keyboard controller's, a triple fault. */
#pragma once

#include "arch/x86/acpi.h"

/* Remembers where the FADT says that a reset is to be had. Boot only. */
void reset_init(const struct acpi_info *acpi);

/* Any CPU, root mode, any time. */
noreturn void machine_reset(void);
