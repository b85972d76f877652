/* A program that wants to lie at certain addresses: what an ELF file's program headers, or multiboot's address fields,
 * ask for. Pure. Boot only. */
#pragma once

#include "lib/error.h"
#include "lib/range.h"

enum { IMAGE_SEGMENTS_MAX = 32 };

struct image_segment {
    struct range to;          /* physical, below 4 GiB, not empty; zeros from `bytes` on */
    uint64_t virtual_address; /* of to.start, as the entry point counts */
    uint64_t offset, bytes;   /* in the file; at most the size of `to` */
    unsigned number;          /* for messages: the program header's */
};

struct image {
    struct image_segment segments[IMAGE_SEGMENTS_MAX];
    unsigned count;    /* at least 1 */
    bool is_elf;       /* for messages */
    uint64_t entry;    /* as the file says it: virtual */
    struct range span; /* the least that holds all segments */
};

/* Appends a segment; fails, naming the field, if there are too many of them or it overlaps one that is there. */
must_check bool image_add(struct image *image, const struct image_segment *segment, struct error *error);

/* The physical address of a virtual one within a segment, or of a physical one as it is. False: in no segment. */
must_check bool image_locate(const struct image *image, uint64_t address, uint32_t *physical);

/* How messages name a segment, e.g. "program header 2 (p_paddr, p_memsz)". */
void image_name(const struct image *image, const struct image_segment *segment, char *text, size_t text_size);
