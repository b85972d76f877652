/*
 * Any memory where an earlier boot's log may be: the input's first bytes are the ring's header and sum, the rest its
 * text, again and again; or it was written as a log, or is another build's. Only whole, printable lines come out of it,
 * and the place that a guest gets is the ring as it was.
 */
#include <stdlib.h>
#include <string.h>

#include "boot/old_log.h"
#include "lib/options.h"
#include "tests/host/support.h"

enum { RING = 16 << 20, KERNEL = RING + (1 << 20), PLACE = 32 << 20, LINES_MAX = 7, KERNEL_SIZE = 0x206 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool right)
{
    if (!right)
        abort();
}

static struct log_ring *make_ring(const uint8_t *data, size_t size)
{
    struct log_ring *ring = arena_add(RING, sizeof(*ring));
    const size_t header = offsetof(struct log_ring, text);

    for (size_t i = 0; size > 0 && i < sizeof(ring->text); i += size)
        memcpy(ring->text + i, data, size < sizeof(ring->text) - i ? size : sizeof(ring->text) - i);
    memcpy(ring, data, size < header ? size : header);
    if (size > header + sizeof(ring->sum))
        memcpy(&ring->sum, data + header, sizeof(ring->sum));
    if (size > 0 && data[size - 1] & 1) /* most inputs should get past the magic */
        ring->magic = 0x43474244;
    if (size > 0 && data[size - 1] & 4) { /* and none would find its sum */
        memset(ring, 0, sizeof(*ring));
        log_ring_write(ring, (const char *)data, (uint32_t)size);
    }
    return ring;
}

static void check_console(const char *text)
{
    size_t line = 0;
    unsigned lines = 0;

    for (; *text; text++) {
        check(*text == '\n' || (*text >= ' ' && *text <= '~'));
        line = *text == '\n' ? 0 : line + 1;
        lines += *text == '\n';
        check(line < LOG_LINE_MAX);
    }
    check(line == 0 && lines >= 1 && lines <= LINES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct boot_info info;
    static struct log_ring before;
    struct memmap free;
    struct range place;
    enum log_ring_state state;
    struct error error;
    struct log_ring *ring, *found;
    uint8_t *kernel, *copy;
    bool elsewhere = size > 0 && data[size - 1] & 2; /* the ring is another build's */

    arena_clear();
    console_clear();
    memset(&info, 0, sizeof(info));
    ring = make_ring(data, size);
    before = *ring;
    kernel = arena_add(KERNEL, KERNEL_SIZE);
    copy = arena_add(PLACE, LOG_RING_BYTES);
    memcpy(kernel + 0x1fe, "\x55\xaa", 2);
    memcpy(kernel + 0x202, "HdrS", 4);
    info.module_count = 1;
    info.modules[0].range = (struct range){KERNEL, KERNEL + KERNEL_SIZE};
    check(memmap_add(&info.memmap, (struct range){PLACE, PLACE + LOG_RING_BYTES}, MEMORY_RAM, &error));
    free = info.memmap;
    options.ramoops = true;
    state = log_ring_check(ring);
    found = old_log_find((struct range){RING - PAGE_SIZE, RING + sizeof(*ring)}, elsewhere ? PLACE : RING);
    check(found == (state == LOG_RING_WHOLE || (state != LOG_RING_NONE && !elsewhere) ? ring : NULL));
    place = old_log_save(&info, found, &free, NULL, 0);
    check_console(console_text());
    check(place.start == PLACE && range_size(place) == LOG_RING_BYTES);
    check(!found || memcmp(copy, &before, LOG_RING_BYTES) == 0);
    check(!found || log_ring_check(ring) == LOG_RING_NONE);
    before.magic = ring->magic;
    check(memcmp(ring, &before, sizeof(before)) == 0);
    return 0;
}
