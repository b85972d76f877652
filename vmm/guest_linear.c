#include "vmm/guest_linear.h"

#include "lib/string.h"
#include "vmm/guest_memory.h"

enum { EXCHANGE_TRIES_MAX = 64, NOTHING_THERE = 0xff };

bool guest_linear_resolve(const struct guest_paging *paging, uint64_t linear, uint64_t size, unsigned access,
                          struct guest_span *span, struct guest_fault *fault)
{
    struct guest_walk walk;

    for (unsigned i = 0; i < ARRAY_SIZE(span->pieces); i++) {
        uint64_t room = PAGE_SIZE - linear % PAGE_SIZE;

        span->pieces[i].physical = 0;
        span->pieces[i].size = size < room ? size : room;
        if (!span->pieces[i].size)
            continue;
        fault->linear = linear;
        fault->why = guest_walk(paging, linear, access, &walk);
        fault->error = walk.error;
        if (fault->why != GUEST_WALK_OK)
            return false;
        span->pieces[i].physical = walk.physical;
        linear += span->pieces[i].size;
        size -= span->pieces[i].size;
    }
    return true;
}

/* What of [offset, offset + size) lies in the piece that `offset` lies in. */
static uint64_t locate(const struct guest_span *span, uint64_t offset, uint64_t size, uint64_t *physical)
{
    unsigned i = offset >= span->pieces[0].size;
    uint64_t inside = i ? offset - span->pieces[0].size : offset;
    uint64_t room = span->pieces[i].size - inside;

    *physical = span->pieces[i].physical + inside;
    return size < room ? size : room;
}

void guest_span_read(const struct guest_span *span, uint64_t offset, void *to, uint64_t size)
{
    uint64_t physical, bytes;

    for (uint8_t *byte = to; size; byte += bytes, offset += bytes, size -= bytes) {
        bytes = locate(span, offset, size, &physical);
        if (!guest_read_physical(physical, byte, bytes))
            memset(byte, NOTHING_THERE, bytes);
    }
}

void guest_span_write(const struct guest_span *span, uint64_t offset, const void *from, uint64_t size)
{
    uint64_t physical, bytes;

    for (const uint8_t *byte = from; size; byte += bytes, offset += bytes, size -= bytes) {
        bytes = locate(span, offset, size, &physical);
        if (!guest_write_physical(physical, byte, bytes))
            continue; /* dropped */
    }
}

uint8_t guest_span_change(const struct guest_span *span, uint64_t offset, uint8_t mask, uint8_t value)
{
    uint64_t physical, old = NOTHING_THERE;

    locate(span, offset, 1, &physical);
    for (unsigned tries = 0; tries < EXCHANGE_TRIES_MAX; tries++)
        if (guest_exchange_physical(physical, 1, &old, (old & ~(uint64_t)mask) | (value & mask)))
            break;
    return (uint8_t)old;
}
