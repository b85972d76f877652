/* A half-open range of addresses [start, end). Pure. */
#pragma once

#include "lib/compiler.h"

struct range {
    uint64_t start;
    uint64_t end;
};

static inline uint64_t range_size(struct range r)
{
    return r.end - r.start;
}

static inline bool range_overlaps(struct range a, struct range b)
{
    return a.start < b.end && b.start < a.end;
}

static inline bool range_contains(struct range outer, struct range inner)
{
    return outer.start <= inner.start && inner.end <= outer.end;
}
