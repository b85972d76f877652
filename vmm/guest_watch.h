/*
 * Watching the guest: rights of a range of guest-physical memory are taken away on every CPU, and each use of them is
 * counted and, at a bounded rate, reported on the consoles; then the guest goes on as if nothing had been. Root mode,
 * any CPU, no lock held, unless said otherwise.
 *
 * A right is denied by whole pages; what is reported are accesses whose first byte lies in the range. Without the right
 * to read the hardware grants none to write, and most CPUs none to execute either; such accesses pass unreported. Reads
 * and writes are let through one instruction at a time. Execution is reported when it enters the page from another,
 * not for each instruction. While a CPU has the page tables' accessed and dirty flags on, the hardware's walks through
 * a page table count as writes to it (SDM vol. 3, 28.2.4).
 */
#pragma once

#include "arch/x86/virt.h"
#include "lib/error.h"
#include "mm/watch.h"
#include "vmm/detour.h"

/* Whom a violation concerns: struct watch.owner. */
enum watch_owner { WATCH_NOBODY, WATCH_REPORT };

/* struct watch.detail: a watch that is hit too often for a while gives its rights back for the rest of it. */
enum { WATCH_PAUSES = 1 };

struct guest_watch {
    struct range range;
    uint64_t denied; /* EPT_READ, EPT_WRITE, EPT_EXECUTE */
    uint32_t flags;  /* WATCH_PAUSES */
    bool paused;
    uint64_t hits; /* so far */
};

/*
 * Returns when no CPU can use the rights in `denied` any more: the number of the watch, or -1 with the reason (empty
 * range, no such memory, Plinth's block, all WATCH_MAX taken, no page left). Before launch too. CPUs that are held in
 * root mode meanwhile must go on calling shootdown_catch_up(), or have called shootdown_quiet().
 */
must_check int guest_watch_add(struct range range, uint64_t denied, uint32_t flags, struct error *error);

/* Boot, before launch: the watches that the option `watch=` asks for. What can't be had is named in a warning. */
void guest_watch_arm(const char *text);

/* Ends it. False with the reason: no such watch, or (the rights then stay away, unreported) no page left. */
must_check bool guest_watch_remove(int number, struct error *error);

/* What the watch with this number, 0 to WATCH_MAX - 1, is. False: there is none. */
must_check bool guest_watch_get(int number, struct guest_watch *out);

/* A watch that paused long enough watches again: to be called now and then. Cheap when there is nothing to do. */
void guest_watch_poll(void);

/* Whatever else withholds rights (vmm/apic_trap.c) has changed its mind about these pages. False: no page left. The
 * caller makes sure that nobody uses the old ones. */
must_check bool guest_watch_settle(struct range pages);

/*
 * memory.c: the guest's access found its page mapped. True: it was withheld and has been reported to whom it concerns;
 * it is let through now. False: by now it isn't withheld any more.
 */
bool guest_watch_violation(const struct vm_exit *exit);

/* An access that Plinth makes in the guest's place (a task switch's): reported to whom it concerns. */
void guest_watch_emulated(uint64_t address, bool write);

/* The tree in which no watch takes anything away, or NULL as long as there has been no watch. */
struct ept *guest_watch_open_tree(void);

/* Gives all that is watched back: the open tree has no page left to let accesses through. */
void guest_watch_give_up(void);
