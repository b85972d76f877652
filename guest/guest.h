/* What is handed to the guest, and how it is entered. Pure. Boot only. */
#pragma once

#include "lib/error.h"
#include "lib/range.h"
#include "mm/efi_map.h"
#include "mm/memmap.h"

enum { GUEST_MODULES_MAX = 15 };

/* A file that the loader left in memory beside the kernel, and its string. */
struct guest_module {
    struct range range; /* physical */
    const char *string; /* in Plinth's own memory */
};

/* The guest's images as the loader left them in memory, and what is known of the machine. */
struct guest_source {
    struct range kernel;      /* physical: first module, the file as it was */
    const char *command_line; /* of the first module */
    struct range initrd;      /* physical: the first further module; empty if there is none */
    struct range old_log;     /* physical: reserved for what an earlier boot logged; empty: no place */
    bool has_old_log;         /* it is there, for Linux's ramoops */
    uint8_t chainload;        /* not 0: no kernel, but the boot sector of this disk of the BIOS, from 80H on */
    bool has_bios;            /* the firmware is no UEFI */
    bool serial;              /* the resident code may print on COM1 */
    const void *resident;     /* guest/bios_resident.S, from bios_resident_start on */
    uint64_t resident_size;
    const char *loader_name;                        /* Plinth's own */
    struct guest_module modules[GUEST_MODULES_MAX]; /* all but the first, in their order; for Linux, if more than one,
                                                     * what its initrd is joined of */
    unsigned module_count;
    const void *rsdp_copy; /* the RSDP's first rsdp_size bytes, 20 or at least 36; NULL if unknown */
    uint32_t rsdp_size;
    uint64_t rsdp;               /* physical address of the RSDP in the machine's memory, 0 if unknown */
    struct range block;          /* Plinth's own memory; already reserved in memmap */
    const struct memmap *memmap; /* what the guest shall see */
    const struct memmap *free;   /* where images may be put; NULL: in all RAM of memmap */
    struct {
        uint64_t system_table; /* physical; 0: no UEFI that the guest could use */
        bool is_64bit;
        struct efi_map map; /* as efi_map_check() took it; the guest gets it without the block */
    } efi;
    struct range avoid[8]; /* further ranges not to touch (RAM that must stay as it is until launch) */
    unsigned avoid_count;
    struct {
        bool present;
        bool text; /* EGA text mode: width and height in characters */
        uint64_t address;
        uint32_t pitch, width, height;
        uint8_t bits_per_pixel, red_position, red_size, green_position, green_size, blue_position, blue_size;
    } screen;
};

/* The state in which the boot CPU enters the guest: 32-bit protected mode, paging off, flat segments,
 * interrupts off (Documentation/x86/boot.rst, "32-bit Boot Protocol"; Multiboot Specification 0.6.96, 3.2 "Machine
 * state"). All other general registers are 0. */
struct guest_entry {
    uint32_t eip;
    uint32_t eax, ebx, esi;
    uint32_t gdt_base; /* physical address of the guest's GDT */
    uint16_t gdt_limit;
    uint16_t code_selector, data_selector;
    uint8_t real_mode_page; /* not 0: on Plinth it starts in real mode, as a SIPI with this vector starts a CPU */
    /* For messages and checks: where the images are now; an empty range if there is none. */
    struct range kernel, initrd, parameters;
};
