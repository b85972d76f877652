/*
 * The guest's MTRRs. They are virtual: the machine's stay as the firmware set them, and the EPT gets the guest's memory
 * types (SDM vol. 3, 11.11). Root mode, the CPU itself.
 */
#pragma once

#include "lib/compiler.h"

/* RDMSR and WRMSR of an MTRR's index: false for #GP. */
must_check bool guest_mtrr_read(uint32_t index, uint64_t *value);
must_check bool guest_mtrr_write(uint32_t index, uint64_t value);
