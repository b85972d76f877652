/*
 * Watches. One lock holds the table, the rights in the trees and what pauses together; violations only read. A tree of
 * its own, the open one, holds the same memory with nothing withheld: there a CPU executes the one instruction that is
 * let through, while the others go on being watched.
 */
#include "vmm/guest_watch.h"

#include "arch/x86/clock.h"
#include "arch/x86/instr.h"
#include "lib/log.h"
#include "vmm/apic_trap.h"
#include "vmm/guest_mtrr.h"
#include "vmm/shootdown.h"
#include "vmm/table_pool.h"
#include "vmm/vmm.h"
#include "vmm/watch_policy.h"
#include "vmm/watch_report.h"

enum { PERIOD_MS = 1000, HITS_MAX = 16 };

/* Hits of a watch in the current period, for those that pause. */
struct pace {
    uint64_t hits;
    uint64_t period_end;  /* TSC */
    uint32_t period_hits; /* in this period */
    bool paused;
};

static struct watches watches;
static struct pace paces[WATCH_MAX];
static struct ept open_tree;
static bool open_ready, busy;
static uint32_t paused_count;

static uint64_t period_ticks(void)
{
    return clock_tsc_khz() * PERIOD_MS;
}

struct ept *guest_watch_open_tree(void)
{
    return __atomic_load_n(&open_ready, __ATOMIC_ACQUIRE) ? &open_tree : NULL;
}

/* Lock held. */
static bool need_open_tree(struct error *error)
{
    if (guest_watch_open_tree())
        return true;
    while (!guest_mtrr_second_tree(&open_tree))
        if (!table_pool_make_room(0))
            return fail(error, "watch: no page left for a second tree: remove a watch");
    __atomic_store_n(&open_ready, true, __ATOMIC_RELEASE);
    return apic_trap_settle(&open_tree) ||
           fail(error, "watch: no page left to let watched accesses through: watch fewer ranges");
}

static bool settle(struct range pages)
{
    bool all = !guest_watch_open_tree() || apic_trap_settle(&open_tree);

    for (uint64_t start = pages.start, end; start < pages.end; start = end) {
        uint64_t denied;

        end = pages.end;
        denied = watch_denied(&watches, start, &end) | apic_trap_denies(start, &end);
        all &= table_pool_protect(guest_ept, start, end, EPT_ALL & ~denied);
    }
    return all;
}

bool guest_watch_settle(struct range pages)
{
    bool all;

    shootdown_lock(&busy);
    all = settle(pages);
    shootdown_unlock(&busy);
    return all;
}

static bool valid(struct range range, uint64_t denied, struct error *error)
{
    if (range.start == range.end || !(denied & EPT_ALL) || (denied & ~(uint64_t)EPT_ALL))
        return fail(error, "watch: nothing to watch: give a length, and what not to do: any of r, w, x");
    if (range.end < range.start || range.end > ept_limit(guest_ept))
        return fail(error, "watch: %lx to %lx: physical addresses end at %lx here", range.start, range.end,
                    ept_limit(guest_ept));
    if (range_overlaps(watch_pages(range), guest_ept->block))
        return fail(error, "watch: %lx to %lx meets Plinth's own block, which the guest can't reach anyway",
                    range.start, range.end);
    return true;
}

/* Lock held. */
static int add(struct watch watch, struct error *error)
{
    int slot;

    if (!need_open_tree(error))
        return -1;
    slot = watch_add(&watches, watch);
    if (slot < 0) {
        (void)fail(error, "watch: all %u are taken: remove one", WATCH_MAX);
        return -1;
    }
    paces[slot] = (struct pace){.period_end = rdtsc() + period_ticks()};
    if (settle(watch_pages(watch.range)))
        return slot;
    watch_remove(&watches, slot);
    if (!settle(watch_pages(watch.range)))
        log_warning("watch: some of %lx to %lx is watched by nobody, and slow", watch.range.start, watch.range.end);
    (void)fail(error, "watch: no page left to split the guest's tables with: watch fewer ranges, or larger ones");
    return -1;
}

int guest_watch_add(struct range range, uint64_t denied, uint32_t flags, struct error *error)
{
    struct watch watch = {.range = range, .denied = denied, .owner = WATCH_REPORT, .detail = flags};
    int slot;

    if (!valid(range, denied, error))
        return -1;
    shootdown_lock(&busy);
    slot = add(watch, error);
    shootdown_unlock(&busy);
    shootdown();
    return slot;
}

static void arm(const struct watch_request *request)
{
    struct error error;
    int number = guest_watch_add(request->range, request->denied, request->pauses ? WATCH_PAUSES : 0, &error);

    if (number < 0)
        log_warning("%s", error.text);
    else
        log_info("watch %d: %lx to %lx, %s%s%s", number, request->range.start, request->range.end,
                 request->denied & EPT_READ ? "r" : "", request->denied & EPT_WRITE ? "w" : "",
                 request->denied & EPT_EXECUTE ? "x" : "");
}

void guest_watch_arm(const char *text)
{
    struct watch_request request;

    while (*text != '\0') {
        if (!watch_parse(&text, &request)) {
            log_warning("option watch: \"%s\" is ignored: use ADDRESS+LENGTH:RIGHTS, e.g. watch=0x100000+0x1000:w",
                        text);
            return;
        }
        arm(&request);
    }
}

static bool exists(int number)
{
    return number >= 0 && number < WATCH_MAX && watch_get(&watches, number).owner == WATCH_REPORT;
}

/* Lock held. */
static bool take_out(int number, struct error *error)
{
    struct range pages;

    if (!exists(number))
        return fail(error, "watch: there is no number %d", number);
    pages = watch_pages(watch_get(&watches, number).range);
    watch_remove(&watches, number);
    if (paces[number].paused)
        __atomic_sub_fetch(&paused_count, 1, __ATOMIC_RELAXED);
    paces[number].paused = false;
    return settle(pages) || fail(error, "watch: no page left to give the rights back with: the range stays slow");
}

bool guest_watch_remove(int number, struct error *error)
{
    bool done;

    shootdown_lock(&busy);
    done = take_out(number, error);
    shootdown_unlock(&busy);
    return done;
}

void guest_watch_give_up(void)
{
    struct error ignored;

    log_warning("watch: no page left to let watched accesses through: all watches end here");
    for (int i = 0; i < WATCH_MAX; i++)
        if (!guest_watch_remove(i, &ignored) && exists(i))
            log_warning("%s", ignored.text);
}

bool guest_watch_get(int number, struct guest_watch *out)
{
    struct watch watch;

    if (!exists(number))
        return false;
    watch = watch_get(&watches, number);
    *out = (struct guest_watch){.range = watch.range,
                                .denied = watch.denied,
                                .flags = watch.detail,
                                .paused = paces[number].paused,
                                .hits = __atomic_load_n(&paces[number].hits, __ATOMIC_RELAXED)};
    return true;
}

/* Lock held. A paused watch stays in the table, denying nothing. */
static bool set_paused(int number, bool paused)
{
    struct watch watch = watch_get(&watches, number);

    if (watch.owner != WATCH_REPORT || paces[number].paused == paused)
        return false;
    paces[number].paused = paused;
    paces[number].period_hits = 0;
    paces[number].period_end = rdtsc() + period_ticks();
    __atomic_add_fetch(&paused_count, paused ? 1 : -1, __ATOMIC_RELAXED);
    watch_set_idle(&watches, number, paused);
    if (!settle(watch_pages(watch.range)))
        log_warning("watch %d: no page left to %s", number, paused ? "pause" : "go on with");
    return true;
}

void guest_watch_poll(void)
{
    bool resumed = false;

    if (likely(!__atomic_load_n(&paused_count, __ATOMIC_RELAXED)))
        return;
    shootdown_lock(&busy);
    for (int i = 0; i < WATCH_MAX; i++) {
        if (paces[i].paused && rdtsc() >= paces[i].period_end) {
            resumed |= set_paused(i, false);
        }
    }
    shootdown_unlock(&busy);
    if (resumed)
        shootdown();
}

/* Is it hit so often that it had better pause? Counts by all CPUs; a lost race costs a hit more or less. */
static bool too_often(struct pace *pace)
{
    uint64_t now = rdtsc();

    if (now >= __atomic_load_n(&pace->period_end, __ATOMIC_RELAXED)) {
        __atomic_store_n(&pace->period_hits, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&pace->period_end, now + period_ticks(), __ATOMIC_RELAXED);
    }
    return __atomic_add_fetch(&pace->period_hits, 1, __ATOMIC_RELAXED) > HITS_MAX;
}

static void hit(const struct vm_exit *exit, const struct watch *watch, int number)
{
    bool pauses;

    __atomic_add_fetch(&paces[number].hits, 1, __ATOMIC_RELAXED);
    watch_report_access(exit, watch, number);
    if (!(watch->detail & WATCH_PAUSES) || !too_often(&paces[number]))
        return;
    shootdown_lock(&busy);
    pauses = set_paused(number, true);
    shootdown_unlock(&busy);
    if (pauses)
        log_info("watch %d: pauses after %u hits within a second", number, HITS_MAX);
}

static void tell_owner(const struct vm_exit *exit, uint64_t access)
{
    struct watch watch;
    int number = watch_find(&watches, exit->memory.address, access, &watch);

    if (number < 0)
        return; /* elsewhere in the page, or a right that fell with another */
    switch ((enum watch_owner)watch.owner) {
    case WATCH_NOBODY:
        return;
    case WATCH_REPORT:
        hit(exit, &watch, number);
        return;
    }
}

bool guest_watch_violation(const struct vm_exit *exit)
{
    uint64_t access = (exit->memory.read ? EPT_READ : 0) | (exit->memory.write ? EPT_WRITE : 0) |
                      (exit->memory.execute ? EPT_EXECUTE : 0);
    struct pgtable_leaf leaf = pgtable_lookup(&guest_ept->table, exit->memory.address);

    if (!leaf.entry || !(access & ~leaf.entry) || !guest_watch_open_tree())
        return false;
    tell_owner(exit, access & ~leaf.entry);
    guest_watch_poll();
    return true;
}

void guest_watch_emulated(uint64_t address, bool write)
{
    struct vm_exit exit = {.kind = VM_EXIT_MEMORY, .memory = {.address = address, .read = !write, .write = write}};

    tell_owner(&exit, write ? EPT_WRITE : EPT_READ);
}
