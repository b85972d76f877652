/*
 * plinth-stat: what the hypervisor beneath this Linux says of itself, CPU by CPU, and its exits by reason.
 * It reads CPUID leaves only (docs/architecture.md, "Interface to the guest"), so any user may run it.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LEAF_SIGNATURE         0x40000000u
#define LEAF_INTERFACE         0x40000001u
#define LEAF_EXITS             0x40010000u
#define ALL_CPUS               0xffffffffu
#define CPUID_1_ECX_HYPERVISOR (1u << 31)

struct cpuid_result {
    uint32_t eax, ebx, ecx, edx;
};

struct exit_counter {
    uint64_t exits, ticks;
};

/* Basic exit reasons, Intel SDM volume 3, appendix C. */
static const char *const reason_names[] = {
    [0] = "exception or NMI",
    [1] = "external interrupt",
    [2] = "triple fault",
    [3] = "INIT signal",
    [4] = "SIPI",
    [5] = "I/O SMI",
    [6] = "other SMI",
    [7] = "interrupt window",
    [8] = "NMI window",
    [9] = "task switch",
    [10] = "CPUID",
    [11] = "GETSEC",
    [12] = "HLT",
    [13] = "INVD",
    [14] = "INVLPG",
    [15] = "RDPMC",
    [16] = "RDTSC",
    [17] = "RSM",
    [18] = "VMCALL",
    [19] = "VMCLEAR",
    [20] = "VMLAUNCH",
    [21] = "VMPTRLD",
    [22] = "VMPTRST",
    [23] = "VMREAD",
    [24] = "VMRESUME",
    [25] = "VMWRITE",
    [26] = "VMXOFF",
    [27] = "VMXON",
    [28] = "control-register access",
    [29] = "MOV DR",
    [30] = "I/O instruction",
    [31] = "RDMSR",
    [32] = "WRMSR",
    [33] = "entry failure: guest state",
    [34] = "entry failure: MSR loading",
    [36] = "MWAIT",
    [37] = "monitor trap flag",
    [39] = "MONITOR",
    [40] = "PAUSE",
    [41] = "entry failure: machine check",
    [43] = "TPR below threshold",
    [44] = "APIC access",
    [45] = "virtualized EOI",
    [46] = "access to GDTR or IDTR",
    [47] = "access to LDTR or TR",
    [48] = "EPT violation",
    [49] = "EPT misconfiguration",
    [50] = "INVEPT",
    [51] = "RDTSCP",
    [52] = "preemption timer",
    [53] = "INVVPID",
    [54] = "WBINVD or WBNOINVD",
    [55] = "XSETBV",
    [56] = "APIC write",
    [57] = "RDRAND",
    [58] = "INVPCID",
    [59] = "VMFUNC",
    [60] = "ENCLS",
    [61] = "RDSEED",
    [62] = "page-modification log full",
    [63] = "XSAVES",
    [64] = "XRSTORS",
    [65] = "PCONFIG",
    [66] = "SPP-related event",
    [67] = "UMWAIT",
    [68] = "TPAUSE",
    [69] = "LOADIWKEY",
    [70] = "ENCLV",
    [72] = "ENQCMD PASID failure",
    [73] = "ENQCMDS PASID failure",
    [74] = "bus lock",
    [75] = "instruction timeout",
    [76] = "SEAMCALL",
    [77] = "TDCALL",
};

#define REASON_COUNT (sizeof(reason_names) / sizeof(reason_names[0]))

static struct cpuid_result cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_result r;

    __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
    return r;
}

static const char *reason_name(uint32_t reason)
{
    return reason_names[reason] ? reason_names[reason] : "reserved";
}

static bool has_hypervisor(void)
{
    return cpuid(1, 0).ecx & CPUID_1_ECX_HYPERVISOR;
}

static void read_signature(char signature[13])
{
    struct cpuid_result r = cpuid(LEAF_SIGNATURE, 0);

    memcpy(signature, &r.ebx, 4);
    memcpy(signature + 4, &r.ecx, 4);
    memcpy(signature + 8, &r.edx, 4);
    signature[12] = '\0';
}

static bool is_plinth(void)
{
    char signature[13];

    if (!has_hypervisor())
        return false;
    read_signature(signature);
    return strcmp(signature, "PlinthPlinth") == 0;
}

static struct exit_counter read_counter(uint32_t reason, uint32_t cpu)
{
    struct cpuid_result r = cpuid(LEAF_EXITS + reason, cpu);

    return (struct exit_counter){
        .exits = (uint64_t)r.ebx << 32 | r.eax,
        .ticks = (uint64_t)r.edx << 32 | r.ecx,
    };
}

static bool move_to_cpu(int cpu)
{
    cpu_set_t only;

    CPU_ZERO(&only);
    CPU_SET(cpu, &only);
    return sched_setaffinity(0, sizeof(only), &only) == 0;
}

/* --raw: key=value lines, for programs. */
static void print_cpu_raw(int cpu)
{
    struct cpuid_result top = cpuid(LEAF_SIGNATURE, 0), interface = cpuid(LEAF_INTERFACE, 0);
    char signature[13];

    read_signature(signature);
    printf("stat: cpu=%d hypervisor=%d signature=%s highest=0x%x version=%u features=0x%x cpus=%u\n", cpu,
           has_hypervisor(), has_hypervisor() ? signature : "-", top.eax, interface.eax, interface.ebx, interface.ecx);
}

static void print_counters_raw(const char *label, uint32_t cpu)
{
    for (uint32_t reason = 0; reason < REASON_COUNT; reason++) {
        struct exit_counter c = read_counter(reason, cpu);

        if (c.exits)
            printf("exit: cpu=%s reason=%u exits=%llu ticks=%llu name=%s\n", label, reason, (unsigned long long)c.exits,
                   (unsigned long long)c.ticks, reason_name(reason));
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
    for (int cpu = 0; cpu < cpus; cpu++) {
        snprintf(label, sizeof(label), "%d", cpu);
        print_counters_raw(label, (uint32_t)cpu);
    }
    print_counters_raw("all", ALL_CPUS);
}

/* Without an option: a table for people, one row a reason, one column a CPU. */
static void print_row(uint32_t reason, uint32_t cpus)
{
    struct exit_counter all = read_counter(reason, ALL_CPUS);

    if (all.exits == 0)
        return;
    printf("%-28s %12llu %12llu ", reason_name(reason), (unsigned long long)all.exits,
           (unsigned long long)(all.ticks / all.exits));
    for (uint32_t cpu = 0; cpu < cpus; cpu++)
        printf(" %10llu", (unsigned long long)read_counter(reason, cpu).exits);
    printf("\n");
}

static void print_table(void)
{
    struct cpuid_result interface = cpuid(LEAF_INTERFACE, 0);

    printf("Plinth, interface version %u, %u CPUs\n\n", interface.eax, interface.ecx);
    printf("%-28s %12s %12s ", "exit reason", "exits", "ticks each");
    for (uint32_t cpu = 0; cpu < interface.ecx; cpu++)
        printf("      CPU %-2u", cpu);
    printf("\n");
    for (uint32_t reason = 0; reason < REASON_COUNT; reason++)
        print_row(reason, interface.ecx);
}

static int usage(FILE *to, int status)
{
    fprintf(to, "usage: plinth-stat [--raw]\n"
                "Says whether this machine runs on Plinth, and how often the guest left to it, and why.\n"
                "  --raw   one key=value line a CPU and a counter, for programs\n"
                "Exit status: 0 on Plinth, 1 elsewhere.\n");
    return status;
}

int main(int argc, char **argv)
{
    bool raw = argc == 2 && strcmp(argv[1], "--raw") == 0;

    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return usage(stdout, 0);
    if (argc > 1 && !raw)
        return usage(stderr, 2);
    if (raw)
        print_raw();
    else if (is_plinth())
        print_table();
    else
        printf("No Plinth here: %s\n", has_hypervisor() ? "another hypervisor answers" : "CPUID names no hypervisor");
    return is_plinth() ? 0 : 1;
}
