/* Short delays at boot, from a TSC calibrated once. Boot only, any CPU after clock_init(). */
#pragma once

#include "lib/compiler.h"

/* Finds the TSC's rate: CPUID leaf 15H where it says, else the ACPI PM timer (port 0: none), else the PIT. */
void clock_init(uint16_t pm_timer_port);

/* CPUID itself tells the TSC's rate. */
bool clock_is_told_by_cpuid(void);
uint64_t clock_tsc_khz(void);
void clock_delay_us(uint32_t microseconds);
