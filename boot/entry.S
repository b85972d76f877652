/*
 * From GRUB's 32-bit protected mode to boot_main() in long mode at the linked address.
 * Multiboot2 Specification 2.0, 3.3 "I386 machine state": EAX magic, EBX information, paging off, no usable GDT or stack.
 */
#include "arch/x86/layout.h"

/* A symbol's distance from the image's start, so from the address that we were loaded at: LOAD_BASE, unless the loader knew a
 * better one (boot/header.S). */
#define OFFSET(symbol) ((symbol) - VIRT_BASE)

#define LOADER_MAGIC 0x36d76289
#define LARGE_PAGE   0x200000

#define CR0_PE   (1 << 0)
#define CR0_NE   (1 << 5)
#define CR0_WP   (1 << 16)
#define CR0_PG   (1 << 31)
#define CR4_PAE  (1 << 5)
#define MSR_EFER 0xc0000080
#define EFER_LME (1 << 8)
#define EFER_NXE (1 << 11)

#define COM1     0x3f8
#define COM1_LCR (COM1 + 3)
#define COM1_LSR (COM1 + 5)

#define PTE_TABLE 0x003 /* present, writable */
#define PTE_LARGE 0x083 /* the same, and a 2 MiB leaf */

    .section .text.boot32, "ax"
    .code32
    .globl entry32
entry32:
    cld
    movl %eax, %ebp         /* magic, until boot_main() looks at it */
    rdtsc                   /* the first thing measured: how long Plinth takes until the guest runs */
    movl %eax, %esi
    movl %edx, %edi
    movl $LOAD_BASE, %ecx   /* of another loader nothing is known: boot_main() refuses it */
    cmpl $LOADER_MAGIC, %ebp
    jne 2f
    leal 8(%ebx), %esp      /* there is no stack yet: the information's reserved second word is one for a moment */
    call 1f
1:  popl %ecx
    subl $OFFSET(1b), %ecx
2:  leal OFFSET(boot_stack_top)(%ecx), %esp
    pushl %ebx
    pushl %esi
    movl %ecx, %esi         /* where we were loaded */
    movl %esi, OFFSET(load_base)(%esi)
    leal OFFSET(bad_base_text)(%esi), %eax
    testl $(LARGE_PAGE - 1), %esi
    jnz refuse32

    movl $0x80000000, %eax  /* SDM vol. 2, CPUID: extended leaves, then long mode and NX in 0x80000001:EDX */
    cpuid
    cmpl $0x80000001, %eax
    jb no_long_mode
    movl $0x80000001, %eax
    cpuid
    btl $29, %edx
    jnc no_long_mode
    btl $20, %edx
    jnc no_long_mode

    /* identity map of 4 GiB, and VIRT_BASE to where we were loaded, in 2 MiB pages */
    pushl %edi
    leal OFFSET(boot_pd)(%esi), %edi
    movl $PTE_LARGE, %eax
    movl $(4 * 512), %ecx
1:  movl %eax, (%edi)
    addl $LARGE_PAGE, %eax
    addl $8, %edi
    loop 1b
    leal OFFSET(boot_pd_high)(%esi), %edi
    leal PTE_LARGE(%esi), %eax
    movl $8, %ecx
1:  movl %eax, (%edi)
    addl $LARGE_PAGE, %eax
    addl $8, %edi
    loop 1b
    popl %edi

    leal (OFFSET(boot_pd) + PTE_TABLE)(%esi), %eax
    movl %eax, OFFSET(boot_pdpt)(%esi)
    addl $0x1000, %eax
    movl %eax, OFFSET(boot_pdpt + 8)(%esi)
    addl $0x1000, %eax
    movl %eax, OFFSET(boot_pdpt + 16)(%esi)
    addl $0x1000, %eax
    movl %eax, OFFSET(boot_pdpt + 24)(%esi)
    leal (OFFSET(boot_pd_high) + PTE_TABLE)(%esi), %eax
    movl %eax, OFFSET(boot_pdpt_high + 510 * 8)(%esi)
    leal (OFFSET(boot_pdpt) + PTE_TABLE)(%esi), %eax
    movl %eax, OFFSET(boot_pml4)(%esi)
    leal (OFFSET(boot_pdpt_high) + PTE_TABLE)(%esi), %eax
    movl %eax, OFFSET(boot_pml4 + 511 * 8)(%esi)

    movl $CR4_PAE, %eax
    movl %eax, %cr4
    leal OFFSET(boot_pml4)(%esi), %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    rdmsr
    orl $(EFER_LME | EFER_NXE), %eax
    wrmsr
    movl $(CR0_PG | CR0_WP | CR0_NE | CR0_PE), %eax
    movl %eax, %cr0
    leal OFFSET(boot_gdt)(%esi), %eax
    leal OFFSET(entry64)(%esi), %ecx
    popl %esi
    popl %ebx
    pushl %eax
    pushw $(.Lboot_gdt_end - boot_gdt - 1)
    lgdt (%esp)
    pushl $SELECTOR_CODE
    pushl %ecx
    lretl

no_long_mode:
    leal OFFSET(no_long_mode_text)(%esi), %eax
refuse32:
    movl %eax, %esi
    movw $COM1_LCR, %dx     /* nobody need have set the line before us: 115200 8N1 */
    movb $0x83, %al
    outb %al, %dx
    movw $COM1, %dx         /* divisor 1 */
    movb $1, %al
    outb %al, %dx
    incw %dx
    movb $0, %al
    outb %al, %dx
    movw $COM1_LCR, %dx
    movb $0x03, %al
    outb %al, %dx
    movl $0xb8000, %edi
2:  lodsb                   /* to VGA text and, without waiting for ever, to COM1 */
    testb %al, %al
    jz 4f
    movb $0x0f, %ah
    stosw
    movb %al, %bl
    movl $0x10000, %ecx
    movw $COM1_LSR, %dx
3:  inb %dx, %al
    testb $0x20, %al
    loopz 3b
    movb %bl, %al
    movw $COM1, %dx
    outb %al, %dx
    jmp 2b
4:  cli
    hlt
    jmp 4b

no_long_mode_text:
    .asciz "Plinth: this CPU has no 64-bit mode or no NX: turn on \"Execute Disable\" (XD, NX) in the firmware setup; Plinth needs an Intel CPU with VT-x and EPT (2010 or later); in QEMU use -cpu host\r\n"
bad_base_text:
    .asciz "Plinth: loaded at an address that is no multiple of 2 MiB, which its multiboot2 header asks for: update or replace the boot loader\r\n"

    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff /* 64-bit code */
    .quad 0x00cf93000000ffff /* data */
.Lboot_gdt_end:

    .code64
entry64:
    movabsq $1f, %rax
    jmp *%rax
1:  movl $SELECTOR_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    movq $boot_stack_top, %rsp
    shlq $32, %rdi
    movl %esi, %edx
    orq %rdi, %rdx          /* third argument: TSC at entry */
    movl %ebp, %edi         /* first: magic */
    movl %ebx, %esi         /* second: physical address of the information */
    xorl %ebp, %ebp
    call boot_main
5:  hlt
    jmp 5b

/*
 * void boot_move(void *to, const void *from, uint64_t bytes, uint64_t *high_pd, uint64_t to_physical, uint64_t pages)
 * Copies the image (with this very stack in it) and lets VIRT_BASE lead to the copy, `pages` 2 MiB pages of it. Nothing may be written
 * between the two, hence assembly.
 */
    .text
    .globl boot_move
boot_move:
    movq %rcx, %rax         /* high_pd */
    movq %rdx, %rcx
    shrq $3, %rcx
    rep movsq
    orq $PTE_LARGE, %r8
1:  movq %r8, (%rax)
    addq $8, %rax
    addq $0x200000, %r8
    decq %r9
    jnz 1b
    movq %cr3, %rax
    movq %rax, %cr3
    ret

    .bss
    .balign 16
    .globl load_base, boot_stack, boot_stack_top
load_base:
    .quad 0
boot_stack:
    .skip 16384
boot_stack_top:

    .section .boot_bss, "aw", @nobits
    .balign 4096
    .globl boot_pml4, boot_pdpt, boot_pdpt_high, boot_pd, boot_pd_high, boot_pd_screen
boot_pml4:      .skip 4096
boot_pdpt:      .skip 4096
boot_pdpt_high: .skip 4096
boot_pd:        .skip 4 * 4096
boot_pd_high:   .skip 4096
boot_pd_screen: .skip 4096
