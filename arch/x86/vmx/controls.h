/*
 * The VM-execution, VM-exit and VM-entry controls (SDM vol. 3, 24.6 to 24.8) and how a word of them is chosen from the
 * capability MSRs (appendix A.2 to A.5). Pure.
 */
#pragma once

#include "arch/x86/regs.h"
#include "lib/compiler.h"
#include "lib/error.h"

enum { PIN_NMI_EXITING = BIT(3), PIN_VIRTUAL_NMIS = BIT(5), PIN_PREEMPTION_TIMER = BIT(6) };

enum {
    PRIMARY_CR3_LOAD_EXITING = BIT(15),
    PRIMARY_CR3_STORE_EXITING = BIT(16),
    PRIMARY_NMI_WINDOW_EXITING = BIT(22),
    PRIMARY_MSR_BITMAPS = BIT(28),
};
#define PRIMARY_SECONDARY_CONTROLS ((uint32_t)BIT(31))

enum {
    SECONDARY_EPT = BIT(1),
    SECONDARY_RDTSCP = BIT(3),
    SECONDARY_VPID = BIT(5),
    SECONDARY_UNRESTRICTED_GUEST = BIT(7),
    SECONDARY_INVPCID = BIT(12),
    SECONDARY_CONCEAL_VMX_FROM_PT = BIT(19),
    SECONDARY_XSAVES = BIT(20),
    SECONDARY_USER_WAIT_PAUSE = BIT(26),
    SECONDARY_PCONFIG = BIT(27),
};

enum {
    EXIT_SAVE_DEBUG_CONTROLS = BIT(2),
    EXIT_HOST_ADDRESS_SPACE_64 = BIT(9),
    EXIT_SAVE_PAT = BIT(18),
    EXIT_LOAD_PAT = BIT(19),
    EXIT_SAVE_EFER = BIT(20),
    EXIT_LOAD_EFER = BIT(21),
};

enum {
    ENTRY_LOAD_DEBUG_CONTROLS = BIT(2),
    ENTRY_IA32E_MODE_GUEST = BIT(9),
    ENTRY_LOAD_PAT = BIT(14),
    ENTRY_LOAD_EFER = BIT(15),
};

struct controls_word {
    const char *name;
    uint32_t required, optional;
};

/* `capability`: bits 31:0 must be 1, bits 63:32 may be 1. *out gets what must be, what is required, and what is
 * optional and possible. Fails when a required bit may not be 1; the error names it. */
must_check bool controls_choose(const struct controls_word *word, uint64_t capability, uint32_t *out,
                                struct error *error);
