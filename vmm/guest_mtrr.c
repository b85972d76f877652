/*
 * Every CPU has its own set, as on the machine, and there is one EPT: the set that was completed last holds. An OS
 * writes all CPUs' sets alike, one after another, with MTRRs disabled meanwhile (11.11.7); in that time, when the
 * machine would be uncached, the old types stay.
 */
#include "vmm/guest_mtrr.h"

#include "arch/x86/instr.h"
#include "arch/x86/regs.h"
#include "lib/log.h"
#include "lib/options.h"
#include "lib/string.h"
#include "mm/ept_dump.h"
#include "mm/ept_execute.h"
#include "mm/ept_retype.h"
#include "vmm/shootdown.h"
#include "vmm/table_pool.h"
#include "vmm/vmm.h"

enum { DEFAULT_TYPE_ENABLE = 1 << 11 };

/* ept_retype() wants the last set unchanged until a grace period is over: two take turns. */
static struct mtrr_state applied[2];
static unsigned current;
static bool busy;
static struct ept *second;

/* Asked for with log=debug: a guest that writes its MTRRs all day would leave nothing else in the log. */
static void log_types(uint64_t ticks)
{
    char line[EPT_LINE_MAX];

    if (options.log_level < LOG_DEBUG)
        return;
    log_debug("EPT: types changed, the shootdown took %lu ticks", ticks);
    for (uint64_t address = 0; ept_dump_line(guest_ept, &address, line);)
        log_debug("EPT: %s", line);
}

/* Lock held. */
static void report_inexact(void)
{
    static unsigned reports;

    if (++reports <= GUEST_REPORTS_MAX)
        log_warning("cpu%u: the page pool ran out: some memory is uncached until the guest writes its MTRRs again%s",
                    cpu_this()->index, reports == GUEST_REPORTS_MAX ? "; no more reports of that" : "");
}

static void apply(const struct mtrr_state *mtrr)
{
    struct mtrr_state *next = &applied[!current];
    uint64_t start, ticks;
    bool exact;

    *next = *mtrr;
    exact = ept_retype(guest_ept, next);
    if (second)
        exact &= ept_retype(second, next);
    if (!exact)
        report_inexact();
    current = !current;
    start = rdtsc();
    shootdown();
    ticks = rdtsc() - start;
    if (table_pool_merge(PGTABLE_NOWHERE))
        shootdown_and_free();
    log_types(ticks);
}

/*
 * An OS changes its MTRRs with CR0.CD set (11.11.8), which an exit leaves as it is (27.5.1). Going through all page
 * tables uncached would take long, so caches are on meanwhile. What Plinth leaves in them then is its own memory,
 * which the guest, caches off, doesn't touch.
 */
static void apply_cached(const struct mtrr_state *mtrr)
{
    uint64_t cr0 = read_cr0();

    if (cr0 & CR0_CD)
        write_cr0(cr0 & ~(CR0_CD | CR0_NW));
    apply(mtrr);
    if (cr0 & CR0_CD)
        write_cr0(cr0);
}

static void update(const struct mtrr_state *mtrr)
{
    shootdown_lock(&busy);
    if (memcmp(guest_ept->mtrr, mtrr, sizeof(*mtrr)) != 0)
        apply_cached(mtrr);
    shootdown_unlock(&busy);
}

bool guest_mtrr_second_tree(struct ept *tree)
{
    bool done;

    shootdown_lock(&busy);
    done = ept_init_empty(tree, guest_ept->table.pool, guest_ept->mtrr, guest_ept->block, guest_ept->physical_bits,
                          virt_has_gib_pages());
    if (done)
        ept_populate(tree); /* what there is no page for is filled on first touch */
    if (done && guest_ept->format.small_only)
        ept_execute_small_only(tree);
    if (done)
        second = tree;
    shootdown_unlock(&busy);
    return done;
}

uint8_t guest_mtrr_word(uint32_t index)
{
    struct mtrr_state *mtrr = &vmm_cpu(cpu_this())->mtrr;
    const uint64_t *field = mtrr_field(mtrr, index);

    _Static_assert(sizeof(*mtrr) / sizeof(*field) < 256, "words are numbered by bytes");
    _Static_assert(offsetof(struct mtrr_state, capability) == 0, "0 is no MTRR that is policed");
    return field ? (uint8_t)(field - (uint64_t *)mtrr) : 0;
}

bool guest_mtrr_write(uint32_t index, uint64_t value)
{
    struct mtrr_state *mtrr = &vmm_cpu(cpu_this())->mtrr;

    if (!mtrr_write_valid(mtrr, index, value))
        return false;
    *mtrr_field(mtrr, index) = value;
    if (mtrr->default_type & DEFAULT_TYPE_ENABLE)
        update(mtrr);
    return true;
}
