/* Where a Linux kernel, its initrd and its parameters go in memory, and in which order they move. Pure. Boot only. */
#pragma once

#include "guest/guest.h"
#include "guest/linux_header.h"

struct linux_plan {
    struct range kernel;     /* runtime_size bytes; the protected-mode part goes to its start */
    uint64_t alignment;      /* the kernel_alignment that this place has */
    struct range initrd;     /* where it shall be; empty if there is none */
    struct range parameters; /* zero page and what belongs to it; page aligned */
    bool kernel_first;       /* the kernel must move before the initrd does, else after it */
};

/* The protected-mode part within the kernel's file. */
static inline struct range linux_system(const struct guest_source *source, const struct linux_header *header)
{
    const uint64_t start = source->kernel.start + header->setup_size;

    return (struct range){start, start + header->system_size};
}

/*
 * Finds places in RAM below 4 GiB that overlap neither each other nor the block nor `avoid`, such that moving in the
 * planned order destroys nothing that is still to be moved. The initrd stays if it can. `parameters` also
 * overlaps neither file as the loader left it, so it can be written first. Fails with the field and the remedy.
 */
must_check bool linux_place(const struct guest_source *source, const struct linux_header *header,
                            uint64_t parameters_size, struct linux_plan *plan, struct error *error);
