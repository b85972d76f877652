/*
 * Looking into the guest's memory and changing it, through this CPU's window page (arch/x86/window.h): nothing of the
 * guest is mapped otherwise. Guest-physical is host-physical, so what is refused here is Plinth's own block and what
 * lies beyond the guest's address space. Root mode, on the CPU whose vCPU is meant, not NMI-safe; no lock is taken and
 * nothing allocated.
 *
 * Device memory is reached like RAM, uncached: an aligned access of 1, 2, 4 or 8 bytes is one access on the bus.
 */
#pragma once

#include "vmm/guest_linear.h"

/* `size` bytes at guest-physical `address`, any alignment, over page boundaries too. False: part of them lies in the
 * block or beyond the address space; then nothing was read or written. */
must_check bool guest_read_physical(uint64_t address, void *to, uint64_t size);
must_check bool guest_write_physical(uint64_t address, const void *from, uint64_t size);

/* By the guest's MTRRs the memory is write-back: RAM, which may be read without an effect. */
bool guest_is_write_back(uint64_t address);

/* Compare and exchange of 1, 2, 4 or 8 bytes, aligned: true if *old was there; else *old becomes what was. False with
 * *old unchanged where guest_write_physical() would refuse. */
must_check bool guest_exchange_physical(uint64_t address, unsigned size, uint64_t *old, uint64_t new);

/*
 * The same by linear address, translated as this CPU's vCPU would do it now. `access`: GUEST_USER, GUEST_FETCH,
 * GUEST_IMPLICIT, GUEST_ANY (for a debugger), GUEST_MARK; GUEST_WRITE comes by itself. At most a page in size. False:
 * *fault says why, and nothing was read or written (accessed flags may be set).
 */
must_check bool guest_read_linear(uint64_t linear, void *to, uint64_t size, unsigned access, struct guest_fault *fault);
must_check bool guest_write_linear(uint64_t linear, const void *from, uint64_t size, unsigned access,
                                   struct guest_fault *fault);
