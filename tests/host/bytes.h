/* Building firmware and loader data byte by byte, little-endian, at any alignment. Include tests/host/support.h first.
 */
#pragma once

enum { BYTES_MAX = 16384 };

struct bytes {
    uint8_t data[BYTES_MAX];
    size_t size;
};

static inline void put_bytes(struct bytes *to, const void *from, size_t size)
{
    assert_true(to->size + size <= BYTES_MAX);
    memcpy(to->data + to->size, from, size);
    to->size += size;
}

/* The lowest `size` bytes of `value`. */
static inline void put(struct bytes *to, unsigned size, uint64_t value)
{
    put_bytes(to, &value, size);
}

static inline void patch(struct bytes *to, size_t offset, unsigned size, uint64_t value)
{
    assert_true(offset + size <= to->size);
    memcpy(to->data + offset, &value, size);
}

static inline void put_zeros(struct bytes *to, size_t size)
{
    while (size-- > 0)
        put(to, 1, 0);
}

static inline void put_align(struct bytes *to, size_t align)
{
    while (to->size % align != 0)
        put(to, 1, 0xee); /* padding is nobody's business */
}
