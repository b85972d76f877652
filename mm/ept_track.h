/*
 * Which pages of a range has the guest written? By the CPU's dirty flags where it has them (IA32_VMX_EPT_VPID_CAP bit
 * 21), else by taking the write right away and giving it back at the first write. Pure but for atomics; any CPU, root
 * mode. After start, and after a complete harvest, the caller invalidates on every CPU (mm/grace.h) before it relies on
 * it. While a range is tracked, it isn't merged; a page whose rights are changed (ept_protect) is no longer tracked.
 */
#pragma once

#include "mm/ept.h"

struct ept_track {
    struct ept *ept;
    struct range range; /* whole pages */
    bool flags;         /* the CPU's own accessed and dirty flags are on */
};

/* From here on. False if the pool ran out; then nothing is tracked reliably: stop again. */
must_check bool ept_track_start(struct ept_track *track);

/* The guest wrote to `address` without the right: was it for this? Then it may write on. One page, or when the pool is
 * empty the whole leaf around it, counts as written. */
bool ept_track_write(struct ept_track *track, uint64_t address);

/* The next piece written since it was last asked for, from *address on; it counts as clean again. Start with
 * range.start; false when there is none left. */
bool ept_track_harvest(struct ept_track *track, uint64_t *address, struct range *written);

/* All rights as they were. False if the pool ran out (after a merge across the range's ends): try again. */
must_check bool ept_track_stop(struct ept_track *track);
