/*
 * The guest's MTRRs. They are virtual: the machine's stay as the firmware set them, and the EPT gets the guest's memory
 * types (SDM vol. 3, 11.11). Root mode, the CPU itself.
 */
#pragma once

#include "vmm/vmm.h"

/* The place in struct mtrr_state of the MTRR with this index, counted in 64-bit words; 0 if this CPU has none such. */
uint8_t guest_mtrr_word(uint32_t index);

/* This CPU's value of the MTRR at that place. */
static inline uint64_t *guest_mtrr(uint8_t word)
{
    return (uint64_t *)&CPU_GS->vmm->mtrr + word;
}

/* WRMSR of one of them: false for #GP. */
must_check bool guest_mtrr_write(uint32_t index, uint64_t value);

/* Makes *tree a second tree like guest_ept, from the same pool and filled on first touch, whose memory types follow
 * from now on too. Once. False: no page. */
must_check bool guest_mtrr_second_tree(struct ept *tree);
