/* What Plinth needs or uses of a CPU or the firmware, as rows of a table (boot/preflight.c prints it). Pure. */
#pragma once

#include "lib/compiler.h"

struct property {
    bool needed; /* else Plinth is the better for it, but runs without */
    const char *name;
    const char *lack;   /* the sentence that says it is missing */
    const char *remedy; /* and what the user can do about it */
};

/* A table, which of its rows are there, and of which that can be told: bit i is row i, at most 64. */
struct property_set {
    const struct property *rows;
    unsigned count;
    uint64_t found, known;
};

/* The first needed row that isn't there, or NULL. */
static inline const struct property *property_lacking(const struct property_set *set)
{
    for (unsigned i = 0; i < set->count; i++)
        if (set->rows[i].needed && !(set->found >> i & 1))
            return &set->rows[i];
    return NULL;
}
