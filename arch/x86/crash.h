/*
 * The one way to stop: a report, then what on_crash says. Every report has the same parts in the same order: a sentence
 * that says what happened, the host's state, the way there by function names, the guest's registers, its VMCS by field
 * names, its last exits (with trace=on). Any CPU, any time, root mode; from
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
