/*
 * The headers of the test kernels and their first instructions. VERSION is 1 or 2; FLAT: the header's address fields say
 * where all goes, else the ELF file does; RELOCATABLE: anywhere from 16 to 32 MiB, from where it moves itself home.
 */
    .section .header, "ax"
    .code32
#if VERSION == 1
#define FLAGS (3 | FLAT << 16)
    .balign 4
header:
    .long 0x1badb002
    .long FLAGS
    .long -(0x1badb002 + FLAGS)
    .long header, image_start, image_end, bss_end, entry
#else
    .balign 8
header:
    .long 0xe85250d6
    .long 0
    .long header_end - header
    .long -(0xe85250d6 + header_end - header)
    .balign 8
1:  .short 1, 0 /* information request */
    .long 2f - 1b
    .long 1, 3, 4, 6
2:
    .balign 8
    .short 200, 1 /* of an unknown type, but optional */
    .long 8
#if FLAT
    .balign 8
    .short 2, 0 /* addresses */
    .long 24
    .long header, image_start, image_end, bss_end
#endif
#if FLAT || RELOCATABLE
    .balign 8
    .short 3, 0 /* entry */
    .long 12
    .long entry
#endif
    .balign 8
    .short 6, 0 /* modules on page boundaries */
    .long 8
#if RELOCATABLE
    .balign 8
    .short 10, 0
    .long 24
    .long 0x1000000, 0x1ffffff, 0x10000, 1 /* min_addr, max_addr, align, lowest */
#endif
    .balign 8
    .short 0, 0
    .long 8
header_end:
#endif

    .balign 16
    .globl entry
entry:
    cld
    movl %cr0, %ecx
#if RELOCATABLE
    /* Where are we? There is no stack yet: the information's second word, which is reserved, lends one. */
    movl 4(%ebx), %edx
    leal 8(%ebx), %esp
    call 1f
1:  popl %ebp
    movl %edx, 4(%ebx)
    subl $(1b - header), %ebp
    movl %ebp, %esi
    movl $image_start, %edi
    movl %ecx, %edx
    movl $bss_end, %ecx
    subl %edi, %ecx
    shrl $2, %ecx
    rep movsl
    movl %edx, %ecx
    movl $home, %edx
    jmp *%edx
home:
#else
    movl $image_start, %ebp
#endif
    movl $stack_top, %esp
    pushfl
    popl %edx
    pushl %ebp /* where the image was loaded */
    pushl %edx
    pushl %ecx
    pushl %ebx
    pushl %eax
    call kernel_main
1:  cli
    hlt
    jmp 1b

    .section .stack, "aw", @nobits
    .balign 16
    .skip 16384
stack_top:
    .section .note.GNU-stack, "", @progbits
