/* Where a multiboot kernel's segments, modules and information go in memory. Pure. Boot only. */
#pragma once

#include "guest/guest.h"
#include "guest/multiboot_header.h"

struct multiboot_plan {
    uint64_t shift;     /* is added to all addresses of the image, modulo 2^64; 0 if it isn't relocated */
    struct range image; /* the image's span there */
    struct range file;  /* the kernel's file while segments are made of it: a copy if they would run over it */
    struct range modules[GUEST_MODULES_MAX]; /* where they shall be: their old place if it is a good one */
    struct range information;                /* page aligned; overlaps neither the segments nor the modules */
};

/*
 * Finds the places, in RAM below 4 GiB, beside the block and `avoid`. Any new place is free of all that is still to be
 * moved, so that the order is: modules, file, segments, information. Fails with the field and the remedy.
 */
must_check bool multiboot_place(const struct guest_source *source, const struct multiboot_header *header,
                                uint64_t information_size, struct multiboot_plan *plan, struct error *error);

/* A segment's place in the plan. */
static inline struct range multiboot_segment(const struct multiboot_plan *plan, const struct image_segment *segment)
{
    return (struct range){segment->to.start + plan->shift, segment->to.end + plan->shift};
}
