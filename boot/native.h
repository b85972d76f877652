/* Starting the guest without Plinth beneath it, on the machine as it is. Boot CPU, before launch. */
#pragma once

#include "guest/guest.h"
#include "lib/compiler.h"

/*
 * Leaves long mode and enters the guest as a boot loader would: 32-bit protected mode, paging off, EFER, CR4 and the
 * rest as after a reset. `image_physical` is where Plinth's image lies; it and the tables in use must not be
 * overwritten by the guest's images, and the identity map must be there.
 */
noreturn void native_start(const struct guest_entry *entry, uint64_t image_physical);
