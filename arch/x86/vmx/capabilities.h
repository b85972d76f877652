/* What a CPU can do, as its capability MSRs say (SDM vol. 3, appendix A). For the control words: bits 31:0 must be 1,
 * bits 63:32 may be 1. Pure. */
#pragma once

#include "lib/compiler.h"

struct vmx_capabilities {
    uint64_t basic, pin, primary, secondary, exit, entry, misc, ept_vpid;
    uint64_t cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
};
