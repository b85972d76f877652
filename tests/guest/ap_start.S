/*
 * Where another CPU starts after INIT-SIPI. The page is copied to AP_START_PAGE; it runs from there in real mode, so
 * that what lies here is addressed through CS. First it records the registers as INIT left them, for the tests to see.
 */
#include "tests/guest/layout.h"

#define AT(symbol) (symbol - ap_page)
#define LOW(symbol) (AP_START_PAGE + (symbol - ap_page))

    .section .rodata
    .balign 16
    .globl ap_page, ap_page_end, ap_page_registers, ap_page_lock
    .code16
ap_page:
    cli
    incl %cs:AT(arrivals)
1:  lock btsw $0, %cs:AT(ap_page_lock) /* several CPUs may start at once; touches no register */
    jc 1b
    movl %eax, %cs:AT(saved_gprs)
    movl %ecx, %cs:AT(saved_gprs) + 4
    movl %edx, %cs:AT(saved_gprs) + 8
    movl %ebx, %cs:AT(saved_gprs) + 12
    movl %esp, %cs:AT(saved_gprs) + 16
    movl %ebp, %cs:AT(saved_gprs) + 20
    movl %esi, %cs:AT(saved_gprs) + 24
    movl %edi, %cs:AT(saved_gprs) + 28
    movw %cs, %cs:AT(saved_selectors)
    movw %ds, %cs:AT(saved_selectors) + 2
    movw %es, %cs:AT(saved_selectors) + 4
    movw %fs, %cs:AT(saved_selectors) + 6
    movw %gs, %cs:AT(saved_selectors) + 8
    movw %ss, %cs:AT(saved_selectors) + 10
    movl %cr0, %eax
    movl %eax, %cs:AT(saved_controls)
    movl %cr2, %eax
    movl %eax, %cs:AT(saved_controls) + 4
    movl %cr3, %eax
    movl %eax, %cs:AT(saved_controls) + 8
    movl %cr4, %eax
    movl %eax, %cs:AT(saved_controls) + 12
    movl %dr6, %eax
    movl %eax, %cs:AT(saved_controls) + 16
    movl %dr7, %eax
    movl %eax, %cs:AT(saved_controls) + 20
    sgdtl %cs:AT(saved_gdtr)
    sidtl %cs:AT(saved_idtr)
    /* flags: POPF and PUSHF need a stack */
    movw %cs, %ax
    movw %ax, %ss
    movw $AT(stack_top), %sp
    pushfl
    popl %eax
    movl %eax, %cs:AT(saved_controls) + 24
    lgdtl %cs:AT(gdt_pointer)
    movl $0x33, %eax /* NE ET MP PE; clears CD and NW as well */
    movl %eax, %cr0
    ljmpl $SELECTOR_CODE32, $LOW(ap_protected)

    .code32
ap_protected:
    movl $SELECTOR_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl $0xc0000080, %ecx
    rdmsr
    movl %eax, LOW(saved_controls) + 28
    orl $0x100, %eax
    wrmsr
    movl $CR4_AT_START, %eax
    movl %eax, %cr4
    movl $page_tables, %eax
    movl %eax, %cr3
    movl $0x80050033, %eax
    movl %eax, %cr0
    ljmpl $SELECTOR_CODE64, $LOW(ap_long)

    .code64
ap_long:
    movl $ap_find_area, %eax
    jmp *%rax

    .balign 8
gdt:
    .quad 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
    .quad 0x00cf9b000000ffff
gdt_pointer:
    .word . - gdt - 1
    .long LOW(gdt)
    .balign 4
ap_page_lock:
    .long 0
ap_page_registers: /* struct start_registers */
arrivals:
    .long 0
saved_gprs:
    .skip 32
saved_controls:
    .skip 32
saved_selectors:
    .skip 12
saved_gdtr:
    .skip 6
saved_idtr:
    .skip 6
    .skip 64
stack_top:
ap_page_end:

    .text
/* Finds the CPU's area by its APIC ID, without CPUID (which exits under a hypervisor), and takes the stack there. */
ap_find_area:
    movl $0x1b, %ecx
    rdmsr
    testl $0x400, %eax /* IA32_APIC_BASE.EXTD */
    jz 1f
    movl $0x802, %ecx
    rdmsr
    jmp 2f
1:  movl $0xfee00020, %eax
    movl (%rax), %eax
    shrl $24, %eax
2:  xorl %ecx, %ecx
3:  cmpl %eax, cpu_apic_ids(, %rcx, 4)
    je 4f
    incl %ecx
    cmpl $CPUS_MAX, %ecx
    jb 3b
5:  hlt /* not in the MADT */
    jmp 5b
4:  shll $AREA_SHIFT, %ecx
    leal cpu_areas(%rcx), %edi
    leal AREA_MAIN_STACK(%rdi), %esp
    call ap_main
    ud2
