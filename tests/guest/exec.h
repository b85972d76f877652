/*
 * Running code under test: a few bytes of machine code, at a chosen privilege level and code size, until an exception
 * ends it. Whatever they do to registers stays in the frame, so a test sees the exact outcome. Any CPU, one at a time.
 */
#pragma once

#include "tests/guest/instructions.h"
#include "tests/guest/layout.h"

struct frame {
    uint64_t rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};

enum ring { RING0, RING0_32, RING0_16, RING3, RING3_32, RING3_16, RINGS };
extern const char *const ring_names[RINGS];

struct exec {
    struct frame frame;  /* in: registers to start with; out: registers at the exception */
    uint64_t cr2;        /* out */
    uint64_t code, size; /* where the code lies; one INT3 follows it */
};

/* Copies the code to the CPU's code page and zeroes the registers; RIP, RSP, RFLAGS and selectors are ready. */
void exec_prepare(struct exec *exec, enum ring ring, const void *code, size_t size);

/* Runs until the next exception. True if that was the INT3 behind the code: it ran to its end. */
bool exec_run(struct exec *exec);

/* exec_prepare() and exec_run() in one. */
#define EXEC(exec, ring, ...)                                                                                          \
    ({                                                                                                                 \
        static const uint8_t exec_bytes[] = {__VA_ARGS__};                                                             \
        exec_prepare(exec, ring, exec_bytes, sizeof(exec_bytes));                                                      \
        exec_run(exec);                                                                                                \
    })

/* "done", or "#GP(0) at +2": vector, error code if the vector has one, distance of RIP from the code's start. */
struct outcome {
    char text[48];
};
struct outcome exec_outcome(const struct exec *exec);

/* False if the access faulted (the frame of the last one is in `exec` of exec_rdmsr). */
bool rdmsr_safe(uint32_t index, uint64_t *value);
bool wrmsr_safe(uint32_t index, uint64_t value);
struct outcome rdmsr_outcome(uint32_t index, uint64_t *value);
struct outcome wrmsr_outcome(uint32_t index, uint64_t value);
