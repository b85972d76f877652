/* The header of a multiboot or multiboot2 kernel file, checked and in host terms. Pure. Boot only. */
#pragma once

#include "guest/image.h"

enum multiboot_preference { MULTIBOOT_ANYWHERE = 0, MULTIBOOT_LOWEST = 1, MULTIBOOT_HIGHEST = 2 };

struct multiboot_header {
    unsigned version;    /* 1 or 2 */
    struct image image;  /* its segments */
    uint32_t entry;      /* physical, in a segment, as long as the image is not moved */
    bool align_modules;  /* modules on page boundaries */
    bool wants_graphics; /* prefers a linear framebuffer to text */
    bool needs_graphics; /* can't do without one */
    bool needs_screen;   /* can't do without any */
    bool relocatable;    /* as a whole, within the following */
    struct range within;
    uint64_t alignment; /* a power of two */
    enum multiboot_preference preference;
};

/* What a header search gives besides an offset. */
enum { MULTIBOOT_NO_HEADER = -1 };

/*
 * The offset of the header (of both its version and a right checksum), or MULTIBOOT_NO_HEADER. Multiboot Specification
 * 0.6.96, 3.1.1, and Multiboot2 Specification 2.0, 3.1.1.
 */
int64_t multiboot1_find(const void *file, size_t size);
int64_t multiboot2_find(const void *file, size_t size);

/*
 * Checks the header at `offset`, and the file's program headers or the header's address fields, and fills *header.
 * Fails with an error that names the field, or what the header demands and Plinth doesn't give.
 */
must_check bool multiboot1_check(const void *file, size_t size, uint64_t offset, struct multiboot_header *header,
                                 struct error *error);
must_check bool multiboot2_check(const void *file, size_t size, uint64_t offset, struct multiboot_header *header,
                                 struct error *error);

/* For both: the fields of a header with addresses; an `end` of 0 stands for the file's end, a `bss_end` of 0 for none.
 */
struct multiboot_addresses {
    uint64_t header_offset;          /* in the file */
    uint32_t header_addr, load_addr; /* where the header shall lie, and what is loaded first */
    uint32_t load_end_addr, bss_end_addr;
    bool whole_file; /* load_addr is not given: the file from its first byte on */
};

/* The one segment that they ask for. Fails with the field's name. */
must_check bool multiboot_addresses_read(const struct multiboot_addresses *fields, size_t size, struct image *image,
                                         struct error *error);
