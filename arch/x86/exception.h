/*
 * Plinth's own exceptions (SDM vol. 3, chapter 6). None is expected but those that have a fixup: then execution goes on
 * at the fixup's address. Everything else is a defect: a dump, then the `on_crash` action.
 */
#pragma once

#include "lib/compiler.h"

struct exception_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector, error_code;
    uint64_t rip, cs, rflags, rsp, ss;
};

/* Fills the IDT, for the time before the first TSS: all exceptions come on the stack of the moment. Boot CPU, once. */
void exception_init(void);

/* NMI, #DF and #MC come on their IST stacks from now on. Boot CPU, once, with its TSS loaded, before the sealed pages
 * become read-only. */
void exception_use_stacks(void);

/* LIDT on this CPU, with the IDT's own limit. */
void exception_load_idt(void);

/* From exception_entry.S, any CPU. */
void exception_handle(struct exception_frame *frame);

/* The value through *value; false if the CPU raised #GP. Any CPU, root mode, NMI-safe. */
must_check bool rdmsr_safe(uint32_t index, uint64_t *value);
must_check bool wrmsr_safe(uint32_t index, uint64_t value);

/* XSETBV (SDM vol. 2): false if the CPU raised #GP. CR4.OSXSAVE must be set. */
must_check bool xsetbv_safe(uint32_t index, uint64_t value);

/*
 * Takes interrupts that the local APIC holds pending, from vector 32 on and as far as its priorities let them through:
 * afterwards they are in service, and nothing else has come of them. Root mode, interrupts off before and after; no VM
 * exit since exception_load_idt(), as that would have taken the IDT's limit away.
 */
void exception_take_interrupts(void);

/* Given by the backend: an NMI came while in root mode. May change frame->rip. */
void nmi_in_root(struct exception_frame *frame);
