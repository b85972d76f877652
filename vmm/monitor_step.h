/*
 * The monitor's command `step`: one CPU executes one instruction at a time, no event comes in, and all other CPUs stay
 * stopped. A CPU goes to the guest for a step out of its slow work, and comes back there by its next exit.
 */
#pragma once

#include "arch/x86/virt.h"
#include "vmm/monitor_command.h"

/* The boot CPU, the guest stopped. Returns when the steps are done, or at once if it is this CPU that has to do them.
 */
void monitor_step(const struct monitor_command *command);

/* They aren't done yet. Any CPU. */
bool monitor_step_is_on(void);

/* No more of them: the guest has ended. */
void monitor_step_cancel(void);

/* Any CPU, in its slow work while stopped: tells of a step that is done. True: off to the guest for the next. */
must_check bool monitor_step_enter(struct cpu *cpu);

/* After an exit, if vmm_cpu->monitor_steps. */
void monitor_step_exit(const struct vm_exit *exit, enum exit_action action);
