/*
 * What watches tell a person: who accessed what from where, and what value was read, or was there before and after a
 * write. A few lines a second and CPU, then a count, so that a guest can't fill the log. Root mode, the CPU itself.
 */
#pragma once

#include "arch/x86/virt.h"
#include "mm/watch.h"

/* A write is told of when its instruction is done: what is known of it until then. */
struct watch_access {
    bool pending;
    int number;
    uint64_t address, rip; /* guest-physical; guest-virtual */
    uint8_t cpl;
    bool in_walk;
    struct range value; /* where the value is that the report shows; empty: nowhere */
    uint64_t old;
};

/* Of one CPU. */
struct watch_reports {
    uint32_t count;  /* since `period` began */
    uint64_t period; /* TSC */
    struct watch_access access;
};

/*
 * The guest is about to make the access of this violation, which concerns `watch`, the one with that number. The value
 * is the watched variable's if the range is one (aligned, 1, 2, 4 or 8 bytes), else the aligned 8 bytes that the access
 * begins in. Devices' registers aren't read: none is shown.
 */
void watch_report_access(const struct vm_exit *exit, const struct watch *watch, int number);

/* The instruction is done; `stepped` false: something else came, and it will be executed again or never. */
void watch_report_end(bool stepped);
