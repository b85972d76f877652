/*
 * Vector stubs, and the way into and out of the code under test: exec_enter() runs it with registers of its own, and
 * the next exception ends it.
 */
#include "tests/guest/layout.h"

    .text
    .balign 16
    .globl trap_stubs
trap_stubs:
    vector = 0
    .rept 256
    .balign 16
    /* #DF #TS #NP #SS #GP #PF #AC #CP #VC #SX push an error code */
    .if vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30
    .else
    pushq $0
    .endif
    pushq $vector
    jmp trap_common
    vector = vector + 1
    .endr

trap_common:
    pushq %r15
    pushq %r14
    pushq %r13
    pushq %r12
    pushq %r11
    pushq %r10
    pushq %r9
    pushq %r8
    pushq %rdi
    pushq %rsi
    pushq %rbp
    pushq %rbx
    pushq %rdx
    pushq %rcx
    pushq %rax
    cld
    movq %rsp, %rdi
    call trap_handle
    movq %rsp, %rdi
    jmp load_frame

/* void exec_enter(const struct frame *frame, void **host_stack): returns when exec_leave() is called */
    .globl exec_enter
exec_enter:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushfq
    movq %rsp, (%rsi)
    subq $(FRAME_SIZE - FRAME_RIP), %rsp /* IRETQ takes its five words from the stack */
    movq FRAME_RIP(%rdi), %rax
    movq %rax, (%rsp)
    movq FRAME_RIP + 8(%rdi), %rax
    movq %rax, 8(%rsp)
    movq FRAME_RIP + 16(%rdi), %rax
    movq %rax, 16(%rsp)
    movq FRAME_RIP + 24(%rdi), %rax
    movq %rax, 24(%rsp)
    movq FRAME_RIP + 32(%rdi), %rax
    movq %rax, 32(%rsp)
    call load_registers
    iretq

load_frame: /* RDI = RSP = a whole frame */
    call load_registers
    leaq FRAME_RIP(%rsp), %rsp
    iretq

load_registers: /* all general registers but RSP from the frame at RDI */
    movq (%rdi), %rax
    movq 8(%rdi), %rcx
    movq 16(%rdi), %rdx
    movq 24(%rdi), %rbx
    movq 32(%rdi), %rbp
    movq 40(%rdi), %rsi
    movq 56(%rdi), %r8
    movq 64(%rdi), %r9
    movq 72(%rdi), %r10
    movq 80(%rdi), %r11
    movq 88(%rdi), %r12
    movq 96(%rdi), %r13
    movq 104(%rdi), %r14
    movq 112(%rdi), %r15
    movq 48(%rdi), %rdi
    ret

/* noreturn void exec_leave(void *host_stack) */
    .globl exec_leave
exec_leave:
    movl $SELECTOR_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movq %rdi, %rsp
    popfq
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

/* The handler for events whose stack was nowhere: forgets it, and leaves. */
    .globl lost_stack_stub
lost_stack_stub:
    movq lost_stack_host(%rip), %rdi
    incl lost_stack_hits(%rip)
    jmp exec_leave

/* void unblock_nmis(void): an IRET to the caller */
    .globl unblock_nmis
unblock_nmis:
    movq %rsp, %rax
    pushq $SELECTOR_DATA
    pushq %rax
    pushfq
    pushq $SELECTOR_CODE64
    pushq $1f
    iretq
1:  ret
