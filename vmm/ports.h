/* Port accesses of the guest's that exit: those to the ports of a serial line that is Plinth's or shared. */
#pragma once

#include "arch/x86/virt.h"

enum exit_action port_exit(struct guest_regs *regs, const struct vm_exit *exit);
