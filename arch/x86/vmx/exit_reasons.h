/* The basic exit reasons as an enum (SDM vol. 3, appendix C). */
#pragma once

enum exit_reason {
#define EXIT_REASON(number, name) EXIT_##name = number,
#include "arch/x86/vmx/exit_reasons.def"
#undef EXIT_REASON
};
