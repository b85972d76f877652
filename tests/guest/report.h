/*
 * What the guest prints. Every line begins with "= " (the bare machine and Plinth must agree on it) or with "~ " (it
 * may differ, and the line says what it is). Boot CPU only, but for error_stop().
 */
#pragma once

#include "lib/compiler.h"

enum result { PASS, FAIL, SKIP, ERROR };

struct test {
    const char *name;
    void (*run)(void);
    bool on_request; /* not part of a run without test= */
};

/* Runs the tests that `wanted` lists (comma-separated names; NULL: all but those on request), and prints the totals. */
void report_run(const struct test *tests, size_t count, const char *wanted);

void observe(const char *format, ...) printf_like(1, 2); /* a line that must agree */
void differ(const char *format, ...) printf_like(1, 2);  /* a line that may differ */
/* The SDM demands it. A failed one is printed, and the test fails. */
void check(bool condition, const char *format, ...) printf_like(2, 3);
/* Ends the test's outcome as "skip" with the reason; the test returns after it. */
void skip(const char *format, ...) printf_like(1, 2);
/* The guest itself is at a loss: printed, and the machine is shut down. Any CPU. */
noreturn void error_stop(const char *format, ...) printf_like(1, 2);

/* Ends the run: emulator exits, ACPI poweroff where the port is known, then HLT. */
noreturn void shut_down(void);
