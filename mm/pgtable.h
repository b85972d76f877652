/*
 * The one walker of 4-level, 512-entry page tables: host tables and EPT (later NPT), told by a
 * `struct pgtable_format` what an entry looks like. Pure but for atomics; entries change by compare-and-exchange.
 * Any CPU, root mode; lock-free; not NMI-safe.
 */
#pragma once

#include "lib/compiler.h"
#include "lib/range.h"
#include "mm/pool.h"

struct pgtable_format {
    uint64_t present; /* an entry with any of these bits is present */
    uint64_t leaf;    /* bit that makes an entry above level 1 a leaf */
    uint64_t table;   /* bits of an entry that points to a table */
    uint64_t address; /* address bits of an entry */
    uint64_t rights;  /* attribute bits that a change may take away or give (for merging, compare all but accessed and
                         dirty) */
    uint64_t volatile_bits; /* accessed and dirty: set by hardware, never compared */
    unsigned largest_leaf;  /* level: 1 = 4 KiB, 2 = 2 MiB, 3 = 1 GiB */
    uint64_t small_only;    /* a bit that only leaves of level 1 may have, or 0 */
    uint64_t small_mark;    /* what larger ones have instead */
};

enum { PGTABLE_LEVELS = 4, PGTABLE_ENTRIES = 512 };

struct pgtable {
    const struct pgtable_format *format;
    struct pool *pool;
    uint64_t *root;   /* a page of the pool */
    uint32_t retired; /* list of tables out of use that a CPU may still walk (pool_list) */
};

/*
 * Bits 52 and 53 are ignored by the hardware in entries of every kind (SDM 4.5, table 4-20; 28.2.2, table 28-6)
 * and belong to the walker: an entry with one of them set must not be changed by anyone but who set it. FROZEN: its
 * table is being merged, try again. DEAD: its table has left the tree, start again from the root.
 */
#define PGTABLE_FROZEN ((uint64_t)1 << 52)
#define PGTABLE_DEAD   ((uint64_t)1 << 53)
#define PGTABLE_HELD   (PGTABLE_FROZEN | PGTABLE_DEAD)

/* Takes the root page. False if the pool is empty. */
must_check bool pgtable_init(struct pgtable *table, const struct pgtable_format *format, struct pool *pool);

/* Gives all its tables back to the pool. Nobody has used them, or uses them any more. After a failed init too. */
void pgtable_fini(struct pgtable *table);

/* An address that no table covers. */
#define PGTABLE_NOWHERE UINT64_MAX

/* Bytes that an entry of this level covers. */
static inline uint64_t pgtable_size(unsigned level)
{
    return (uint64_t)1 << (12 + 9 * (level - 1));
}

/*
 * Maps [start, end) to `physical` on with the given attribute bits (format-specific; without address and leaf bit),
 * with the largest leaves that alignment allows, replacing what was mapped there: larger leaves are split, tables that
 * fall out of use are put aside (see pgtable_reclaim). Attributes 0 unmaps. start, end, physical are page aligned.
 * False if the pool ran out (what was done until then stays and is consistent).
 */
must_check bool pgtable_map(struct pgtable *table, uint64_t start, uint64_t end, uint64_t physical,
                            uint64_t attributes);

struct pgtable_leaf {
    uint64_t start; /* first address that the entry covers */
    unsigned level; /* of the entry: a leaf, or the non-present entry that ends the walk */
    uint64_t entry; /* its value; not present: attributes 0 */
    uint64_t *slot; /* where it is */
};

/*
 * Sets the format's rights bits of every leaf in [start, end) to `rights`; addresses and other attributes stay, what
 * isn't mapped stays so. A leaf that loses all its present bits keeps the rest, so that it can be given back (that rest
 * must not be 0: see EPT_MAPPED). Splits as needed; false if the pool ran out (what was done until then stays).
 */
must_check bool pgtable_protect(struct pgtable *table, uint64_t start, uint64_t end, uint64_t rights);

/* A change of attribute bits, made in every leaf that has all bits of `only` and none of `except`. */
struct pgtable_bits {
    uint64_t mask;  /* the bits that change; not 0 */
    uint64_t value; /* what they become */
    uint64_t only;
    uint64_t except;
};

/* Makes it in [start, end); absent entries stay absent. Splits and fails like pgtable_protect, which is a case of it.
 */
must_check bool pgtable_modify(struct pgtable *table, uint64_t start, uint64_t end, struct pgtable_bits bits);

/*
 * Gives the tables that fell out of use back to the pool; returns how many. Only when no CPU can be using one: at boot,
 * or when every CPU has left the guest, finished its walks and invalidated since.
 */
unsigned pgtable_reclaim(struct pgtable *table);

/* A large leaf without the bit that only small ones may have. */
static inline uint64_t pgtable_large(const struct pgtable_format *format, uint64_t entry)
{
    return entry & format->small_only ? (entry & ~format->small_only) | format->small_mark : entry;
}

/* The leaf of `level` that maps to `physical`. */
static inline uint64_t pgtable_leaf_entry(const struct pgtable_format *format, unsigned level, uint64_t physical,
                                          uint64_t attributes)
{
    uint64_t entry = (physical & format->address) | attributes;

    return level > 1 ? pgtable_large(format, entry | format->leaf) : entry;
}

/* Is `entry`, found at `level`, a pointer to a table? (else a leaf, or 0) */
static inline bool pgtable_is_table(const struct pgtable_format *format, unsigned level, uint64_t entry)
{
    return level > 1 && (entry & format->present) && !(entry & format->leaf);
}

/* Which of its table's entries covers `address` at `level`. */
static inline unsigned pgtable_index(uint64_t address, unsigned level)
{
    return address >> (12 + 9 * (level - 1)) & (PGTABLE_ENTRIES - 1);
}

/* The entries of the table below that the leaf `entry` of `level` (2 or 3), or an absent entry (0), is equal to. */
void pgtable_split_into(const struct pgtable_format *format, uint64_t *entries, unsigned level, uint64_t entry);

/* Walks to the entry that decides about `address`. */
struct pgtable_leaf pgtable_lookup(const struct pgtable *table, uint64_t address);

enum pgtable_fill { PGTABLE_FILLED, PGTABLE_OCCUPIED, PGTABLE_NO_MEMORY };

/* What is more than one exchange: there are tables to put above the leaf, or another CPU came first. */
enum pgtable_fill pgtable_fill_below(struct pgtable *table, const struct pgtable_leaf *at, uint64_t start,
                                     unsigned level, uint64_t new);

/*
 * Makes a leaf of `level` (at most largest_leaf) at `start`, aligned to it, if nothing was mapped there: never changes
 * what is present. `at`: the absent entry that a lookup just found there. OCCUPIED: another CPU came first, look again.
 */
static inline enum pgtable_fill pgtable_fill(struct pgtable *table, const struct pgtable_leaf *at, uint64_t start,
                                             unsigned level, uint64_t physical, uint64_t attributes)
{
    uint64_t absent = 0, new = pgtable_leaf_entry(table->format, level, physical, attributes);

    if (at->level == level &&
        __atomic_compare_exchange_n(at->slot, &absent, new, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return PGTABLE_FILLED;
    return pgtable_fill_below(table, at, start, level, new);
}
