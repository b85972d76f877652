/* INS and OUTS at a port that is Plinth's: what the CPU would do with the guest's memory and registers. */
#pragma once

#include "arch/x86/virt.h"

/*
 * One element of the INS or OUTS that has exited: checked as the CPU checks it (SDM vol. 2, "INS", "OUTS"), moved, and
 * RSI or RDI, and with REP RCX, go on. Returns ACTION_AGAIN if REP has more to do, ACTION_DONE with a fault injected,
 * nothing else being changed then. Root mode, on the CPU whose vCPU is meant.
 */
enum exit_action port_string_exit(struct guest_regs *regs, const struct vm_exit *exit);
