/*
 * Several initrds, as of an early microcode file and the initrd proper. Linux takes one piece of memory, in which
 * archives follow one another from multiples of 4 bytes on, with zeros between
 * (Documentation/driver-api/early-userspace, buffer-format.rst); GRUB's own `initrd` command joins its files in the
 * same way. Pure. Boot only.
 */
#pragma once

#include "guest/guest.h"
#include "guest/linux_header.h"

/*
 * The range that is to count as the initrd: source->initrd, or, with more than one module, room for all of them in free
 * RAM clear of every file, within the kernel's limit. Nothing is moved yet. Fails with the sizes and the remedy.
 */
must_check bool linux_initrds_place(const struct guest_source *source, const struct linux_header *header,
                                    struct range *initrd, struct error *error);

/* Copies them there. Only after a linux_initrds_place() of the same source; with one module or none it does nothing. */
void linux_initrds_join(const struct guest_source *source, struct range initrd);
