/* In the place of arch/x86/cpu_this.h when code is built for the host. */
#pragma once

#include "arch/x86/layout.h"
#include "lib/compiler.h"

struct cpu;

struct cpu *cpu_at(uint32_t index);
struct cpu *cpu_this(void);

#define CPU_GS cpu_this()
