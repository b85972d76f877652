/*
 * What the Linux/x86 boot protocol lays out in memory: the setup header of a kernel file and the zero page
 * (Documentation/x86/boot.rst, "The Real-Mode Kernel Header", and zero-page.rst). Layout only. Pure.
 */
#pragma once

#include "lib/compiler.h"

/* boot.rst; a file holds it at 0x1f1, and so does the zero page. */
struct setup_header {
    uint8_t setup_sects;
    uint16_t root_flags;
    uint32_t syssize;
    uint16_t ram_size;
    uint16_t vid_mode;
    uint16_t root_dev;
    uint16_t boot_flag;
    uint8_t jump_opcode;
    uint8_t jump_distance; /* from 0x202 on: where the header ends */
    uint32_t header;
    uint16_t version;
    uint32_t realmode_swtch;
    uint16_t start_sys_seg;
    uint16_t kernel_version;
    uint8_t type_of_loader;
    uint8_t loadflags;
    uint16_t setup_move_size;
    uint32_t code32_start;
    uint32_t ramdisk_image;
    uint32_t ramdisk_size;
    uint32_t bootsect_kludge;
    uint16_t heap_end_ptr;
    uint8_t ext_loader_ver;
    uint8_t ext_loader_type;
    uint32_t cmd_line_ptr;
    uint32_t initrd_addr_max;
    uint32_t kernel_alignment;
    uint8_t relocatable_kernel;
    uint8_t min_alignment;
    uint16_t xloadflags;
    uint32_t cmdline_size;
    uint32_t hardware_subarch;
    uint64_t hardware_subarch_data;
    uint32_t payload_offset;
    uint32_t payload_length;
    uint64_t setup_data;
    uint64_t pref_address;
    uint32_t init_size;
    uint32_t handover_offset;
    uint32_t kernel_info_offset;
} packed;

enum {
    SETUP_HEADER_OFFSET = 0x1f1,
    SETUP_HEADER_JUMP_FROM = 0x202, /* what jump_distance counts from */
    SETUP_HEADER_END_MAX = 0x290,   /* the zero page has no room for a longer one */
    BOOT_FLAG = 0xaa55,
    HEADER_MAGIC = 0x53726448, /* "HdrS" */
    LOADFLAGS_LOADED_HIGH = 1 << 0,
    TYPE_OF_LOADER_UNDEFINED = 0xff,
    VID_MODE_NORMAL = 0xffff,
};

/* orig_video_isVGA: what kind of screen it is (Linux's include/uapi/linux/screen_info.h). */
enum { VIDEO_TYPE_VGA_TEXT = 1, VIDEO_TYPE_VLFB = 0x23, VIDEO_TYPE_EFI = 0x70 };
enum { VIDEO_CAPABILITY_64BIT_BASE = 1 << 1 };

struct screen_info {
    uint8_t orig_x, orig_y;
    uint16_t ext_mem_k;
    uint16_t orig_video_page;
    uint8_t orig_video_mode;
    uint8_t orig_video_cols;
    uint8_t flags;
    uint8_t unused2;
    uint16_t orig_video_ega_bx;
    uint16_t unused3;
    uint8_t orig_video_lines;
    uint8_t orig_video_isVGA;
    uint16_t orig_video_points;
    uint16_t lfb_width, lfb_height, lfb_depth;
    uint32_t lfb_base;
    uint32_t lfb_size;
    uint16_t cl_magic, cl_offset;
    uint16_t lfb_linelength;
    uint8_t red_size, red_pos, green_size, green_pos, blue_size, blue_pos, rsvd_size, rsvd_pos;
    uint16_t vesapm_seg, vesapm_off;
    uint16_t pages;
    uint16_t vesa_attributes;
    uint32_t capabilities;
    uint32_t ext_lfb_base;
    uint8_t reserved[2];
} packed;

struct e820_entry {
    uint64_t addr;
    uint64_t size;
    uint32_t type;
} packed;

/* Linux's include/uapi/asm/bootparam.h; "EL32" or "EL64" by the firmware's width. */
struct efi_info {
    char loader_signature[4];
    uint32_t systab;
    uint32_t memdesc_size;
    uint32_t memdesc_version;
    uint32_t memmap;
    uint32_t memmap_size;
    uint32_t systab_hi;
    uint32_t memmap_hi;
} packed;

enum { E820_MAX_ENTRIES_ZEROPAGE = 128 };

/* A node of the list at setup_header.setup_data; the payload follows. */
struct setup_data {
    uint64_t next;
    uint32_t type;
    uint32_t len;
} packed;

enum { SETUP_E820_EXT = 1 };

struct boot_params {
    struct screen_info screen_info;
    uint8_t pad_040[0x30];
    uint64_t acpi_rsdp_addr;
    uint8_t pad_078[0x48];
    uint32_t ext_ramdisk_image;
    uint32_t ext_ramdisk_size;
    uint32_t ext_cmd_line_ptr;
    uint8_t pad_0cc[0xf4];
    struct efi_info efi_info;
    uint32_t alt_mem_k;
    uint32_t scratch;
    uint8_t e820_entries;
    uint8_t pad_1e9[6];
    uint8_t sentinel;
    uint8_t pad_1f0;
    struct setup_header hdr;
    uint8_t pad_26c[0x64];
    struct e820_entry e820_table[E820_MAX_ENTRIES_ZEROPAGE];
    uint8_t pad_cd0[0x330];
} packed;

_Static_assert(offsetof(struct setup_header, header) == 0x202 - SETUP_HEADER_OFFSET, "boot.rst");
_Static_assert(offsetof(struct setup_header, cmd_line_ptr) == 0x228 - SETUP_HEADER_OFFSET, "boot.rst");
_Static_assert(offsetof(struct setup_header, init_size) == 0x260 - SETUP_HEADER_OFFSET, "boot.rst");
_Static_assert(sizeof(struct setup_header) == 0x26c - SETUP_HEADER_OFFSET, "boot.rst");
_Static_assert(sizeof(struct screen_info) == 0x40, "zero-page.rst");
_Static_assert(offsetof(struct screen_info, lfb_width) == 0x12, "screen_info.h");
_Static_assert(offsetof(struct screen_info, capabilities) == 0x36, "screen_info.h");
_Static_assert(sizeof(struct e820_entry) == 20, "zero-page.rst");
_Static_assert(offsetof(struct boot_params, acpi_rsdp_addr) == 0x70, "zero-page.rst");
_Static_assert(offsetof(struct boot_params, ext_ramdisk_image) == 0xc0, "zero-page.rst");
_Static_assert(offsetof(struct boot_params, efi_info) == 0x1c0, "zero-page.rst");
_Static_assert(offsetof(struct boot_params, alt_mem_k) == 0x1e0, "zero-page.rst");
_Static_assert(offsetof(struct boot_params, e820_entries) == 0x1e8, "zero-page.rst");
_Static_assert(offsetof(struct boot_params, sentinel) == 0x1ef, "zero-page.rst");
_Static_assert(offsetof(struct boot_params, hdr) == SETUP_HEADER_OFFSET, "zero-page.rst");
_Static_assert(offsetof(struct boot_params, e820_table) == 0x2d0, "zero-page.rst");
_Static_assert(sizeof(struct boot_params) == 4096, "zero-page.rst");
