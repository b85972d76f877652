/*
 * Where an application processor begins: real mode, CS = page >> 4, at a page below 1 MiB to which this code is copied
 * (boot/smp.c). It goes straight to long mode on Plinth's tables and to ap_start() on the CPU's own stack.
 */
#include "arch/x86/layout.h"

#define OFFSET(symbol) ((symbol) - trampoline_start)

    .section .rodata
    .code16
    .globl trampoline_start, trampoline_end, trampoline_parameters
trampoline_start:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    movzwl %ax, %ebp
    shll $4, %ebp           /* physical address of this page */
    leal OFFSET(trampoline_gdt)(%ebp), %eax
    movl %eax, OFFSET(trampoline_gdt_pointer) + 2
    leal OFFSET(2f)(%ebp), %eax
    movl %eax, OFFSET(trampoline_far)
    movl $0x20, %eax        /* CR4.PAE */
    movl %eax, %cr4
    movl OFFSET(trampoline_cr3), %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x900, %eax        /* EFER.LME, NXE */
    wrmsr
    lgdtl OFFSET(trampoline_gdt_pointer)
    movl $0x80010021, %eax  /* CR0.PG, WP, NE, PE: long mode at once */
    movl %eax, %cr0
    ljmpl *OFFSET(trampoline_far)

    .code64
2:  movq OFFSET(trampoline_stack)(%rbp), %rsp
    movq OFFSET(trampoline_entry)(%rbp), %rax
    movl $SELECTOR_DATA, %ecx
    movl %ecx, %ds
    movl %ecx, %es
    movl %ecx, %ss
    xorl %ecx, %ecx
    movl %ecx, %fs
    movl %ecx, %gs
    movq OFFSET(trampoline_argument)(%rbp), %rdi
    xorl %ebp, %ebp
    call *%rax

    .balign 8
trampoline_gdt:
    .quad 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
trampoline_gdt_pointer:
    .short trampoline_gdt_pointer - trampoline_gdt - 1
    .long 0
trampoline_far:
    .long 0
    .short SELECTOR_CODE

    .balign 8
trampoline_parameters:      /* struct trampoline_parameters, boot/smp.c */
trampoline_cr3:      .quad 0
trampoline_stack:    .quad 0
trampoline_entry:    .quad 0
trampoline_argument: .quad 0
trampoline_end:
