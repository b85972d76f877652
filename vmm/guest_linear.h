/*
 * Accesses by linear address under given paging: first the translation of all pages, which may fault, then the bytes.
 * Pure, but for the memory behind vmm/guest_memory.h.
 */
#pragma once

#include "arch/x86/guest_walk.h"

/* What stands in the way of an access. */
struct guest_fault {
    enum guest_walk_result why; /* GUEST_WALK_OK: nothing but Plinth's block */
    uint64_t linear;            /* where: the first byte of the access in the page concerned */
    uint32_t error;             /* of the #PF */
};

/* Where at most a page's worth of bytes lies. */
struct guest_span {
    struct {
        uint64_t physical, size;
    } pieces[2];
};

/* `access`: the GUEST_ bits of guest_walk.h. False: *fault says why. */
must_check bool guest_linear_resolve(const struct guest_paging *paging, uint64_t linear, uint64_t size, unsigned access,
                                     struct guest_span *span, struct guest_fault *fault);

/* `size` bytes from `offset` on, inside the span. As on an empty bus where the guest can't reach: all-ones are read,
 * what is written is dropped. */
void guest_span_read(const struct guest_span *span, uint64_t offset, void *to, uint64_t size);
void guest_span_write(const struct guest_span *span, uint64_t offset, const void *from, uint64_t size);

/* The bits of a byte that are in `mask` become those of `value`, in one locked access. Returns what was there. */
uint8_t guest_span_change(const struct guest_span *span, uint64_t offset, uint8_t mask, uint8_t value);
