/* What kind of guest the first module is, and its loader. Pure: memory only through phys_map(). Boot only. */
#pragma once

#include "guest/guest.h"

/*
 * With source->chainload prepares the start from disk. Else loads a Linux bzImage, or a multiboot2 or multiboot kernel
 * (recognised in this order), and fills *entry. Else, and when its loader refuses, fails with what was found, what is
 * wrong with it and the remedy.
 */
must_check bool guest_load(const struct guest_source *source, struct guest_entry *entry, struct error *error);
