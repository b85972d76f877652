/* Offsets in struct cpu for assembly; arch/x86/cpu.h checks them. */
#pragma once

#define CPU_OFFSET_SLOW_WORK 8
#define CPU_OFFSET_FRAME     16
