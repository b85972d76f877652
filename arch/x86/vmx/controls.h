/*
 * The VM-execution, VM-exit and VM-entry controls (SDM vol. 3, 24.6 to 24.8) and how a word of them is chosen from the
 * capability MSRs (appendix A.2 to A.5). Pure.
 */
#pragma once

#include "arch/x86/regs.h"
#include "lib/compiler.h"
#include "lib/error.h"

enum {
    PIN_EXTERNAL_INTERRUPT_EXITING = BIT(0),
    PIN_NMI_EXITING = BIT(3),
    PIN_VIRTUAL_NMIS = BIT(5),
    PIN_PREEMPTION_TIMER = BIT(6),
    PIN_POSTED_INTERRUPTS = BIT(7),
};

enum {
    PRIMARY_MWAIT_EXITING = BIT(10),
    PRIMARY_CR3_LOAD_EXITING = BIT(15),
    PRIMARY_CR3_STORE_EXITING = BIT(16),
    PRIMARY_TPR_SHADOW = BIT(21),
    PRIMARY_NMI_WINDOW_EXITING = BIT(22),
    PRIMARY_IO_BITMAPS = BIT(25),
    PRIMARY_MONITOR_TRAP_FLAG = BIT(27),
    PRIMARY_MSR_BITMAPS = BIT(28),
};
#define PRIMARY_SECONDARY_CONTROLS ((uint32_t)BIT(31))

enum {
    SECONDARY_VIRTUALIZE_APIC_ACCESSES = BIT(0),
    SECONDARY_EPT = BIT(1),
    SECONDARY_RDTSCP = BIT(3),
    SECONDARY_VIRTUALIZE_X2APIC = BIT(4),
    SECONDARY_VPID = BIT(5),
    SECONDARY_UNRESTRICTED_GUEST = BIT(7),
    SECONDARY_APIC_REGISTERS = BIT(8),
    SECONDARY_VIRTUAL_INTERRUPTS = BIT(9),
    SECONDARY_INVPCID = BIT(12),
    SECONDARY_VM_FUNCTIONS = BIT(13),
    SECONDARY_VMCS_SHADOWING = BIT(14),
    SECONDARY_PML = BIT(17),
    SECONDARY_EPT_VIOLATION_VE = BIT(18),
    SECONDARY_CONCEAL_VMX_FROM_PT = BIT(19),
    SECONDARY_XSAVES = BIT(20),
    SECONDARY_MODE_BASED_EXECUTE = BIT(22),
    SECONDARY_SUB_PAGE_WRITE = BIT(23),
    SECONDARY_PT_GUEST_PHYSICAL = BIT(24),
    SECONDARY_USER_WAIT_PAUSE = BIT(26),
    SECONDARY_PCONFIG = BIT(27),
};

enum {
    EXIT_SAVE_DEBUG_CONTROLS = BIT(2),
    EXIT_HOST_ADDRESS_SPACE_64 = BIT(9),
    EXIT_LOAD_PERF_GLOBAL_CTRL = BIT(12),
    EXIT_ACKNOWLEDGE_INTERRUPT = BIT(15),
    EXIT_SAVE_PAT = BIT(18),
    EXIT_LOAD_PAT = BIT(19),
    EXIT_SAVE_EFER = BIT(20),
    EXIT_LOAD_EFER = BIT(21),
    EXIT_SAVE_PREEMPTION_TIMER = BIT(22),
    EXIT_CLEAR_BNDCFGS = BIT(23),
    EXIT_CLEAR_RTIT_CTL = BIT(25),
    EXIT_CLEAR_LBR_CTL = BIT(26),
    EXIT_LOAD_CET = BIT(28),
    EXIT_LOAD_PKRS = BIT(29),
};

enum {
    ENTRY_LOAD_DEBUG_CONTROLS = BIT(2),
    ENTRY_IA32E_MODE_GUEST = BIT(9),
    ENTRY_TO_SMM = BIT(10),
    ENTRY_DEACTIVATE_DUAL_MONITOR = BIT(11),
    ENTRY_LOAD_PERF_GLOBAL_CTRL = BIT(13),
    ENTRY_LOAD_PAT = BIT(14),
    ENTRY_LOAD_EFER = BIT(15),
    ENTRY_LOAD_BNDCFGS = BIT(16),
    ENTRY_LOAD_RTIT_CTL = BIT(18),
    ENTRY_LOAD_CET = BIT(20),
    ENTRY_LOAD_LBR_CTL = BIT(21),
    ENTRY_LOAD_PKRS = BIT(22),
};

struct controls_word {
    const char *name;
    uint32_t required, optional;
};

/*
 * Bits of the exit and the entry controls that are of use only together: what one switches off on exits the other
 * brings back. They become 0 in both words where a capability MSR lacks one of the two.
 */
void controls_pair(uint32_t *exit, uint32_t *entry);

/* `capability`: bits 31:0 must be 1, bits 63:32 may be 1. *out gets what must be, what is required, and what is
 * optional and possible. Fails when a required bit may not be 1; the error names it. */
must_check bool controls_choose(const struct controls_word *word, uint64_t capability, uint32_t *out,
                                struct error *error);
