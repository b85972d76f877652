#include "lib/log_ring.h"

#include "lib/string.h"

enum { MAGIC = 0x43474244 /* PERSISTENT_RAM_SIG */ };

#define TEXT_MAX (uint32_t)sizeof(((struct log_ring *)0)->text)

/* Each byte by its place, so that bytes that have changed places are found too. */
static uint32_t weigh(const struct log_ring *ring, uint32_t start, uint32_t length)
{
    uint32_t sum = 0;

    for (uint32_t i = start; i < start + length; i++)
        sum += (uint8_t)ring->text[i] * (2 * i + 1);
    return sum;
}

static void put(struct log_ring *ring, uint32_t start, const char *text, uint32_t length)
{
    const uint32_t before = weigh(ring, start, length);

    memcpy(ring->text + start, text, length);
    ring->sum += weigh(ring, start, length) - before;
    log_write_back(ring->text + start, length);
}

/* `start` is read once, so it never leads out of the ring. */
void log_ring_write(struct log_ring *ring, const char *text, uint32_t length)
{
    const uint32_t start = __atomic_load_n(&ring->start, __ATOMIC_RELAXED);
    const uint32_t size = __atomic_load_n(&ring->size, __ATOMIC_RELAXED);
    const uint32_t first = length < TEXT_MAX - start ? length : TEXT_MAX - start;

    put(ring, start, text, first);
    put(ring, 0, text + first, length - first);
    ring->magic = MAGIC; /* here rather than in an initializer, which would put 64 KiB into the image file */
    __atomic_store_n(&ring->size, length < TEXT_MAX - size ? size + length : TEXT_MAX, __ATOMIC_RELAXED);
    __atomic_store_n(&ring->start, (start + length) % TEXT_MAX, __ATOMIC_RELAXED);
    log_write_back(ring, offsetof(struct log_ring, text));
    log_write_back(&ring->sum, sizeof(ring->sum));
}

/* As ramoops checks it; and until the text goes round, `start` is `size`, or lags behind if an update was cut short. */
enum log_ring_state log_ring_check(const struct log_ring *ring)
{
    if (ring->magic != MAGIC || ring->size == 0 || ring->size > TEXT_MAX || ring->start >= TEXT_MAX ||
        ring->start > ring->size)
        return LOG_RING_NONE;
    return weigh(ring, 0, ring->size) == ring->sum ? LOG_RING_WHOLE : LOG_RING_CHANGED;
}

size_t log_ring_copy(const struct log_ring *ring, char *buffer, size_t size)
{
    const uint32_t length = size < ring->size ? (uint32_t)size : ring->size;
    const uint32_t end = ring->size < TEXT_MAX ? ring->size : ring->start;
    const uint32_t begin = (end + TEXT_MAX - length) % TEXT_MAX;
    const uint32_t first = length < TEXT_MAX - begin ? length : TEXT_MAX - begin;

    memcpy(buffer, ring->text + begin, first);
    memcpy(buffer + first, ring->text, length - first);
    return length;
}

void log_ring_forget(struct log_ring *ring)
{
    ring->magic = 0;
    log_write_back(ring, sizeof(ring->magic));
}
