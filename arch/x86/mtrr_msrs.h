/* The machine's MTRRs, read into the pure form. Boot CPU, boot only; all CPUs have the same (SDM vol. 3, 11.11.8). */
#pragma once

#include "mm/mtrr.h"

void mtrr_msrs_read(struct mtrr_state *mtrr);

/* How many bits of an address reach memory: MAXPHYADDR (CPUID leaf 80000008H) without those at its top that choose a
 * key of MKTME (SDM vol. 4, IA32_TME_ACTIVATE), with which every page has other addresses, too. Any CPU. */
unsigned cpu_physical_bits(void);
