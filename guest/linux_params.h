/* The zero page, the GDT, the command line and the long part of the e820 map, as Linux gets them. Pure. Boot only. */
#pragma once

#include "guest/guest.h"
#include "guest/linux_place.h"

/* Bytes that linux_params_write() needs: whole pages. */
uint64_t linux_params_size(const struct guest_source *source);

/*
 * Writes the parameters to `at`, which is plan->parameters as mapped, and fills *entry. `file` is the kernel's file,
 * still where the loader left it. source->command_line may lie anywhere: it is copied before anything else is written.
 */
void linux_params_write(const struct guest_source *source, const struct linux_header *header,
                        const struct linux_plan *plan, const void *file, void *at, struct guest_entry *entry);
