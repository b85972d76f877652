/*
 * Real-mode code that stays in low memory under a guest that uses the firmware's services. It is data to Plinth: guest/bios.c
 * copies it to a page of its own, fills in the parameters and has the guest start at its first byte, CS:0 (or, on the
 * bare machine, at enter_real, which comes there). It loads the
 * disk's boot sector, or jumps to a kernel's set-up code; afterwards only INT 15H leads here: the calls that tell about
 * memory get an answer in which Plinth's block is reserved, all others go on to the firmware.
 */
#include "guest/bios_resident.h"

#define BOOT_SECTOR    0x7c00
#define BOOT_SIGNATURE 0xaa55
#define READ_ATTEMPTS  3
#define COM1           0x3f8
#define SMAP           0x534d4150
#define E820_SIZE      20
#define CARRY          1

    .section .rodata.resident, "a"
    .code16
    .globl bios_resident_start, bios_resident_end
bios_resident_start:
    jmp start
    .org bios_resident_start + RESIDENT_PARAMETERS
    .long 0 /* RESIDENT_OLD_INT15 and so on */
    .short 0, 0, 0, 0, 0
    .short int15 - bios_resident_start, enter_real - bios_resident_start, gdt - bios_resident_start
    .short 0, 0
    .byte 0, 0

/* Offsets in CS, which the code is not linked for. */
#define AT(label) (label - bios_resident_start)

start:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw $BOOT_SECTOR, %sp
    cld
    movw %cs:RESIDENT_SETUP_SEGMENT, %bx
    testw %bx, %bx
    jnz run_setup
    sti
    movw $READ_ATTEMPTS, %si
read:
    movw $0x0201, %ax /* read one sector: cylinder 0, head 0, sector 1 */
    movw $1, %cx
    movw $BOOT_SECTOR, %bx
    xorb %dh, %dh
    movb %cs:RESIDENT_DRIVE, %dl
    pushw %si
    int $0x13
    popw %si
    jnc check
    xorw %ax, %ax /* reset the disk system */
    movb %cs:RESIDENT_DRIVE, %dl
    int $0x13
    decw %si
    jnz read
    movw $AT(unreadable), %si
    jmp stop
check:
    cmpw $BOOT_SIGNATURE, %ds:BOOT_SECTOR + 510
    je run
    movw $AT(unbootable), %si
    jmp stop
run: /* as firmware starts a boot sector: DL the drive, 0000:7C00 */
    xorw %ax, %ax
    movw %ax, %es
    xorw %bx, %bx
    xorw %cx, %cx
    xorw %si, %si
    xorw %di, %di
    xorw %bp, %bp
    xorw %dx, %dx
    movb %cs:RESIDENT_DRIVE, %dl
    ljmp $0, $BOOT_SECTOR

/* boot.rst, "Running the Kernel": all data segments at the set-up code, which is entered 20H paragraphs above, IF clear. */
run_setup:
    movw %bx, %ds
    movw %bx, %es
    movw %bx, %fs
    movw %bx, %gs
    movw %bx, %ss
    movw %cs:RESIDENT_SETUP_STACK, %sp
    addw $0x20, %bx
    pushw %bx
    pushw $0
    lretw

/* Says what is at CS:SI, on the screen and on COM1, and halts. */
stop:
    lodsb %cs:(%si), %al
    testb %al, %al
    jz 4f
    movb %al, %cl
    movb $0x0e, %ah
    movw $7, %bx
    pushw %si
    int $0x10
    popw %si
    cmpb $0, %cs:RESIDENT_SERIAL
    je stop
    movw $COM1 + 5, %dx
    movw $0xffff, %di
3:  inb %dx, %al
    testb $0x20, %al
    jnz 5f
    decw %di
    jnz 3b
5:  movb %cl, %al
    movw $COM1, %dx
    outb %al, %dx
    jmp stop
4:  cli
    hlt
    jmp 4b

unreadable:
    .asciz "error: Guest: the firmware can't read the boot sector of the disk that chainload names: check the disk\r\n"
unbootable:
    .asciz "error: Guest: the disk that chainload names has no boot sector (no AA55 at its end): name another disk\r\n"

/*
 * From 32-bit protected mode, on the GDT below, with EBX this code's address, to real mode (SDM vol. 3, 9.9.2 "Switching
 * Back to Real-Address Mode"): by way of a 16-bit code segment that begins here, so that clearing PE changes nothing.
 */
    .code32
enter_real:
    movl %ebx, %eax
    orl %eax, AT(gdt) + RESIDENT_CODE16 + 2(%ebx) /* bits 23:0 of its base */
    shrl $4, %eax
    movw %ax, AT(real_start) + 2(%ebx)
    ljmp $RESIDENT_CODE16, $AT(1f)
    .code16
1:  movw $RESIDENT_DATA16, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %fs
    movw %ax, %gs
    movw %ax, %ss
    lidtw %cs:AT(real_idt)
    movl %cr0, %eax
    andb $~1, %al /* PE */
    movl %eax, %cr0
    ljmpw *%cs:AT(real_start)

    .balign 8
gdt: /* 3.4.5 "Segment Descriptors" */
    .quad 0
    .quad 0x00009b000000ffff /* RESIDENT_CODE16: base as above, 64 KiB */
    .quad 0x00cf9b000000ffff /* FLAT_CODE */
    .quad 0x00cf93000000ffff /* FLAT_DATA */
    .quad 0x000093000000ffff /* RESIDENT_DATA16: from 0, 64 KiB */
real_idt:
    .short 0x3ff
    .long 0
real_start:
    .short AT(start), 0

/* INT 15H. Only the calls with which an operating system asks for the size of memory. */
int15:
    cmpw $0xe820, %ax
    je e820
    cmpw $0xe801, %ax
    je e801
    cmpw $0xe881, %ax
    je e881
    cmpb $0x88, %ah
    je extended
    ljmpw *%cs:RESIDENT_OLD_INT15

/* ACPI 6.5, 15.1 "INT 15H, E820H": EDX 'SMAP', EBX which one (0 first), ECX bytes at ES:DI. */
e820:
    cmpl $SMAP, %edx
    jne fail
    cmpl $E820_SIZE, %ecx
    jb fail
    movzwl %cs:RESIDENT_MAP_COUNT, %eax
    cmpl %eax, %ebx
    jae fail
    pushw %si
    pushw %di
    pushl %eax
    imulw $E820_SIZE, %bx, %si
    addw %cs:RESIDENT_MAP_OFFSET, %si
    movw $E820_SIZE / 2, %cx
    pushfw
    cld
    rep movsw %cs:(%si), %es:(%di)
    popfw
    popl %eax
    popw %di
    popw %si
    incl %ebx
    cmpl %eax, %ebx
    jb 1f
    xorl %ebx, %ebx
1:  movl $E820_SIZE, %ecx
    movl $SMAP, %eax
    jmp succeed

e881: /* the same in 32-bit registers */
    xorl %eax, %eax
    xorl %ebx, %ebx
    xorl %ecx, %ecx
    xorl %edx, %edx
e801:
    movw %cs:RESIDENT_BELOW_16_KIB, %ax
    movw %cs:RESIDENT_ABOVE_16_64K, %bx
    movw %ax, %cx
    movw %bx, %dx
    jmp succeed

extended:
    movw %cs:RESIDENT_EXTENDED_KIB, %ax
succeed: /* in the caller's flags, which IRET brings back */
    pushw %bp
    movw %sp, %bp
    andw $~CARRY, 6(%bp)
    popw %bp
    iretw
fail:
    movb $0x86, %ah
    pushw %bp
    movw %sp, %bp
    orw $CARRY, 6(%bp)
    popw %bp
    iretw
bios_resident_end:
