/*
 * A detour: one instruction of the guest runs while some of its pages lead to a scratch page, on this CPU alone. So
 * what it reads and writes there is ours to decide, without decoding it. Root mode, the CPU itself.
 */
#pragma once

#include "lib/error.h"
#include "lib/range.h"
#include "mm/ept_view.h"

enum detour_purpose { DETOUR_NONE, DETOUR_APIC, DETOUR_BLOCK };

struct detour {
    enum detour_purpose purpose;
    struct ept_view view;
    uint8_t *scratch; /* one page */
    uint64_t scratch_physical;
};

/* Takes 1 + PGTABLE_LEVELS pages of the pool. Boot. */
must_check bool detour_init(struct detour *detour, struct pool *pool, struct ept *ept);

/* The next entry runs one instruction for which `range` (see ept_view_aim) leads to the scratch page. Fill that before.
 */
void detour_begin(struct detour *detour, enum detour_purpose purpose, struct range range);

/* First thing on every exit: back to the shared tables. */
void detour_end(struct detour *detour);

/* The shared tables have changed: the copies in the view are made afresh, at once if the next entry is into the view,
 * else when next needed. */
void detour_forget(struct detour *detour);
