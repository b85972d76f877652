/*
 * plinth-stat: what the hypervisor beneath this Linux says of itself, CPU by CPU, and its exits by reason.
 * It reads CPUID leaves only (docs/guest-interface.md), so any user may run it.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/plinth-leaves.h"

enum { BAR_MAX = 40, CPUS_SHOWN = 8 };

/* All that is known of the exits at a moment; `own` are those that reading has cost so far, CPUIDs each. */
struct reading {
    struct exit_counter all[REASONS];
    uint64_t cpu[REASONS][CPUS_SHOWN]; /* exits */
    uint64_t bucket[REASONS][BUCKETS];
    uint64_t own;
};

static const char *const reason_names[REASONS] = {
#define EXIT_REASON(number, name) [number] = #name,
#include "arch/x86/vmx/exit_reasons.def"
#undef EXIT_REASON
};

enum order { BY_TICKS, BY_EXITS, BY_REASON };

static struct {
    bool raw, once, live, histogram;
    double interval;
    unsigned long count;
    uint32_t cpu;
    enum order order;
} options = {.interval = 1, .cpu = ALL_CPUS};

static uint32_t cpu_count, features, tsc_khz;
static char title[80];

static const char *reason_name(uint32_t reason)
{
    return reason_names[reason] ? reason_names[reason] : "reserved";
}

static void read_all(struct reading *r)
{
    memset(r, 0, sizeof(*r));
    for (uint32_t reason = 0; reason < REASONS; reason++) {
        r->all[reason] = read_counter(reason, options.cpu);
        if (!r->all[reason].exits)
            continue;
        for (uint32_t cpu = 0; cpu < cpu_count && cpu < CPUS_SHOWN; cpu++)
            r->cpu[reason][cpu] = read_counter(reason, cpu).exits;
        if (options.histogram)
            read_buckets(reason, options.cpu, r->bucket[reason]);
    }
    r->own = cpuids;
}

/* ---- --raw: key=value lines, for programs ---- */

static bool move_to_cpu(int cpu)
{
    cpu_set_t only;

    CPU_ZERO(&only);
    CPU_SET(cpu, &only);
    return sched_setaffinity(0, sizeof(only), &only) == 0;
}

static void print_cpu_raw(int cpu)
{
    struct cpuid_result top = cpuid(LEAF_SIGNATURE, 0), interface = cpuid(LEAF_INTERFACE, 0);
    char signature[13];

    read_signature(signature);
    printf("stat: cpu=%d hypervisor=%d signature=%s highest=0x%x version=%u features=0x%x cpus=%u tsc_khz=%u\n", cpu,
           has_hypervisor(), has_hypervisor() ? signature : "-", top.eax, interface.eax, interface.ebx, interface.ecx,
           interface.edx);
}

static void print_buckets_raw(const char *label, uint32_t cpu, uint32_t reason)
{
    uint64_t buckets[BUCKETS];

    read_buckets(reason, cpu, buckets);
    for (uint32_t i = 0; i < BUCKETS; i++)
        if (buckets[i])
            printf("bucket: cpu=%s reason=%u log2=%u exits=%llu name=%s\n", label, reason, i,
                   (unsigned long long)buckets[i], reason_name(reason));
}

static void print_counters_raw(const char *label, uint32_t cpu)
{
    for (uint32_t reason = 0; reason < REASONS; reason++) {
        struct exit_counter c = read_counter(reason, cpu);

        if (!c.exits)
            continue;
        printf("exit: cpu=%s reason=%u exits=%llu ticks=%llu name=%s\n", label, reason, (unsigned long long)c.exits,
               (unsigned long long)c.ticks, reason_name(reason));
        if (features & FEATURE_HISTOGRAM)
            print_buckets_raw(label, cpu, reason);
    }
}

static void print_raw(void)
{
    char label[16];
    long cpus = sysconf(_SC_NPROCESSORS_CONF);

    for (int cpu = 0; cpu < cpus; cpu++)
        if (move_to_cpu(cpu))
            print_cpu_raw(cpu);
    if (!is_plinth())
        return;
    features = cpuid(LEAF_INTERFACE, 0).ebx;
    for (uint32_t cpu = 0; cpu < cpuid(LEAF_INTERFACE, 0).ecx; cpu++) {
        snprintf(label, sizeof(label), "%u", cpu);
        print_counters_raw(label, cpu);
    }
    print_counters_raw("all", ALL_CPUS);
}

/* ---- tables for people: what came between two readings ---- */

static const struct reading *compared_before, *compared_now; /* for compare() */

static uint64_t exits_between(uint32_t reason)
{
    return compared_now->all[reason].exits - compared_before->all[reason].exits;
}

static uint64_t ticks_between(uint32_t reason)
{
    return compared_now->all[reason].ticks - compared_before->all[reason].ticks;
}

static int descending(uint64_t a, uint64_t b)
{
    return a > b ? -1 : a < b;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    int order = 0;

    if (options.order == BY_TICKS)
        order = descending(ticks_between(x), ticks_between(y));
    else if (options.order == BY_EXITS)
        order = descending(exits_between(x), exits_between(y));
    return order ? order : descending(y, x);
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void print_head(void)
{
    printf("%-26s %10s %6s %6s %10s ", "exit reason", "exits", "exits%", "ticks%", "ticks each");
    for (uint32_t cpu = 0; cpu < cpu_count && cpu < CPUS_SHOWN; cpu++)
        printf("  CPU %-4u", cpu);
    printf("\n");
}

static void print_row(uint32_t reason, const struct exit_counter *sum)
{
    uint64_t exits = exits_between(reason), ticks = ticks_between(reason);

    printf("%-26s %10llu %5.1f%% %5.1f%% %10llu ", reason_name(reason), (unsigned long long)exits,
           percent(exits, sum->exits), percent(ticks, sum->ticks), (unsigned long long)(ticks / exits));
    for (uint32_t cpu = 0; cpu < cpu_count && cpu < CPUS_SHOWN; cpu++)
        printf(" %9llu", (unsigned long long)(compared_now->cpu[reason][cpu] - compared_before->cpu[reason][cpu]));
    printf("\n");
}

static void print_histogram(uint32_t reason)
{
    uint64_t exits[BUCKETS], most = 1;

    for (unsigned i = 0; i < BUCKETS; i++) {
        exits[i] = compared_now->bucket[reason][i] - compared_before->bucket[reason][i];
        most = exits[i] > most ? exits[i] : most;
    }
    for (unsigned i = 0; i < BUCKETS; i++)
        if (exits[i])
            printf("%12llu .. %-10llu %10llu %.*s\n", i ? 1ull << i : 0, (2ull << i) - 1, (unsigned long long)exits[i],
                   (int)((exits[i] * BAR_MAX + most - 1) / most), "########################################");
}

static void print_between(const struct reading *before, const struct reading *now)
{
    uint32_t reasons[REASONS], count = 0;
    struct exit_counter sum = {0, 0};

    compared_before = before;
    compared_now = now;
    for (uint32_t reason = 0; reason < REASONS; reason++) {
        sum.exits += exits_between(reason);
        sum.ticks += ticks_between(reason);
        if (exits_between(reason))
            reasons[count++] = reason;
    }
    qsort(reasons, count, sizeof(*reasons), compare);
    print_head();
    for (uint32_t i = 0; i < count; i++) {
        print_row(reasons[i], &sum);
        if (options.histogram)
            print_histogram(reasons[i]);
    }
    printf("\n%llu exits, %llu ticks", (unsigned long long)sum.exits, (unsigned long long)sum.ticks);
    if (tsc_khz)
        printf(" (%.3f ms)", (double)sum.ticks / tsc_khz);
    printf("; %llu CPUIDs of them by plinth-stat\n", (unsigned long long)(now->own - before->own));
}

/* Readings without end, or --count of them: what came in each interval. */
static void watch(void)
{
    static struct reading readings[2];
    const struct timespec pause = {(time_t)options.interval,
                                   (long)((options.interval - (double)(time_t)options.interval) * 1e9)};
    const char *clear = isatty(STDOUT_FILENO) ? "\033[H\033[J" : "";

    read_all(&readings[0]);
    for (unsigned long i = 1; i <= options.count || !options.count; i++) {
        nanosleep(&pause, NULL);
        read_all(&readings[i % 2]);
        printf("%s%s, every %g s\n\n", clear, title, options.interval);
        print_between(&readings[(i + 1) % 2], &readings[i % 2]);
        fflush(stdout);
    }
}

static void print_once(void)
{
    static struct reading none, now;

    read_all(&now);
    printf("%s, since it started\n\n", title);
    print_between(&none, &now);
}

static int usage(FILE *to, int status)
{
    fprintf(
        to,
        "usage: plinth-stat [--once | --raw] [--interval SECONDS] [--count N] [--cpu N] [--sort ORDER] [--histogram]\n"
        "How often the guest leaves to Plinth, why, and what it costs: every second what came in that second.\n"
        "  --once              what came since Plinth started, and end; what a pipe gets unless --interval is there\n"
        "  --interval SECONDS  another time than a second, e.g. 0.5\n"
        "  --count N           end after N times\n"
        "  --cpu N             of one CPU only\n"
        "  --sort ORDER        ticks (as it is), exits or reason\n"
        "  --histogram         also how long they took (Plinth needs statistics=histogram)\n"
        "  --raw               one key=value line a CPU and a counter, for programs and tools/plinth-histogram\n"
        "Exit status: 0 on Plinth, 1 elsewhere.\n");
    return status;
}

static bool parse_number(const char *text, double least, double most, double *out)
{
    char *end;

    *out = strtod(text, &end);
    return *text && !*end && *out >= least && *out <= most;
}

static bool parse_order(const char *text)
{
    static const char *const names[] = {[BY_TICKS] = "ticks", [BY_EXITS] = "exits", [BY_REASON] = "reason"};

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) == 0) {
            options.order = (enum order)i;
            return true;
        }
    }
    return false;
}

static bool parse_option(int letter)
{
    double number = 0;

    switch (letter) {
    case 'o':
        return options.once = true;
    case 'r':
        return options.raw = true;
    case 'h':
        return options.histogram = true;
    case 'i':
        return options.live = parse_number(optarg, 0.01, 86400, &options.interval);
    case 'n':
        options.live = parse_number(optarg, 1, 1e9, &number);
        options.count = (unsigned long)number;
        return options.live;
    case 'c':
        if (!parse_number(optarg, 0, 511, &number))
            return false;
        options.cpu = (uint32_t)number;
        return true;
    case 's':
        return parse_order(optarg);
    }
    return false;
}

static bool refuse(const char *what, const char *why)
{
    fprintf(stderr, "plinth-stat: %s: %s\n", what, why);
    return false;
}

static bool parse_command_line(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"once", no_argument, NULL, 'o'},        {"raw", no_argument, NULL, 'r'},
        {"histogram", no_argument, NULL, 'h'},   {"interval", required_argument, NULL, 'i'},
        {"count", required_argument, NULL, 'n'}, {"cpu", required_argument, NULL, 'c'},
        {"sort", required_argument, NULL, 's'},  {NULL, 0, NULL, 0},
    };
    int letter;

    while ((letter = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        if (!parse_option(letter))
            return letter != '?' && refuse(optarg, "not possible here"); /* else getopt_long() has told of it */
    if (optind < argc)
        return refuse(argv[optind], "a word too many");
    if (options.once + options.raw + options.live > 1)
        return refuse("--once, --raw, and --interval or --count", "only one of them is possible");
    return true;
}

/* True: there is something to be shown. Else it has said why not. */
static bool meet_plinth(void)
{
    struct cpuid_result interface = cpuid(LEAF_INTERFACE, 0);

    features = interface.ebx;
    cpu_count = interface.ecx;
    tsc_khz = interface.edx;
    snprintf(title, sizeof(title), "Plinth, interface version %u, %u CPUs", interface.eax, cpu_count);
    if (options.cpu != ALL_CPUS)
        snprintf(title + strlen(title), sizeof(title) - strlen(title), ", of them CPU %u", options.cpu);
    if (options.cpu != ALL_CPUS && options.cpu >= cpu_count)
        printf("%s: there is no CPU %u\n", title, options.cpu);
    else if (!(features & FEATURE_COUNTS))
        printf("%s: nothing is counted, as Plinth was started with statistics=off\n", title);
    else if (options.histogram && !(features & FEATURE_HISTOGRAM))
        printf("%s: there are no histograms, as Plinth was started without statistics=histogram\n", title);
    else
        return true;
    return false;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return usage(stdout, 0);
    if (!parse_command_line(argc, argv))
        return usage(stderr, 2);
    if (options.raw) {
        print_raw();
    } else if (!is_plinth()) {
        printf("No Plinth here: %s\n", has_hypervisor() ? "another hypervisor answers" : "CPUID names no hypervisor");
    } else if (meet_plinth()) {
        if (options.once || (!options.live && !isatty(STDOUT_FILENO)))
            print_once();
        else
            watch();
    }
    return is_plinth() ? 0 : 1;
}
