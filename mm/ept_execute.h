/*
 * Against iTLB multihit (CVE-2018-12207: on many Intel CPUs, a change of a page's size while its old translation is
 * still in the instruction TLB may end in a machine check): only pages of 4 KiB are executable. Larger leaves lose the
 * right, and a mark says so; the first execution in one splits its 2 MiB. Merging makes large ones of them again. Pure
 * but for atomics; any CPU, root mode.
 */
#pragma once

#include "mm/ept.h"

/* From now on, and for what is mapped already. Boot, before any CPU uses the tree; needs no page. */
void ept_execute_small_only(struct ept *ept);

enum ept_execute { EPT_EXECUTE_GIVEN, EPT_EXECUTE_DENIED, EPT_EXECUTE_NO_MEMORY };

/*
 * The guest executed at `address`, which is mapped, without the right. GIVEN: the 2 MiB around it are small pages now,
 * each executable unless that is denied for another reason; or it was executable already. DENIED: there is another
 * reason. NO_MEMORY: the pool is empty; merge, and try again.
 */
enum ept_execute ept_execute(struct ept *ept, uint64_t address);

/* For when nothing can be merged any more: the leaf becomes executable as large as it is. */
void ept_execute_anyway(struct ept *ept, uint64_t address);
