/*
 * From a linear address of the guest to a physical one, as the CPU itself would translate it: without paging, 32-bit,
 * PAE, 4-level and 5-level paging, protection keys (SDM vol. 3, chapter 4). Shadow stacks are not looked at. Pure:
 * memory is reached through the two functions at the end.
 */
#pragma once

#include "lib/compiler.h"

/* What decides about a translation; virt.h: vcpu_paging() tells it of a vCPU. */
struct guest_paging {
    uint64_t cr0, cr3, cr4, efer;
    uint64_t pdpte[4];      /* the CPU's own registers; only with PAE paging */
    unsigned physical_bits; /* MAXPHYADDR */
    bool gib_pages;         /* CPUID 80000001 EDX bit 26 */
    bool ac;                /* EFLAGS.AC: SMAP is suspended for explicit accesses */
    uint32_t pkru, pkrs;    /* rights by protection key, of user and supervisor pages; only with CR4.PKE, CR4.PKS */
};

/* The kind of access: 0 is a supervisor's read. WRITE, USER and FETCH are bits of a page fault's error code too. */
enum {
    GUEST_WRITE = 1 << 1,
    GUEST_USER = 1 << 2,
    GUEST_FETCH = 1 << 4,
    GUEST_IMPLICIT = 1 << 8, /* to a descriptor table or TSS: a supervisor's, and EFLAGS.AC doesn't count (4.6.1) */
    GUEST_ANY = 1 << 9,      /* only what is mapped counts, not who may do what */
    GUEST_MARK = 1 << 10,    /* sets accessed and dirty flags, as the CPU does (4.8) */
};

/* Table 4-1 and figure 4-12 "Page-Fault Error Code" */
enum { FAULT_PRESENT = 1 << 0, FAULT_RESERVED = 1 << 3, FAULT_KEY = 1 << 5 };

enum guest_walk_result {
    GUEST_WALK_OK,
    GUEST_WALK_FAULT,         /* #PF with `error` */
    GUEST_WALK_NON_CANONICAL, /* #GP(0), or #SS(0) for a stack */
};

struct guest_walk {
    uint64_t physical;
    uint64_t page_size; /* of the page that maps it; without paging 4 KiB */
    uint32_t error;
};

/* The entries on the way, the highest level's first; the last is the one that maps the page or ends the walk. */
enum { GUEST_LEVELS_MAX = 5 };
struct guest_path {
    unsigned levels, count; /* levels of tables in memory, 0 without paging; entries that were read */
    uint64_t address[GUEST_LEVELS_MAX], entry[GUEST_LEVELS_MAX];
    bool writable, user, no_execute; /* what they say together */
    unsigned key;                    /* of the last */
};

/* `access` is a set of the bits above. Any CPU. */
enum guest_walk_result guest_walk(const struct guest_paging *paging, uint64_t linear, unsigned access,
                                  struct guest_walk *walk);

/* The same, and how it got there. */
enum guest_walk_result guest_walk_path(const struct guest_paging *paging, uint64_t linear, unsigned access,
                                       struct guest_path *path, struct guest_walk *walk);

/* Reads the four PDPTE registers of PAE paging as CR3 says. False, with *paging unchanged: a reserved bit is set, #GP
 * (4.4.1). Any CPU. */
must_check bool guest_walk_load_pdptes(struct guest_paging *paging);

/* ---- given by vmm/guest_memory.c, in host tests by a fake ---- */

/* A page-table entry of 4 or 8 bytes, aligned, as a number; all its bits are ones where nothing is that the guest could
 * reach. */
uint64_t guest_entry_read(uint64_t physical, unsigned size);

/* Replaces it if it is still `old`. True also where nothing is. */
must_check bool guest_entry_replace(uint64_t physical, unsigned size, uint64_t old, uint64_t new);
