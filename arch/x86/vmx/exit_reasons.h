/* The exit reason (SDM vol. 3, 24.9.1) and the basic ones as an enum (appendix C). */
#pragma once

#define EXIT_REASON_BASIC         0xffffu
#define EXIT_REASON_ENTRY_FAILURE (1u << 31)

enum exit_reason {
#define EXIT_REASON(number, name) EXIT_##name = number,
#include "arch/x86/vmx/exit_reasons.def"
#undef EXIT_REASON
};
