/*
 * A task switch, carried out in software (SDM vol. 3, 7.3 "Task Switching"), for CPUs that leave it to us (25.4.2
 * "Treatment of Task Switches"). Pure, but for the guest's memory behind vmm/guest_memory.h.
 *
 * Where the SDM leaves it open, and the hardware's choice isn't known:
 * - the descriptors are checked in the order LDTR, SS, DS, ES, FS, GS, CS;
 * - if one of them faults, those not yet loaded are unusable, and the CPL is that of SS; of an unusable SS it is 3, so
 *   that the handler's stack comes from the new TSS; the CS that it finds there has that RPL;
 * - a PDPTE with reserved bits is #TS(0) in the new task, without any PDPTE.
 */
#pragma once

#include "arch/x86/task.h"

enum task_result {
    TASK_SWITCHED,
    TASK_FAULTED,   /* with `vector`: in the new task if `committed`, else in the old one, which hasn't changed */
    TASK_REFUSED,   /* not emulated: control-flow enforcement (CR4.CET) is on. Nothing has changed */
    TASK_SHUT_DOWN, /* a fault while a double fault was being delivered */
};

struct task_outcome {
    enum task_result result;
    bool committed; /* the state is the new task's */
    uint8_t vector;
    bool has_error;
    uint32_t error;
    uint32_t cr2; /* of a #PF */
    bool trap;    /* SWITCHED: #DB with DR6.BT is due, by the T flag of the new TSS (17.3.1.5) */
};

/* *state becomes the new task's, if `committed`. Root mode, any CPU. */
void task_switch(struct task_state *state, const struct task_request *request, struct task_outcome *outcome);
