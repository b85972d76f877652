/*
 * Down from long mode to 32-bit protected mode (paging off, 32-bit or PAE), real mode or virtual-8086 mode, and back
 * up at the next exception. What must lie below 1 MiB is copied to LEGACY_PAGE.
 */
#include "tests/guest/layout.h"

#define LOW(symbol) (LEGACY_PAGE + (symbol - legacy_page))

    .text
    .code64
/* void legacy_enter(void); in and out through the legacy_* variables of legacy.c */
    .globl legacy_enter
legacy_enter:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushfq
    movq %rsp, host_stack
    lgdt legacy_gdt_pointer
    lidt legacy_idt_pointer
    pushq $SELECTOR_CODE32
    pushq $1f
    lretq
    .code32
1:  call load_data_segments
    movl %cr0, %eax
    andl $0x7fffffff, %eax
    movl %eax, %cr0
    movl $0xc0000080, %ecx
    rdmsr
    andl $~0x100, %eax /* LME */
    wrmsr
    movl legacy_cr4, %eax
    movl %eax, %cr4
    movl legacy_cr3, %eax
    movl %eax, %cr3
    movl $SELECTOR_TSS, %eax
    ltr %ax
    cmpl $0, legacy_real
    jne to_real
    movl legacy_cr0, %eax
    movl %eax, %cr0
    movl legacy_stack, %esp
    popal
    iretl

to_real:
    movl legacy_stack, %edx
    movl legacy_cr0, %ebx
    movl legacy_real_data, %ecx
    lidt legacy_real_idt_pointer
    ljmp $SELECTOR_CODE16, $LOW(real_enter)

load_data_segments:
    movl $SELECTOR_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    ret

    .balign 16
    .globl legacy_stubs
legacy_stubs:
    vector = 0
    .rept 32
    .balign 16
    .if vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21
    .else
    pushl $0
    .endif
    pushl $vector
    jmp legacy_trap
    vector = vector + 1
    .endr

legacy_trap:
    pushal
    movl %ds, %ecx
    movl %es, %edx
    movl %fs, %ebx
    movl %gs, %ebp
    movl $SELECTOR_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %ecx, legacy_controls + 24
    movl %edx, legacy_controls + 28
    movl %ebx, legacy_controls + 32
    movl %ebp, legacy_controls + 36
    cld
    movl %esp, %esi
    movl %ss, %eax
    cmpl $SELECTOR_DATA16, %eax
    jne 1f
    movzwl %si, %esi
1:  movl $legacy_frame, %edi
    movl $19, %ecx
    rep movsl
legacy_leave:
    movl %cr0, %eax
    movl %eax, legacy_controls
    movl %cr2, %eax
    movl %eax, legacy_controls + 4
    movl %cr3, %eax
    movl %eax, legacy_controls + 8
    movl %cr4, %eax
    movl %eax, legacy_controls + 12
    xorl %eax, %eax
    str %ax
    movl %eax, legacy_controls + 16
    xorl %eax, %eax
    sldt %ax
    movl %eax, legacy_controls + 40
    movl %dr6, %eax
    movl %eax, legacy_controls + 44
    movl %dr7, %eax
    movl %eax, legacy_controls + 48
    xorl %eax, %eax
    lldt %ax
    movl $0x33, %eax
    movl %eax, %cr0
    movzbl legacy_gdt + SELECTOR_TSS + 5, %eax
    movl %eax, legacy_controls + 20
    movb $0x89, legacy_gdt + SELECTOR_TSS + 5 /* not busy, and 32-bit: long mode refuses a 16-bit TSS in TR */
    movl $SELECTOR_TSS, %eax
    ltr %ax
    movl $CR4_AT_START, %eax
    movl %eax, %cr4
    movl $page_tables, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax
    wrmsr
    movl $0x80050033, %eax
    movl %eax, %cr0
    ljmp $SELECTOR_CODE64, $1f
    .code64
1:  movl $SELECTOR_DATA, %eax
    movl %eax, %ss
    movq host_stack, %rsp
    popfq
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

    .code32
real_left:
    call load_data_segments_flat
    jmp legacy_leave
load_data_segments_flat: /* the stack is still the real-mode one, below 64 KiB */
    movl $SELECTOR_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    ret

    .section .rodata
    .balign 16
    .globl legacy_page, legacy_page_end, legacy_real_idt_pointer
    .code16
legacy_page:
real_enter:
    movw %cx, %ds /* whose limit stays, if it is beyond 64 KiB: unreal mode */
    movw %cx, %es
    movw $SELECTOR_DATA16, %ax
    movw %ax, %fs
    movw %ax, %gs
    movw %ax, %ss
    movl %ebx, %cr0
    ljmp $0, $LOW(1f)
1:  xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %fs
    movw %ax, %gs
    movw %ax, %ss
    movzwl %dx, %esp
    popal
    iretw

real_trap: /* 0:SP: general registers, vector, IP, CS, FLAGS */
    pushal
    xorw %ax, %ax
    movw %ax, %ss
    movw %ax, %ds
    movl %esp, LOW(real_stack)
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl $SELECTOR_CODE32, $real_left

    .balign 4
    .globl legacy_real_stack
legacy_real_stack:
real_stack:
    .long 0
legacy_real_idt_pointer:
    .word 4 * 32 - 1
    .quad LOW(real_vectors)
    .balign 4
real_vectors:
    vector = 0
    .rept 32
    .word LOW(real_stubs) + 16 * vector, 0
    vector = vector + 1
    .endr
    .balign 16
real_stubs:
    vector = 0
    .rept 32
    .balign 16
    pushw $vector
    jmp real_trap
    vector = vector + 1
    .endr
legacy_page_end:

    .section .bss
    .balign 8
host_stack:
    .skip 8
