#include "vmm/watch_report.h"

#include "arch/x86/clock.h"
#include "arch/x86/instr.h"
#include "lib/format.h"
#include "lib/log.h"
#include "vmm/guest_memory.h"
#include "vmm/vmm.h"

enum { PERIOD_MS = 1000, REPORTS_MAX = 8, WORD = 8, VALUE_TEXT = 48 };

/* False: enough has been said for now. */
static bool may_tell(struct watch_reports *reports)
{
    uint64_t now = rdtsc();

    if (now - reports->period >= clock_tsc_khz() * PERIOD_MS) {
        if (reports->count > REPORTS_MAX)
            log_info("watch: cpu%u: %u more", cpu_this()->index, reports->count - REPORTS_MAX);
        reports->period = now;
        reports->count = 0;
    }
    return ++reports->count <= REPORTS_MAX;
}

static bool is_variable(struct range range)
{
    uint64_t size = range_size(range);

    return size <= WORD && !(size & (size - 1)) && range.start % size == 0;
}

static struct range place_of_value(struct range watched, uint64_t address)
{
    if (!guest_is_write_back(address))
        return (struct range){0, 0}; /* reading may change a device */
    if (is_variable(watched))
        return watched;
    return (struct range){ALIGN_DOWN(address, WORD), ALIGN_DOWN(address, WORD) + WORD};
}

static uint64_t read_value(struct range place)
{
    uint64_t value = 0;

    if (!guest_read_physical(place.start, &value, range_size(place)))
        return 0;
    return value;
}

static void tell(const struct watch_access *access, const char *does, const char *value)
{
    log_info("watch %d: cpu%u %s %lx%s, rip %lx, cpl %u%s", access->number, cpu_this()->index, does, access->address,
             access->in_walk ? " in a page walk" : "", access->rip, access->cpl, value);
}

static void tell_value(const struct watch_access *access, bool written)
{
    char text[VALUE_TEXT] = "";
    int digits = (int)(2 * range_size(access->value));

    if (digits && written)
        format_text(text, sizeof(text), ", value %0*lx, was %0*lx", digits, read_value(access->value), digits,
                    access->old);
    else if (digits)
        format_text(text, sizeof(text), ", value %0*lx", digits, access->old);
    tell(access, written ? "writes" : "reads", text);
}

void watch_report_access(const struct vm_exit *exit, const struct watch *watch, int number)
{
    struct watch_reports *reports = &vmm_cpu(cpu_this())->watch_reports;
    struct watch_access *access = &reports->access;

    access->pending = false;
    if (!may_tell(reports))
        return;
    *access = (struct watch_access){.number = number,
                                    .address = exit->memory.address,
                                    .rip = vcpu_rip(),
                                    .cpl = vcpu_cpl(),
                                    .in_walk = vcpu_violated_in_walk(exit)};
    if (exit->memory.execute) {
        tell(access, "executes", "");
        return;
    }
    access->value = place_of_value(watch->range, exit->memory.address);
    access->old = range_size(access->value) ? read_value(access->value) : 0;
    access->pending = exit->memory.write;
    if (!access->pending)
        tell_value(access, false);
}

void watch_report_end(bool stepped)
{
    struct watch_access *access = &vmm_cpu(cpu_this())->watch_reports.access;

    if (access->pending && stepped)
        tell_value(access, true);
    access->pending = false;
}
