/*
 * The test guest's first instructions: the 32-bit boot protocol's entry (flat segments, paging off, ESI = boot_params),
 * then identity page tables for 4 GiB and long mode.
 */
#include "tests/guest/layout.h"

    .section .head, "ax"
    .code32
    .globl start32
start32:
    cli
    cld
    leal 0x1e8(%esi), %esp /* boot_params.scratch: the only memory known to be ours before we know where we are */
    call 1f
1:  popl %ebp
    subl $(1b - start32), %ebp
    cmpl $start32, %ebp
    je at_home
    /* Loaded elsewhere. Source and target do not overlap unless the loader ignored pref_address by less than our size. */
    movl %esi, %ebx /* EBP stays: where we were */
    movl %ebp, %esi
    movl $start32, %edi
    movl $image_dwords, %ecx
    rep movsl
    movl %ebx, %esi
    movl $at_home, %eax
    jmp *%eax
at_home:
    movl %ebp, guest_loaded_at
    movl $image_end, %edi
    movl $bss_end, %ecx
    subl %edi, %ecx
    shrl $2, %ecx
    xorl %eax, %eax
    rep stosl
    movl $(cpu_areas + AREA_MAIN_STACK), %esp
    call make_page_tables
    lgdt boot_gdt_pointer
    movl $CR4_AT_START, %eax
    movl %eax, %cr4
    movl $page_tables, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx
    movl $0x100, %eax /* EFER.LME */
    xorl %edx, %edx
    wrmsr
    movl $0x80050033, %eax /* PG AM WP NE ET MP PE */
    movl %eax, %cr0
    ljmp $SELECTOR_CODE64, $start64

/* PML4, PDPT, four page directories of 2 MiB pages: writable, open to CPL 3, the top GiB uncached for the LAPIC. */
make_page_tables:
    movl $page_tables, %edi
    leal 0x1007(%edi), %eax
    movl %eax, (%edi)
    leal 0x2007(%edi), %eax
    movl $4, %ecx
    leal 0x1000(%edi), %edx
1:  movl %eax, (%edx)
    addl $0x1000, %eax
    addl $8, %edx
    loop 1b
    leal 0x2000(%edi), %edx
    movl $0x87, %eax
    movl $2048, %ecx
2:  cmpl $0xc0000087, %eax
    jne 3f
    orl $0x18, %eax /* PCD, PWT */
3:  movl %eax, (%edx)
    addl $0x200000, %eax
    addl $8, %edx
    loop 2b
    ret

    .code64
start64:
    movl $SELECTOR_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl $(cpu_areas + AREA_MAIN_STACK), %esp
    movl %esi, %edi
    call guest_main
1:  hlt
    jmp 1b

    .data
    .balign 4
    .globl guest_loaded_at
guest_loaded_at:
    .long 0

    .section .rodata
    .balign 8
    .globl boot_gdt_pointer
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff /* 64-bit code */
    .quad 0x00cf93000000ffff /* data */
    .quad 0x00cf9b000000ffff /* 32-bit code */
boot_gdt_pointer:
    .word . - boot_gdt - 1
    .quad boot_gdt

    .section .bss
    .balign 4096
    .globl page_tables
page_tables:
    .skip 0x6000
