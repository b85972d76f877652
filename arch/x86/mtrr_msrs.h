/* The machine's MTRRs, read into the pure form. Boot CPU, boot only; all CPUs have the same (SDM vol. 3, 11.11.8). */
#pragma once

#include "mm/mtrr.h"

void mtrr_msrs_read(struct mtrr_state *mtrr);

/* MAXPHYADDR (CPUID leaf 80000008H) */
unsigned cpu_physical_bits(void);
