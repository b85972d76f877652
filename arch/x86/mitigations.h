/*
 * What Plinth does against side channels through which a guest could read Plinth's memory: decided once, from what the
 * CPU says of itself and from the options. Deciding is pure. docs/architecture.md, "Side channels", says why each is
 * done, and why others need nothing.
 */
#pragma once

#include "lib/compiler.h"
#include "lib/options.h"

/* What the decision rests on. */
struct cpu_security {
    uint32_t family, model;     /* as displayed: SDM vol. 2, CPUID leaf 01H */
    uint32_t leaf7_ebx;         /* CPUID.07H.0:EBX */
    uint32_t leaf7_edx;         /* CPUID.07H.0:EDX */
    uint64_t arch_capabilities; /* IA32_ARCH_CAPABILITIES, 0 where there is none */
};

struct mitigation {
    bool on;
    const char *reason;
};

struct mitigations {
    enum l1d_flush l1d_flush; /* never AUTO */
    bool flush_command;       /* by IA32_FLUSH_CMD; else by filling the cache */
    const char *l1d_reason;
    struct mitigation verw;          /* VERW clears the CPU's buffers before each entry */
    struct mitigation scrub;         /* the guest's registers are cleared before C runs */
    struct mitigation small_execute; /* only small pages are executable (mm/ept_execute.h) */
};

/* In force on every CPU. Written once, at boot. */
extern struct mitigations mitigations;

/* Pure. */
struct mitigations mitigations_decide(const struct cpu_security *cpu, const struct options *asked);

/* The same for the CPU this runs on, into `mitigations`, and a line for each in the log. Boot CPU, once. */
void mitigations_init(void);

/* Those lines once more. Any CPU. */
void mitigations_log(void);

/* Empties the level-1 data cache, or makes it hold nothing but Plinth's own public text. Root mode, any CPU. */
void mitigations_flush_l1d(void);
