/*
 * Entry to and exit from the guest. HOST_RSP points just above the register frame at the top of the CPU's main stack, so
 * an exit pushes straight into it, and the C part runs below it.
 *
 * An NMI between the test of slow_work and the entry would be seen only at the next exit, maybe never. So the NMI handler, when it interrupts
 * [..._resume, ..._failed) of an exit entry or [vmx_launch_begin, vmx_launch_end), moves RIP to the ..._slow label (arch/x86/vmx/nmi.c). The frame in
 * memory is still whole then, whatever has been popped: NMIs have a stack of their own.
 */
#include "arch/x86/cpu_offsets.h"
#include "arch/x86/layout.h"

    .text
.macro PUSH_REGISTERS
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
    movq %rsp, %rdi
.endm

.macro POP_REGISTERS
    popq %rax
    popq %rcx
    popq %rdx
    popq %rbx
    popq %rbp
    popq %rsi
    popq %rdi
    popq %r8
    popq %r9
    popq %r10
    popq %r11
    popq %r12
    popq %r13
    popq %r14
    popq %r15
.endm

/* What the guest left in the registers is of no use to a gadget then; %rdi, the frame, is set, %rsp was loaded. */
.macro SCRUB_REGISTERS
    xorl %eax, %eax
    xorl %ebx, %ebx
    xorl %ecx, %ecx
    xorl %edx, %edx
    xorl %esi, %esi
    xorl %ebp, %ebp
    xorl %r8d, %r8d
    xorl %r9d, %r9d
    xorl %r10d, %r10d
    xorl %r11d, %r11d
    xorl %r12d, %r12d
    xorl %r13d, %r13d
    xorl %r14d, %r14d
    xorl %r15d, %r15d
.endm

/*
 * HOST_RIP is one of these, chosen at boot (mitigations.h, statistics.h), so that what is not needed costs nothing and no exit has to
 * ask. `critical` lists for the NMI handler where its way back lies.
 */
.macro EXIT_ENTRY name, handler, scrub, verw
    .balign 64
    .globl \name
\name:
    PUSH_REGISTERS
    .if \scrub
    SCRUB_REGISTERS
    .endif
    call \handler
\name\()_resume:
    cmpl $0, %gs:CPU_OFFSET_SLOW_WORK
    jne vmx_resume_slow
    POP_REGISTERS
    .if \verw
    verw verw_selector(%rip)
    .endif
    vmresume
\name\()_failed:
    jmp failed
    .pushsection .rodata.vmx_resume, "a"
    .quad \name\()_resume, \name\()_failed
    .popsection
.endm

/* What is kept of an exit (lib/options.h: enum statistics) makes the handler; four of each. */
.macro EXIT_ENTRIES name, handler
    EXIT_ENTRY \name, \handler, 0, 0
    EXIT_ENTRY \name\()_verw, \handler, 0, 1
    EXIT_ENTRY \name\()_scrub, \handler, 1, 0
    EXIT_ENTRY \name\()_scrub_verw, \handler, 1, 1
    .pushsection .rodata.vmx_exit_entries, "a"
    .quad \name, \name\()_verw, \name\()_scrub, \name\()_scrub_verw
    .popsection
.endm

    .section .rodata.vmx_exit_entries, "a"
    .balign 8
    .globl vmx_exit_entries
vmx_exit_entries:
    .section .rodata.vmx_resume, "a"
    .balign 8
    .globl vmx_resume_ranges, vmx_resume_ranges_end
vmx_resume_ranges:
    .text
    EXIT_ENTRIES vmx_exit_entry, vmx_exit
    EXIT_ENTRIES vmx_exit_entry_sorted, vmx_exit_sorted
    EXIT_ENTRIES vmx_exit_entry_uncounted, vmx_exit_uncounted
    EXIT_ENTRY vmx_exit_entry_any, vmx_exit_any, 1, 1
    EXIT_ENTRY vmx_exit_entry_traced, vmx_exit_traced, 1, 1
/* While one instruction is stepped (step.c), so that the paths above needn't ask. */
    EXIT_ENTRY vmx_step_exit_entry, vmx_step_exit, 1, 1
    .section .rodata.vmx_resume, "a"
vmx_resume_ranges_end:
verw_selector:
    .word SELECTOR_DATA
    .text

    .globl vmx_resume_slow
vmx_resume_slow:
    movq %gs:CPU_OFFSET_FRAME, %rsp
    call vmx_slow_work
    jmp vmx_exit_entry_verw_resume

/* The first entry: the same with VMLAUNCH. Comes on any stack. */
    .globl vmx_launch, vmx_launch_begin, vmx_launch_end, vmx_launch_slow
vmx_launch:
    movq %gs:CPU_OFFSET_FRAME, %rsp
vmx_launch_begin:
    cmpl $0, %gs:CPU_OFFSET_SLOW_WORK
    jne vmx_launch_slow
    POP_REGISTERS
    verw verw_selector(%rip)
    vmlaunch
vmx_launch_end:
failed:
    movq %gs:CPU_OFFSET_FRAME, %rsp
    call vmx_entry_failed

vmx_launch_slow:
    movq %gs:CPU_OFFSET_FRAME, %rsp
    call vmx_slow_work
    jmp vmx_launch_begin

/* void vmx_sleep(const uint32_t *word): HLT unless *word is set. An NMI between the two moves RIP to the end too. */
    .globl vmx_sleep, vmx_sleep_begin, vmx_sleep_end
vmx_sleep:
vmx_sleep_begin:
    cmpl $0, (%rdi)
    jne vmx_sleep_end
    hlt
vmx_sleep_end:
    ret

/* void vmx_unblock_nmis(void): an IRET to the caller, which ends blocking by NMI */
    .globl vmx_unblock_nmis
vmx_unblock_nmis:
    movq %rsp, %rax
    pushq $SELECTOR_DATA
    pushq %rax
    pushfq
    pushq $SELECTOR_CODE
    leaq 1f(%rip), %rcx
    pushq %rcx
    iretq
1:  ret
