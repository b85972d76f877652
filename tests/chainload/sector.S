/*
 * A boot sector that says on COM1 how it was started and what the firmware tells about memory, and switches the machine off. It
 * reads the rest of itself from the disk first. Lines that begin with "= " must be the same on Plinth.
 */
#define COM1 0x3f8
#define SMAP 0x534d4150
#define MAP  0x9000 /* a buffer */

    .section .text
    .code16
    .globl _start
_start:
    cli
    movw %cs, %ax
    movw %ss, %bx
    movw %sp, %cx
    xorw %si, %si
    movw %si, %ds
    movw %si, %es
    movw %si, %ss
    movw $0x7c00, %sp
    sti
    cld
    movw %ax, first_cs
    movb %dl, drive
    movw $0x0203, %ax /* the next three sectors */
    movw $2, %cx
    movw $0x7e00, %bx
    xorb %dh, %dh
    int $0x13
    jc stop
    jmp rest
stop:
    hlt
    jmp stop
first_cs: .word 0
drive: .byte 0
    .org 510
    .word 0xaa55

rest:
    call init_com1
    movw $text_cs, %si
    movw first_cs, %ax
    call line_word
    movw $text_drive, %si
    movzbw drive, %ax
    call line_word
    int $0x12
    movw $text_base, %si
    call line_word
    movw $0x40, %ax
    movw %ax, %fs
    movw $text_bda, %si
    movw %fs:0x13, %ax
    call line_word

    movb $0x88, %ah
    stc
    int $0x15
    jc failed
    movw $text_88, %si
    call line_word
    movw $0xe801, %ax
    xorw %bx, %bx
    stc
    int $0x15
    jc failed
    pushw %dx
    pushw %cx
    pushw %bx
    movw $text_e801, %si
    call line_word
    popw %ax
    movw $text_e801_bx, %si
    call line_word
    popw %ax
    movw $text_e801_cx, %si
    call line_word
    popw %ax
    movw $text_e801_dx, %si
    call line_word

    xorl %ebx, %ebx
next:
    movl $0xe820, %eax
    movl $20, %ecx
    movl $SMAP, %edx
    movw $MAP, %di
    movl $0x12345678, %esi
    stc
    int $0x15
    jc failed
    cmpl $SMAP, %eax
    jne failed
    cmpl $20, %ecx
    jne failed
    cmpl $0x12345678, %esi
    jne failed
    cmpw $MAP, %di
    jne failed
    pushl %ebx
    movw $text_map, %si
    call puts
    movl MAP + 4, %eax
    call put_dword
    movl MAP, %eax
    call put_dword
    movb $' ', %al
    call putc
    movl MAP + 12, %eax
    call put_dword
    movl MAP + 8, %eax
    call put_dword
    movw $text_type, %si
    movw MAP + 16, %ax
    call line_word
    popl %ebx
    testl %ebx, %ebx
    jnz next

    movl $0xe820, %eax /* without the signature: refused, with the carry flag */
    movl $20, %ecx
    xorl %edx, %edx
    int $0x15
    setc %al
    movzbw %al, %ax
    movw $text_no_smap, %si
    call line_word
    movw $0x2402, %ax /* a call that is none of Plinth's: the state of the A20 gate */
    int $0x15
    setc %al
    movzbw %al, %ax
    movw $text_a20, %si
    call line_word
    movw $0x0e41, %ax
    movw $7, %bx
    int $0x10
    movb $0x02, %ah /* the time of day, from a BIOS that is alive */
    int $0x1a
    setc %al
    movzbw %al, %ax
    movw $text_time, %si
    call line_word
    movw $text_tick, %si
    call puts
    movl %fs:0x6c, %ebx
1:  cmpl %fs:0x6c, %ebx /* the timer's interrupt counts */
    je 1b
    movw $text_end, %si
    call puts
    jmp off
failed:
    movw $text_failed, %si
    call puts
off: /* what the UART hasn't sent yet would be lost with the machine */
    movw $COM1 + 5, %dx
1:  inb %dx, %al
    testb $0x40, %al
    jz 1b
    movw $text_shutdown, %si
    movw $0x8900, %dx
1:  lodsb
    outb %al, %dx
    testb %al, %al
    jnz 1b
2:  hlt
    jmp 2b

init_com1:
    movw $COM1 + 1, %dx
    xorb %al, %al
    outb %al, %dx
    movw $COM1 + 3, %dx
    movb $0x80, %al
    outb %al, %dx
    movw $COM1, %dx
    movb $1, %al
    outb %al, %dx
    movw $COM1 + 1, %dx
    xorb %al, %al
    outb %al, %dx
    movw $COM1 + 3, %dx
    movb $3, %al
    outb %al, %dx
    ret
putc: /* keeps all but DX */
    pushw %ax
    movw $COM1 + 5, %dx
1:  inb %dx, %al
    testb $0x20, %al
    jz 1b
    popw %ax
    movw $COM1, %dx
    outb %al, %dx
    ret
puts:
    lodsb
    testb %al, %al
    jz 1f
    call putc
    jmp puts
1:  ret
put_dword:
    movw $8, %cx
1:  roll $4, %eax
    pushl %eax
    andb $15, %al
    cmpb $10, %al
    sbbb $0x69, %al
    das
    call putc
    popl %eax
    loop 1b
    ret
line_word: /* SI text, AX value */
    pushw %ax
    call puts
    popw %ax
    shll $16, %eax
    movw $4, %cx
    call 1f
    movb $'\r', %al
    call putc
    movb $'\n', %al
    jmp putc
1:  roll $4, %eax
    pushl %eax
    andb $15, %al
    cmpb $10, %al
    sbbb $0x69, %al
    das
    call putc
    popl %eax
    loop 1b
    ret

text_cs: .asciz "\r\n= CS "
text_drive: .asciz "= DL "
text_base: .asciz "~ INT 12H "
text_bda: .asciz "~ 40:13 "
text_88: .asciz "= INT 15H 88H "
text_e801: .asciz "= INT 15H E801H AX "
text_e801_cx: .asciz "= INT 15H E801H CX "
text_e801_bx: .asciz "~ INT 15H E801H BX "
text_e801_dx: .asciz "~ INT 15H E801H DX "
text_map: .asciz "~ E820 "
text_type: .asciz " type "
text_no_smap: .asciz "= E820 without SMAP: carry "
text_a20: .asciz "= INT 15H 2402H: carry "
text_time: .asciz "= INT 1AH 02H: carry "
text_tick: .asciz "= waiting for a tick\r\n"
text_end: .asciz "= end\r\n"
text_failed: .asciz "= FAILED\r\n"
text_shutdown: .asciz "Shutdown"
    .org 2048
    .section .note.GNU-stack, "", @progbits
