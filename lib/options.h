/*
 * Plinth's own command line: `name=value` words. One table names every option, its values and its
 * default. Pure; parsed once at boot, read-only afterwards.
 */
#pragma once

#include "lib/compiler.h"
#include "lib/log.h"

enum ap_start { AP_START_AUTO, AP_START_WAIT, AP_START_ICR, AP_START_ICR_ALWAYS };
enum fallback { FALLBACK_AUTO, FALLBACK_ALWAYS, FALLBACK_NEVER };
enum preflight { PREFLIGHT_SHORT, PREFLIGHT_FULL, PREFLIGHT_ONLY };
enum chainload { CHAINLOAD_OFF, CHAINLOAD_HD0, CHAINLOAD_HD1, CHAINLOAD_HD2, CHAINLOAD_HD3 };
enum on_crash { ON_CRASH_RESET, ON_CRASH_HALT, ON_CRASH_MONITOR };

enum l1d_flush { L1D_FLUSH_AUTO, L1D_FLUSH_NEVER, L1D_FLUSH_COND, L1D_FLUSH_ALWAYS };
enum statistics { STATISTICS_COUNTS, STATISTICS_HISTOGRAM, STATISTICS_OFF };
enum { STATISTICS_MODES = 3 };
enum { LOG_AS_ALL = LOG_DEBUG + 1 }; /* no level of its own */
enum choice { CHOICE_AUTO, CHOICE_OFF, CHOICE_ON };

struct options {
    enum ap_start ap_start;   /* ap_start=auto|wait|icr|icr-always */
    enum on_crash on_crash;   /* on_crash=reset|halt|monitor */
    enum fallback fallback;   /* fallback=auto|always|never: start the guest natively if Plinth can't run */
    enum preflight preflight; /* preflight=short|full|only: the table of what the machine has */
    enum log_level log_level; /* log=error|warning|info|debug */
    uint8_t log_serial;       /* the same for that console alone, or LOG_AS_ALL */
    uint8_t log_screen;
    enum chainload chainload; /* chainload=off|hd0|hd1|hd2|hd3: the boot sector of a disk of the BIOS */
    bool ramoops;             /* ramoops=on|off: hand the previous boot's log to the guest */
    bool serial;              /* serial=on|off: use COM1 */
    enum l1d_flush l1d_flush; /* l1d_flush=auto|never|cond|always (arch/x86/mitigations.h) */
    enum choice verw;         /* verw=auto|off|on */
    enum choice scrub;        /* scrub=auto|off|on */
    enum choice multihit;     /* itlb_multihit=auto|off|on */
    char watch[160];          /* watch=ADDRESS+LENGTH:RIGHTS[,...] (vmm/watch_policy.h) */
    char trace[96];           /* trace=off|on[,REASON...] (arch/x86/vmx/trace.h) */
    char console[32];         /* console=WORDS, see arch/x86/console_words.h */
    bool ledger; /* ledger=0|1: list every CPUID bit and MSR that the guest sees otherwise than the machine has it */
    /* statistics=counts|histogram|off: what is kept of each exit (arch/x86/vmx/statistics.h) */
    enum statistics statistics;
};

extern struct options options;

/*
 * Sets every field of *out: defaults first, then each word of command_line in order (a later one wins).
 * A word that is no option, and a value that the option doesn't have, is reported with log_warning
 * (naming the word and what is possible) and ignored. Never fails.
 */
void options_parse(const char *command_line, struct options *out);

/*
 * The next option, from the table's entry *next on, that isn't as by default: its name, and its value as one writes it,
 * which lives as long as *from. *next goes behind it. False: there is none left. Any CPU.
 */
must_check bool options_changed(const struct options *from, unsigned *next, const char **name, const char **value);
