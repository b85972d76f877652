/*
 * One instruction that vcpu_step_begin() lets through runs with TF set and IF clear. What it would see of that is made
 * good here, for watched memory and for the monitor's `step`. Root mode, the CPU itself.
 */
#pragma once

#include "vmm/step_policy.h"

/* Before vcpu_step_begin(): what the next instruction is. INT n is made an injection; STEP_HLT and STEP_SYSCALL get
 * no help. STEP_AS_IT_IS if it can't be read, or an event is delivered first. */
struct step_instruction step_help_begin(void);

/* VM_EXIT_STEPPED has come of that. */
void step_help_end(void);
