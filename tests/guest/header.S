/*
 * The test guest's Linux setup header (Documentation/x86/boot.rst, "The Real-Mode Kernel Header"): protocol 2.12,
 * loaded high, entered by the 32-bit boot protocol. There is no real-mode kernel behind it.
 */
    .section .setup, "a"
setup:
    .org 0x1f1
    .byte 1              /* setup_sects: with the boot sector 1024 bytes */
    .word 0              /* root_flags */
    .long payload_paragraphs
    .word 0              /* ram_size */
    .word 0xffff         /* vid_mode: normal */
    .word 0              /* root_dev */
    .word 0xaa55         /* boot_flag */
    .byte 0xeb, header_end - jump_end /* jump: its distance is also the header's length */
jump_end:
    .ascii "HdrS"
    .word 0x020c         /* version */
    .long 0              /* realmode_swtch */
    .word 0              /* start_sys_seg */
    .word 0              /* kernel_version: none */
    .byte 0              /* type_of_loader */
    .byte 1              /* loadflags: LOADED_HIGH */
    .word 0              /* setup_move_size */
    .long 0x100000       /* code32_start */
    .long 0, 0           /* ramdisk_image, ramdisk_size */
    .long 0              /* bootsect_kludge */
    .word 0              /* heap_end_ptr */
    .byte 0, 0           /* ext_loader_ver, ext_loader_type */
    .long 0              /* cmd_line_ptr */
    .long 0x7fffffff     /* initrd_addr_max */
    .long 0x200000       /* kernel_alignment */
    .byte 1              /* relocatable_kernel: entry.S moves itself to where it was linked */
    .byte 21             /* min_alignment: 2 MiB */
    .word 0              /* xloadflags: the 32-bit entry only */
    .long 1023           /* cmdline_size */
    .long 0              /* hardware_subarch */
    .quad 0              /* hardware_subarch_data */
    .long 0, 0           /* payload_offset, payload_length */
    .quad 0              /* setup_data */
    .quad image_start    /* pref_address */
    .long image_init_size
    .long 0              /* handover_offset */
header_end:
    .org 0x400
