/* The multiboot2 header (Multiboot2 Specification 2.0, 3.1): by its tags GRUB finds the entry point and gives us
 * modules on page boundaries, the memory map, ACPI's RSDP and a framebuffer or, where it can't, text mode. */

#define MAGIC        0xe85250d6
#define ARCHITECTURE 0 /* i386, 32-bit protected mode */

#define TAG_END                 0
#define TAG_INFORMATION_REQUEST 1
#define TAG_ENTRY_ADDRESS       3
#define TAG_FRAMEBUFFER         5
#define TAG_MODULE_ALIGNMENT    6
#define TAG_RELOCATABLE         10
#define OPTIONAL 1

    .section .multiboot2, "ax"
    .balign 8
header:
    .long MAGIC
    .long ARCHITECTURE
    .long header_end - header
    .long -(MAGIC + ARCHITECTURE + (header_end - header))

    .balign 8
1:  .short TAG_INFORMATION_REQUEST, 0
    .long 2f - 1b
    .long 6 /* memory map: Plinth can't go on without one */
2:
    .balign 8
    .short TAG_ENTRY_ADDRESS, 0
    .long 12
    .long entry32_physical

    .balign 8
    .short TAG_MODULE_ALIGNMENT, 0
    .long 8

    /* Where something of the firmware lies at the linked address, as may be on UEFI, the loader is to find another one. A loader
     * that doesn't know of this takes the linked one. */
    .balign 8
    .short TAG_RELOCATABLE, OPTIONAL
    .long 24
    .long 0x100000, 0xffffffff /* lowest and highest */
    .long 0x200000             /* alignment: boot/entry.S maps it in 2 MiB pages */
    .long 1                    /* the lower the better */

    /* Any mode will do. For this tag `multiboot2` sets GRUB's variable gfxpayload to "auto", so to a graphics mode on BIOS too;
     * what an entry sets after it holds, an empty value for GRUB's default: text on BIOS, graphics on UEFI, as `linux` has it.
     * Without the tag BIOS would have text whatever the entry says. */
    .balign 8
    .short TAG_FRAMEBUFFER, OPTIONAL
    .long 20
    .long 0, 0, 0

    .balign 8
    .short TAG_END, 0
    .long 8
header_end:
