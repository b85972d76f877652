/*
 * The one way to stop: say what happened, show the state, then do as on_crash says. Any CPU, any time, root mode; from
 * NMI context the log's lock may be broken after its bound. Only the first CPU that crashes reports; the others halt.
 */
#pragma once

#include "arch/x86/exception.h"
#include "lib/compiler.h"
#include "lib/error.h"

noreturn void crash(const char *format, ...) printf_like(1, 2);
noreturn void crash_exception(const struct exception_frame *frame);

/* The guest has brought the machine to where hardware resets it: a report, then just that. */
noreturn void reset_with_report(const char *why);

/* A CPU reports a crash or has done so: no other may go back to its guest. Any CPU. */
bool crash_in_progress(void);

/* Before launch: the machine or the boot entry is not what Plinth needs. Says so with the remedy and halts. */
noreturn void refuse(const struct error *error);

/* Given by vmm: the monitor, on the CPU that has crashed, for ever. Returns at once if there is none. */
void crash_monitor(void);

/* Given by the backend: logs the guest's state as far as it is known on this CPU. */
void virt_dump(void);
