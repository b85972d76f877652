/*
 * The other CPUs go through the boot in steps: after each they say that they are done, or why not, and wait until the
 * boot CPU tells them the next. Boot only.
 */
#pragma once

#include "boot/smp.h"
#include "lib/error.h"

enum step {
    STEP_CHECK,  /* what they begin with: what can this CPU do? */
    STEP_START,  /* turn virtualization on */
    STEP_GUEST,  /* run the guest: the last step, nobody waits for it */
    STEP_NATIVE, /* turn virtualization off and halt, so that an INIT can come through */
};

/* What smp_plan.entry is to be. */
noreturn void steps_entry(void);

/* Boot CPU: waits until every other CPU has done its step. False if one failed: the first one's error. */
must_check bool steps_wait(struct error *error);

/* Boot CPU: tells the next step and, but for STEP_GUEST, waits for its end. */
must_check bool steps_take(enum step next, struct error *error);
void steps_run_guest(void);
