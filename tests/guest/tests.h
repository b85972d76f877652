/* Every test's entry, and the words of the command line that concern them. */
#pragma once

#include "lib/range.h"

struct guest_options {
    const char *tests;  /* test=a,b: these only */
    struct range block; /* block=START-END: Plinth's memory, as it printed it */
    uint64_t seed;      /* seed=N, steps=N: of the random test */
    uint64_t steps;
    uint64_t sipi_delay; /* sipi_delay=N: microseconds from INIT to SIPI where there would be none */
    bool one_init;       /* one_init: no INIT to a CPU that waits for a SIPI */
    uint64_t trace;      /* trace=N: show its steps from there */
    uint64_t lines;      /* lines=N: of the chatter */
};
extern struct guest_options guest_options;

bool under_plinth(void);

extern const uint8_t *guest_boot_params;             /* the zero page */
extern const uint32_t guest_loaded_at;               /* where the loader put the protected-mode part (entry.S) */
extern const uint8_t image_code[], image_code_end[]; /* what no test writes (guest.ld) */

/* test_mtrr.c: MTRRs rewritten as an OS does it, on every CPU that runs; and the first variable one that isn't in use,
 * or 0. */
enum { MTRR_VALID = 1 << 11 };
struct mtrr_change {
    uint32_t index; /* of a variable MTRR's base */
    uint64_t base, mask;
};
void mtrr_rewrite(struct mtrr_change *change);
uint32_t mtrr_find_free(void);

void test_boot(void);
void test_loader(void);
void test_smp(void);
void test_restart(void);
void test_x2apic(void);
void test_apicoff(void);
void x2apic_registers(void);         /* of the boot CPU, and what all refuse; part of test_x2apic() */
void x2apic_reserved_icr_bits(void); /* part of test_x2restart() */
void test_x2restart(void);
void init_resets_apic(unsigned index); /* of that CPU, which runs, in its present mode; part of both restart tests */
void test_cpuid(void);
void test_prefix(void);
void test_step(void);
void test_vmx(void);
void test_xsetbv(void);
void test_msr(void);
void test_msrs(void);
void test_mtrr(void);
void test_control(void);
void test_debug(void);
void test_vectors(void);
void test_event(void);
void test_legacy(void);
void test_pae(void);
void test_task(void);
void test_time(void);
void test_taskfault(void);
void test_edge(void);
void test_quiet(void);
void test_features(void);
void test_flush(void);
void test_keys(void);
void test_rewrite(void);
void test_random(void);
void test_bench(void);
void test_benchsmp(void);
void test_block(void);
void test_watch(void);
void test_touch(void);
void test_shortage(void);
void test_triple(void);
void test_hang(void);
void test_steps(void);
void test_doze(void);
void test_uart(void);
void test_strings(void);
void test_chatter(void);
