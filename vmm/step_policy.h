/*
 * Which instructions vcpu_step_begin(), which sets RFLAGS.TF and clears IF for the one instruction, doesn't do justice
 * to, so that the monitor's `step` must help (vmm/monitor_step.c). Pure.
 */
#pragma once

#include "lib/compiler.h"

enum { INSTRUCTION_BYTES_MAX = 15 };

enum step_kind {
    STEP_AS_IT_IS,
    STEP_CLI,     /* or SYSENTER. IF is 0 already: what comes out of it must be said */
    STEP_PUSHF,   /* stores the flags that the step needs instead of the guest's */
    STEP_INT,     /* INT n is delivered like an event, which clears TF: injected instead */
    STEP_HLT,     /* waits for an event, and all are held off */
    STEP_SYSCALL, /* stores the flags that the step needs, and may clear TF */
};

struct step_instruction {
    enum step_kind kind;
    uint8_t vector, length; /* of STEP_INT, and of STEP_SYSCALL; `length` with prefixes */
};

/* The instruction that the `count` bytes at `bytes` begin with, in code of 16, 32 or 64 bits. */
struct step_instruction step_classify(const uint8_t *bytes, size_t count, unsigned bits);
