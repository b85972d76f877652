/*
 * A detour: this CPU alone sees the guest's memory otherwise than the shared tables have it, for one instruction or for
 * as long as it stays in one page. So what it reads and writes there is ours to decide, without decoding it. Root mode,
 * the CPU itself.
 */
#pragma once

#include "lib/error.h"
#include "lib/range.h"
#include "mm/ept_view.h"

enum detour_purpose {
    DETOUR_NONE,
    DETOUR_APIC,   /* one instruction, the local APIC's page is the scratch page */
    DETOUR_BLOCK,  /* one instruction, Plinth's block is the scratch page */
    DETOUR_OPEN,   /* one instruction, no watch withholds anything */
    DETOUR_INSIDE, /* from the entry into a page that may not be executed until it is left */
};

struct detour {
    enum detour_purpose purpose;
    struct ept *base; /* the tree that the next detour is made over: guest_ept, or the open one when a watched access is
                         being let through and needs more than one thing */
    struct ept_view view;
    uint64_t view_pointer; /* to its tables, for the VMCS */
    uint8_t *scratch;      /* one page */
    uint64_t scratch_physical;
};

/* Takes 1 + PGTABLE_LEVELS pages of the pool. Boot. */
must_check bool detour_init(struct detour *detour, struct pool *pool, struct ept *ept);

/* The next entry runs one instruction for which `range` (see ept_view_aim) leads to the scratch page. Fill that before.
 */
void detour_begin(struct detour *detour, enum detour_purpose purpose, struct range range);

/* The next entry runs one instruction on the tree `open`, which becomes the base. */
void detour_begin_open(struct detour *detour, struct ept *open);

/* The guest goes on inside the page, which becomes executable, until it leaves it; `open` becomes the base. */
void detour_begin_inside(struct detour *detour, uint64_t page, struct ept *open);

/* An exit has ended the one instruction of a detour: back to the shared tables. `again`: it is an EPT violation, maybe
 * on the way to that instruction's end, and the base stays for what comes next. */
void detour_step_ended(struct detour *detour, bool again);

/* Whatever detour there was: back to the shared tables, which are the base again. */
void detour_end(struct detour *detour);

/* The rare half of detour_forget(). */
void detour_renew(struct detour *detour);

/* The shared tables have changed: the copies in the view are made afresh, at once if the next entry is into the view,
 * else when next needed. */
static inline void detour_forget(struct detour *detour)
{
    if (unlikely(detour->purpose != DETOUR_NONE))
        detour_renew(detour);
    else
        detour->view.range = (struct range){0, 0};
}
