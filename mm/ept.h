/*
 * The guest's second-level tables: guest-physical = host-physical, memory types by the MTRRs, Plinth's block
 * absent (SDM vol. 3, "The Extended Page Table Mechanism (EPT)", 28.2/28.3). Pure but for atomics.
 */
#pragma once

#include "lib/error.h"
#include "mm/mtrr.h"
#include "mm/pgtable.h"

enum {
    EPT_READ = 1 << 0,
    EPT_WRITE = 1 << 1,
    EPT_EXECUTE = 1 << 2,
    EPT_TYPE_SHIFT = 3,
    EPT_LARGE = 1 << 7,
    EPT_ACCESSED = 1 << 8,
    EPT_DIRTY = 1 << 9,
};
#define EPT_ALL (EPT_READ | EPT_WRITE | EPT_EXECUTE)

/* In every leaf, so that a leaf without rights is never 0, which means "not mapped yet". Ignored by the CPU (table
 * 28-6). */
#define EPT_MAPPED ((uint64_t)1 << 54)

/* In a leaf that doesn't map its address to itself: its memory type isn't the MTRRs' to say. Ignored by the CPU. */
#define EPT_REDIRECTED ((uint64_t)1 << 55)

/* In a leaf whose dirty bit counts (mm/ept_track.h). Ignored by the CPU. */
#define EPT_TRACKED ((uint64_t)1 << 56)

/* In a leaf that could be executed if it were small (mm/ept_execute.h). Ignored by the CPU. */
#define EPT_SMALL_EXECUTE ((uint64_t)1 << 57)

struct ept {
    struct pgtable table;
    struct pgtable_format format; /* largest leaf by the CPU's capabilities */
    const struct mtrr_state *mtrr;
    struct range block;
    unsigned physical_bits;
    uint64_t limit;      /* see ept_limit() */
    uint64_t generation; /* of `mtrr`: counts ept_retype() */
    uint64_t plain;      /* of `mtrr`: from this address on all has one type, which is in the low bits */
    uint64_t hand;       /* where ept_evict() goes on */
    bool execute_only;   /* IA32_VMX_EPT_VPID_CAP bit 0; without it EXECUTE without READ is no right at all. False after
                          ept_init */
};

/* The guest-physical address space ends here: 4-level EPT translates 48 bits, whatever MAXPHYADDR says (SDM 28.2.2). */
static inline uint64_t ept_limit(const struct ept *ept)
{
    return ept->limit;
}

/*
 * A tree in which nothing has been touched yet: takes one page, or says that there is none. `gib_pages`: the CPU has
 * 1 GiB EPT pages (IA32_VMX_EPT_VPID_CAP bit 17).
 */
must_check bool ept_init_empty(struct ept *ept, struct pool *pool, const struct mtrr_state *mtrr, struct range block,
                               unsigned physical_bits, bool gib_pages);

/* Maps [0, 4 GiB), the block absent. False when there was no page for all of it. */
bool ept_populate(struct ept *ept);

/* Both in one. Boot only. Fails when the pool is too small (says how much is
 * there). */
must_check bool ept_init(struct ept *ept, struct pool *pool, const struct mtrr_state *mtrr, struct range block,
                         unsigned physical_bits, bool gib_pages, struct error *error);

enum ept_fill { EPT_FILLED, EPT_PRESENT_ALREADY, EPT_IN_BLOCK, EPT_BEYOND, EPT_NO_MEMORY };

/*
 * First touch of `address`: maps the largest naturally aligned piece around it (1 GiB, 2 MiB, 4 KiB) that has one
 * memory type and doesn't meet the block. EPT_BEYOND: at or above 1 << physical_bits. NO_MEMORY: merge or evict, and
 * try again (mm/ept_evict.h). Any CPU, root mode, concurrent.
 */
enum ept_fill ept_fill(struct ept *ept, uint64_t address);

/* The same without a page of the pool: all of what is absent around `address`, where the tables end, becomes one leaf,
 * uncached: right for any memory, but slow. NO_MEMORY: it would be larger than the CPU has, or meet the block. */
enum ept_fill ept_fill_coarse(struct ept *ept, uint64_t address);

/* The attributes (without address) of a 4 KiB leaf that maps `page` to `physical` with `rights`: its own memory type if
 * the two are the same, else write-back. Rights that would be a misconfiguration (28.2.3.1: WRITE without READ, EXECUTE
 * alone without the capability) are left out. */
uint64_t ept_attributes(const struct ept *ept, uint64_t page, uint64_t physical, uint64_t rights);

/* Makes a change of attribute bits in the pages of [start, end), the block's excepted, splitting as needed. What isn't
 * touched yet is mapped first, unless the change makes it as the first touch would. The caller invalidates.
 * False if the pool ran out: some are changed, some not; merge or evict, and try again. */
must_check bool ept_modify(struct ept *ept, uint64_t start, uint64_t end, struct pgtable_bits bits);

/* Changes the rights (EPT_READ|WRITE|EXECUTE) in the same way. With `rights` 0 the pages stay in the tree as leaves
 * without rights, which ept_fill takes for EPT_PRESENT_ALREADY. */
must_check bool ept_protect(struct ept *ept, uint64_t start, uint64_t end, uint64_t rights);

/* Maps one 4 KiB guest page to another physical page, write-back; to itself again, with its own type, if physical ==
 * page. False if the pool ran out or the page lies in the block. */
must_check bool ept_redirect(struct ept *ept, uint64_t page, uint64_t physical, uint64_t rights);

/* The EPTP value for this tree: write-back walk of 4 levels, A/D bits if asked. */
uint64_t ept_pointer(const struct ept *ept, bool accessed_dirty);

/* The same for another root page of its pool (a view). */
uint64_t ept_pointer_to(const struct ept *ept, const uint64_t *root, bool accessed_dirty);
