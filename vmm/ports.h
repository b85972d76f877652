/* Port accesses of the guest's that exit: those to the ports of a serial line that is Plinth's or shared. */
#pragma once

#include "arch/x86/virt.h"

/* Of 1, 2 or 4 ports from `port` on, the low byte's first: what the guest reads there, what becomes of its writing. */
uint32_t ports_read(uint16_t port, unsigned size);
void ports_write(uint16_t port, unsigned size, uint32_t value);

/*
 * The part of a general register that an operand or address of 1, 2, 4 or 8 bytes is; and writing it, as the CPU does:
 * 4 bytes clear the upper half, 1 and 2 leave the rest alone (SDM vol. 1, 3.4.1.1).
 */
uint64_t register_mask(unsigned bytes);
void register_put(uint64_t *reg, unsigned bytes, uint64_t value);

enum exit_action port_exit(struct guest_regs *regs, const struct vm_exit *exit);
