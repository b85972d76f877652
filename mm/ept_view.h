/*
 * One CPU's own look at the EPT, in which a range of guest pages maps to one scratch page and all else is shared: the
 * four tables on the path to the range are copies. It serves for letting one instruction run against the scratch page.
 * Pure but for atomics. A view belongs to one CPU; root mode. What the shared tree changes meanwhile is seen after the
 * next aim.
 */
#pragma once

#include "lib/range.h"
#include "mm/ept.h"

struct ept_view {
    struct ept *ept;                      /* the shared tree below it */
    struct range range;                   /* the guest pages that are the view's own; empty before the first aim */
    uint64_t leaf;                        /* what they map to */
    uint64_t withheld;                    /* rights that no other page has */
    uint64_t *tables[PGTABLE_LEVELS + 1]; /* copies by level: [4] PML4 ... [1] page table; pages of the EPT's pool */
};

/* Takes four pages of the pool. False if the pool is too small (nothing is kept then). Boot, or any time. */
must_check bool ept_view_init(struct ept_view *view, struct ept *ept);

/*
 * From now on one page of the shared tree may be executed (and, on a CPU without execute-only pages, read), and no
 * other page may: the guest runs on natively until it leaves the page. All other rights are as in the shared tree.
 */
void ept_view_aim_inside(struct ept_view *view, struct ept *ept, uint64_t page);

/*
 * From now on every page of the range maps to the page `physical` with all rights, write-back, and everything else as
 * in the shared tree `ept` (of the same pool). The range: whole pages inside one GiB; inside one 2 MiB piece, or else
 * made of whole such pieces. Copies four tables, so aim once and use often.
 */
void ept_view_aim(struct ept_view *view, struct ept *ept, struct range range, uint64_t physical);

/* Copies again what the shared tree has by now. */
void ept_view_renew(struct ept_view *view);

/* The EPTP value; an INVEPT of it is due after each of the changes above. */
uint64_t ept_view_pointer(const struct ept_view *view, bool accessed_dirty);
