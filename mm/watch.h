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
    uint32_t idle;   /* denies nothing for the time being */
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

/* The pages that a range has bytes in: the hardware denies by pages. */
static inline struct range watch_pages(struct range range)
{
    return (struct range){ALIGN_DOWN(range.start, PAGE_SIZE), ALIGN_UP(range.end, PAGE_SIZE)};
}

/*
 * Registers a range. What it denies is then taken away with ept_protect() by the caller, in this order: a violation
 * must find its owner. Returns the slot, or -1 if all are taken. Where ranges overlap, the lowest slot is found.
 */
int watch_add(struct watches *watches, struct watch watch);

/* From now on a violation finds nobody: who gives the rights back comes next, by what watch_denied() still says. */
void watch_remove(struct watches *watches, int slot);

/* Who is concerned by an access to `address` that needs one of the rights `access`? The slot, or -1: nobody. */
int watch_find(const struct watches *watches, uint64_t address, uint64_t access, struct watch *found);

/* Begins or ends a pause of this watch, like watch_add and watch_remove, but it keeps its slot. */
void watch_set_idle(struct watches *watches, int slot, bool idle);

/* What is in a slot; owner 0: nothing. */
struct watch watch_get(const struct watches *watches, int slot);

/* What all owners together deny in the page at `address`, and in *end up to where that holds (page aligned, at most
 * what it is when called): for who sets a page's rights where several may be watching. */
uint64_t watch_denied(const struct watches *watches, uint64_t address, uint64_t *end);
