/* How struct cpu is found: by index, and through GS on the CPU itself. Host tests have a header of their own in this
 * one's place. */
#pragma once

#include "arch/x86/layout.h"
#include "lib/compiler.h"

struct cpu;

static inline struct cpu *cpu_at(uint32_t index)
{
    return (struct cpu *)(CPU_BASE + (uint64_t)index * CPU_SLOT + CPU_STRUCT);
}

/* The CPU this runs on, through GS, for single fields: one instruction each. Any time after cpu_load(). */
#define CPU_GS ((__seg_gs struct cpu *)0)

/* The same as a pointer. */
static inline struct cpu *cpu_this(void)
{
    struct cpu *cpu;
    asm volatile("mov %%gs:0, %0" : "=r"(cpu));
    return cpu;
}
