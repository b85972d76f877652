/* Numbers that assembly and C share. Every struct offset here is static_asserted in cpu.c. */
#pragma once

#define AREA_SHIFT 16 /* each CPU's area: struct cpu at its start, stacks above */
#define AREA_SIZE  (1 << AREA_SHIFT)
#define CPUS_MAX   16

/* each area from its end down: */
#define AREA_MAIN_STACK      AREA_SIZE            /* 16 KiB */
#define AREA_TRAP_STACK      (AREA_SIZE - 0x4000) /* IST1, exceptions: 8 KiB */
#define AREA_NMI_STACK       (AREA_SIZE - 0x6000) /* IST2: 4 KiB */
#define AREA_INTERRUPT_STACK (AREA_SIZE - 0x7000) /* IST3: 4 KiB */
#define AREA_TEST_STACK      (AREA_SIZE - 0x8000) /* for the code under test: 4 KiB */
#define AREA_CODE            (AREA_SIZE - 0xa000) /* the code under test: 4 KiB */

#define SELECTOR_CODE64      0x08
#define SELECTOR_DATA        0x10
#define SELECTOR_CODE32      0x18
#define SELECTOR_CODE16      0x20
#define SELECTOR_DATA16      0x28
#define SELECTOR_USER_CODE32 0x33
#define SELECTOR_USER_DATA   0x3b
#define SELECTOR_USER_CODE64 0x43
#define SELECTOR_USER_CODE16 0x4b
#define SELECTOR_TSS         0x50
#define GDT_ENTRIES          12

/* struct frame: general registers in the order of trap.S, then what the CPU pushed */
#define FRAME_RIP  136
#define FRAME_SIZE 176

/* The AP's first page: copied to AP_START_PAGE, where the start-up IPI's vector points. */
#define AP_START_PAGE 0x8000
#define CR4_AT_START  0x620 /* PAE, OSFXSR, OSXMMEXCPT */

/* legacy.S, and below it the code under test of real and virtual-8086 mode, and its stack. */
#define LEGACY_PAGE      0x9000
#define LEGACY_LOW_CODE  0xa000
#define LEGACY_LOW_STACK 0xbf00
