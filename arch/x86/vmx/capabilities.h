/* What a CPU can do, as its capability MSRs say (SDM vol. 3, appendix A). For the control words: bits 31:0 must be 1,
 * bits 63:32 may be 1. Pure. */
#pragma once

#include "arch/x86/regs.h"
#include "lib/compiler.h"

/* IA32_VMX_EPT_VPID_CAP, appendix A.10 */
enum {
    EPT_WALK_4 = BIT(6),
    EPT_WRITE_BACK = BIT(14),
    EPT_2MIB = BIT(16),
    EPT_1GIB = BIT(17),
    EPT_INVEPT = BIT(20) | BIT(25), /* INVEPT, and its single-context type */
    EPT_ACCESSED_DIRTY_FLAGS = BIT(21),
};
#define EPT_INVVPID_SINGLE (BIT(32) | BIT(41)) /* INVVPID, and its single-context type */
enum { MISC_WAIT_FOR_SIPI = BIT(8) };          /* IA32_VMX_MISC, appendix A.6 */
enum { BASIC_TELLS_OF_STRINGS_BIT = 54 };      /* IA32_VMX_BASIC, appendix A.1 */

struct vmx_capabilities {
    uint64_t basic, pin, primary, secondary, exit, entry, misc, ept_vpid;
    uint64_t cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
};

/*
 * Leaves in *common what is right on a CPU with the capabilities `other` too: cores of two kinds, or of one with
 * different microcode, may differ in what is optional. Several CPUs at a time. controls.c
 */
void capabilities_narrow(struct vmx_capabilities *common, const struct vmx_capabilities *other);
