/* The monitor's view of the exits' trace and histograms. tools/plinth-trace reads what `trace show` prints. */
#include "arch/x86/clock.h"
#include "arch/x86/virt.h"
#include "lib/format.h"
#include "vmm/monitor.h"

enum { SHOWN_MAX = 64, BAR_MAX = 40, ROW_MAX = 120 };

void monitor_trace_set(bool on)
{
    if (!virt_trace_set(on))
        monitor_say("error: nothing is traced: start Plinth with trace=on, or trace=REASON,...");
}

static void show_entry(uint32_t cpu, uint64_t number)
{
    char text[VIRT_TRACE_TEXT];

    if (virt_trace_text(cpu, number, text))
        monitor_say("%s", text);
}

void monitor_trace_show(const struct monitor_command *command)
{
    uint64_t count = command->value_count ? command->values[0] : SHOWN_MAX;

    monitor_say("trace: tsc %lu kHz", clock_tsc_khz());
    for (uint32_t cpu = 0; cpu < cpu_count; cpu++) {
        uint64_t first, end;

        virt_trace_range(cpu, &first, &end);
        if (end - first > count)
            first = end - count;
        for (uint64_t number = first; number < end; number++)
            show_entry(cpu, number);
    }
}

static uint64_t bucket_of_all(uint32_t reason, unsigned log2)
{
    uint64_t sum = 0;

    for (uint32_t cpu = 0; cpu < cpu_count; cpu++)
        sum += virt_tick_bucket(cpu, reason, log2);
    return sum;
}

static void show_bar(unsigned log2, uint64_t exits, uint64_t most)
{
    char bar[BAR_MAX + 1];
    unsigned length = (unsigned)((exits * BAR_MAX + most - 1) / most);

    for (unsigned i = 0; i < BAR_MAX; i++)
        bar[i] = i < length ? '#' : ' ';
    bar[BAR_MAX] = '\0';
    monitor_say("  %10lu ticks or more %s %lu", (uint64_t)1 << log2, bar, exits);
}

static bool show_reason(uint32_t reason)
{
    uint64_t most = 0;

    for (unsigned log2 = 0; log2 < TICK_BUCKETS; log2++)
        if (bucket_of_all(reason, log2) > most)
            most = bucket_of_all(reason, log2);
    if (!most)
        return false;
    monitor_say("%s", virt_exit_name(reason) ? virt_exit_name(reason) : "?");
    for (unsigned log2 = 0; log2 < TICK_BUCKETS; log2++)
        if (bucket_of_all(reason, log2))
            show_bar(log2, bucket_of_all(reason, log2), most);
    return true;
}

void monitor_show_ticks(void)
{
    bool any = false;

    for (uint32_t reason = 0; reason < EXIT_REASONS; reason++)
        any |= show_reason(reason);
    if (!any)
        monitor_say("error: there are no histograms: start Plinth with statistics=histogram");
}
