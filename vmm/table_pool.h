/*
 * When the pool of the EPT's tables is empty: merging, evicting, and who waits for that. So no guest can make Plinth
 * run out of pages, whatever it touches and however its MTRRs split memory. Root mode, any CPU, no pointer into the
 * tables held; the locks of vmm/guest_watch.c and vmm/guest_mtrr.c may be.
 */
#pragma once

#include "mm/ept_evict.h"
#include "mm/ept_execute.h"

/* Tables that say no more than one entry could, and don't cover `keep`, leave the trees: how many. They return to the
 * pool with the next shootdown_and_free(). */
unsigned table_pool_merge(uint64_t keep);

/* ept_protect(), whatever must give way for it. */
must_check bool table_pool_protect(struct ept *tree, uint64_t start, uint64_t end, uint64_t rights);

/* Another change of a tree has found no page. True: there is one now, try again; another CPU may have been faster
 * again. What covers `keep` has not been evicted for it. False: all that is left in the trees must stay. */
must_check bool table_pool_make_room(uint64_t keep);

/* ept_fill() and ept_execute() have found no page: the same once more, with room. NO_MEMORY as above. */
enum ept_fill table_pool_fill(struct ept *tree, uint64_t address);
enum ept_execute table_pool_execute(struct ept *tree, uint64_t address);

/* So many tables have been evicted since the boot. */
uint64_t table_pool_evicted(void);
