/*
 * noreturn void native_enter(const struct guest_entry *entry) (boot/native.h), called by its physical address, as it
 * turns paging off. SDM vol. 3, "Switching Out of IA-32e Mode Operation", 9.8.5.4: compatibility mode first, then CR0.PG.
 */
#include "boot/native_offsets.h"

#define CR0_PE_ET 0x11
#define MSR_EFER  0xc0000080

    .text
    .globl native_enter
native_enter:
    cli
    cld
    movl GUEST_ENTRY_EIP(%rdi), %eax
    movl GUEST_ENTRY_EBX(%rdi), %ebx
    movl GUEST_ENTRY_ESI(%rdi), %esi
    movl GUEST_ENTRY_GDT_BASE(%rdi), %edx
    movzwl GUEST_ENTRY_GDT_LIMIT(%rdi), %ecx
    pushq $0
    pushq $0
    lidt (%rsp)             /* none: the guest brings its own */
    shlq $16, %rdx
    orq %rcx, %rdx          /* limit, then base: 10 bytes, of which the last two are the zeros above */
    movq %rdx, (%rsp)
    lgdt (%rsp)
    movl %eax, %edx         /* EIP */
    movzwl GUEST_ENTRY_DATA(%rdi), %ecx
    movzwl GUEST_ENTRY_CODE(%rdi), %eax
    movl GUEST_ENTRY_EAX(%rdi), %edi
    pushq %rax
    leaq 1f(%rip), %rax
    pushq %rax
    lretq
    .code32
1:  movl %ecx, %ds
    movl %ecx, %es
    movl %ecx, %fs
    movl %ecx, %gs
    movl %ecx, %ss
    movl %edx, %esp         /* there is no stack any more */
    movl $CR0_PE_ET, %eax
    movl %eax, %cr0
    xorl %eax, %eax
    xorl %edx, %edx
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    wrmsr
    movl %eax, %cr4
    movl %edi, %eax
    xorl %ecx, %ecx
    xorl %edi, %edi
    xorl %ebp, %ebp
    jmp *%esp
    .code64
