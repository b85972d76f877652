/* The real-mode code of a kernel file, for programs that have no 32-bit entry (network boot loaders). Pure. Boot only.
 */
#pragma once

#include "guest/bios.h"
#include "guest/linux_place.h"

/* Bytes of low memory for the code, its heap and stack, and the command line behind them: whole pages. */
uint64_t linux_setup_size(const struct guest_source *source);

/* Does that memory lie below the resident code, where base memory then ends for all real-mode code? */
bool linux_setup_fits(struct range memory, struct range resident);

/*
 * Writes them to `at`, which is plan->parameters as mapped, fills *entry and the segment and stack in *bios. `file` is
 * the kernel's file, still where the loader left it.
 */
void linux_setup_write(const struct guest_source *source, const struct linux_header *header,
                       const struct linux_plan *plan, const void *file, void *at, struct bios_plan *bios,
                       struct guest_entry *entry);
