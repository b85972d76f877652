/*
 * Names for addresses: the table of Plinth's own functions that the link puts into the image (tools/make-symbols).
 * Pure; any CPU, NMI-safe.
 *
 * The table is a row of functions by ascending address: how far each is from the one before it (the first from the
 * base), as ULEB128 (DWARF 5, "Variable Length Data", 7.6), then its name and a zero byte. That is a third smaller than
 * fixed-size entries, and nobody who reads a crash report notices that the search goes from the start.
 */
#pragma once

#include "lib/compiler.h"

struct symbol {
    const char *name; /* points into the table */
    uint64_t offset;  /* of the address in the function, bytes */
};

/*
 * The last function at or before `distance` bytes from the base. False if there is none: an empty table, or a distance
 * before the first function. What follows a torn entry is not looked at. Where a function ends the table doesn't say.
 */
must_check bool symbols_find(const uint8_t *table, size_t size, uint64_t distance, struct symbol *symbol);
