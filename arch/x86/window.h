/*
 * A CPU's window: the one page through which Plinth sees memory that isn't its own. Root mode, the CPU itself, one use
 * at a time: what the window showed is gone with the next window_map(). Not NMI-safe.
 */
#pragma once

#include "lib/compiler.h"

/*
 * Shows the page at `physical` (page aligned), readable and writable. `uncached`: UC whatever the MTRRs say; else
 * write-back as far as the machine's MTRRs allow (SDM vol. 3, "Selecting Memory Types for Pentium III and More Recent
 * Processor Families", 11.5.2.2). The caller answers for the page: it must not be Plinth's.
 */
volatile void *window_map(uint64_t physical, bool uncached);
