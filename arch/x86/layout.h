/*
 * Where things lie in Plinth's own address space, for C and assembly.
 *
 *   0 .. 4 GiB               identity map, boot only (gone before the guest's first instruction)
 *   VIRT_BASE                the block, linearly: image, page pool
 *   CPU_BASE + n * CPU_SLOT  CPU n: stacks with unmapped pages between them, struct cpu (arch/x86/cpu.h), a window
 *   SCREEN_BASE              the screen's memory, at most 256 MiB
 *   UART_BASE                the page with the registers of a serial port, if they are in memory
 *   FIXED_BASE               single pages of MMIO: local APIC
 */
#pragma once

#define VIRT_BASE 0xffffffff80000000
#define LOAD_BASE 0x200000 /* linked; it may be loaded elsewhere (boot/image.h) */

#define CPU_BASE 0xffffffffc0000000
#define CPU_SLOT 0x10000

/* Offsets in a CPU's slot; every page not named here is a guard page and never mapped. */
#define CPU_STACK_BOTTOM 0x1000
#define CPU_STACK_TOP    0x4000
#define CPU_STACK_BOOT   0x3f00 /* where boot code begins: the guest's registers, set before the entry, lie above */
#define CPU_NMI_BOTTOM   0x5000
#define CPU_NMI_TOP      0x6000
#define CPU_DF_BOTTOM    0x7000
#define CPU_DF_TOP       0x8000
#define CPU_MC_BOTTOM    0x9000
#define CPU_MC_TOP       0xa000
#define CPU_STRUCT       0xb000
#define CPU_STRUCT_END   0xc000
#define CPU_WINDOW       0xd000 /* one page, mapped to what is looked at (arch/x86/window.h) */

/* The boot's tables have a directory of their own for it: 1 GiB (boot/host_map.c) */
#define SCREEN_BASE 0xfffffffe00000000
#define UART_BASE   0xfffffffe3fe00000 /* the last 2 MiB of that */

#define FIXED_BASE       0xffffffffffa00000
#define FIXED_LOCAL_APIC (FIXED_BASE + 0x0000)

/* Selectors in every CPU's GDT (arch/x86/cpu.c) */
#define SELECTOR_CODE 0x08
#define SELECTOR_DATA 0x10
#define SELECTOR_TSS  0x18
