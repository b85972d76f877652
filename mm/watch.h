/*
 * Whom does a violation concern? A small table of ranges, each with what its owner does not allow and who that is. The
 * dispatcher switches over the owner (no function pointers: the exit path has no indirect branch). Pure but for
 * atomics. Looking up: any CPU, any number at once, no lock, bounded. Adding and removing: any CPU, root mode.
 */
#pragma once

#include "lib/compiler.h"
#include "lib/range.h"

enum { WATCH_MAX = 32 };

struct watch {
    struct range range;
    uint64_t denied; /* the rights (EPT_READ|WRITE|EXECUTE) whose use concerns the owner */
    uint32_t owner;  /* of the vmm's enumeration; not 0 */
    uint32_t detail; /* the owner's own */
};

struct watch_slot {
    uint32_t sequence; /* odd: being written */
    struct watch watch;
};

struct watches {
    uint32_t busy;
    uint32_t used; /* slots from here on have never been used */
    struct watch_slot slots[WATCH_MAX];
};

/*
 * Registers a range. What it denies is then taken away with ept_protect() by the caller, in this order: a violation
 * must find its owner. Returns the slot, or -1 if all are taken. Where ranges overlap, the lowest slot is found.
 */
int watch_add(struct watches *watches, struct watch watch);

/* The rights are given back before. */
void watch_remove(struct watches *watches, int slot);

/* Who is concerned by an access to `address` that needs one of the rights `access`? False: nobody. */
bool watch_find(const struct watches *watches, uint64_t address, uint64_t access, struct watch *found);

/* What all owners together deny at `address`: for who gives rights back where another may still be watching. */
uint64_t watch_denied(const struct watches *watches, uint64_t address);
