/*
 * One CPU's own look at the EPT, in which exactly one 4 KiB page maps elsewhere (the LAPIC's to a scratch page, while
 * one store to it is single-stepped) and all else is shared: the four tables on the path to that page are copies. Pure
 * but for atomics. A view belongs to one CPU; root mode. What the shared tree changes meanwhile is seen after a sync.
 */
#pragma once

#include "mm/ept.h"

struct ept_view {
    struct ept *ept;
    uint64_t page;                        /* the guest page that is the view's own */
    uint64_t *tables[PGTABLE_LEVELS + 1]; /* copies by level: [4] PML4 ... [1] page table; pages of the EPT's pool */
};

/* Takes four pages of the pool and copies the path to `page`; the page itself maps as in the shared tree. False if the
 * pool is too small (nothing is kept then). Boot, or any time. */
must_check bool ept_view_init(struct ept_view *view, struct ept *ept, uint64_t page);

/* Maps the page to `physical` with `rights`: write-back, or with its own memory type if physical == page. */
void ept_view_set(struct ept_view *view, uint64_t physical, uint64_t rights);

/* Copies afresh the entry of the view that leads to `address` (a violation there was filled in the shared tree). The
 * view's own page stays as set. */
void ept_view_sync(struct ept_view *view, uint64_t address);

/* Copies everything afresh but the view's own page: before a CPU goes into its view, so that no table that was taken
 * out of the shared tree meanwhile is walked. */
void ept_view_refresh(struct ept_view *view);

/* The EPTP value; an INVEPT of it is due after each of the changes above. */
uint64_t ept_view_pointer(const struct ept_view *view, bool accessed_dirty);
