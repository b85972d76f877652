/*
 * What a task switch concerns (SDM vol. 3, chapter 7 "Task Management"): the state that a TSS saves and loads, and what
 * of the CPU's state takes part. Only outside IA-32e mode, so 32 bits are enough.
 */
#pragma once

#include "arch/x86/guest_walk.h"

/* In the order of the exit qualification (27.2.1, table 27-2). */
enum task_source { TASK_BY_CALL, TASK_BY_IRET, TASK_BY_JUMP, TASK_BY_GATE /* of the IDT: an event */ };

struct task_segment {
    uint16_t selector;
    uint32_t base, limit;
    uint32_t rights; /* as in a descriptor's bits 55:40, without 11:8; 24.4.1, table 24-2 */
};
enum { RIGHTS_UNUSABLE = 1 << 16 };

enum task_segment_index {
    TASK_ES,
    TASK_CS,
    TASK_SS,
    TASK_DS,
    TASK_FS,
    TASK_GS,
    TASK_LDTR,
    TASK_TR,
    TASK_SEGMENTS,
};

/* As TSSs order them. */
enum task_register { TASK_EAX, TASK_ECX, TASK_EDX, TASK_EBX, TASK_ESP, TASK_EBP, TASK_ESI, TASK_EDI, TASK_REGISTERS };

struct task_state {
    uint32_t eip, eflags, registers[TASK_REGISTERS];
    struct task_segment segments[TASK_SEGMENTS];
    uint32_t gdt_base, gdt_limit;
    uint32_t dr7;
    struct guest_paging paging; /* CR0.TS, CR3 and the PDPTE registers change */
};

/* What asked for the switch. */
struct task_request {
    enum task_source source;
    uint16_t selector; /* of the new task's TSS */
    uint32_t next_eip; /* where the old task goes on */
    bool has_error;    /* an exception with an error code, for the new task's stack */
    uint32_t error;
    bool external; /* by an event that isn't the program's INT n, INT3 or INTO: the EXT bit of error codes (6.13) */
    bool is_nmi;
    uint8_t vector; /* of the exception that came through the gate, or any other number */
    bool is_exception;
};

/* 7.2.1 "Task-State Segment (TSS)", figure 7-2 */
struct packed tss32 {
    uint16_t link, reserved0;
    uint32_t stacks[6];
    uint32_t cr3, eip, eflags, registers[TASK_REGISTERS];
    struct packed {
        uint16_t selector, reserved;
    } segments[TASK_LDTR + 1]; /* ES CS SS DS FS GS, LDT */
    uint16_t trap, io_map;
};

/* 7.6 "16-Bit Task-State Segment (TSS)", figure 7-10 */
struct packed tss16 {
    uint16_t link, stacks[6];
    uint16_t ip, flags, registers[TASK_REGISTERS];
    uint16_t segments[4]; /* ES CS SS DS */
    uint16_t ldt;
};

_Static_assert(sizeof(struct tss32) == 104 && sizeof(struct tss16) == 44, "7.2.1, 7.6");
