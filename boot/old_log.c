#include "boot/old_log.h"

#include "guest/linux.h"
#include "lib/log.h"
#include "lib/options.h"
#include "lib/string.h"
#include "mm/phys.h"

enum { SHOWN_LINES = 6, SHOWN_BYTES = 16 * 1024, /* a report has some hundred rows */ COMMAND_LINE_MAX = 4096 };

static char tail[SHOWN_BYTES];

/* Rows of a report: they are in the log that the guest gets, here only what they are about is wanted. */
static bool is_row(const char *line, size_t size)
{
    static const char mark[] = "error:  ";

    return size >= sizeof(mark) - 1 && memcmp(line, mark, sizeof(mark) - 1) == 0;
}

static size_t line_size(size_t at, size_t length)
{
    size_t size = 0;

    while (at + size < length && tail[at + size] != '\n')
        size++;
    return size;
}

/* Where the last SHOWN_LINES lines begin, rows not counted. */
static size_t last_lines(size_t length)
{
    unsigned lines = 0;
    size_t end = length;

    while (end > 0 && lines < SHOWN_LINES) {
        size_t begin = end - 1; /* of a line that ends at `end`, its newline included */

        while (begin > 0 && tail[begin - 1] != '\n')
            begin--;
        lines += !is_row(tail + begin, end - begin);
        end = begin;
    }
    return end;
}

/* Memory that was off for a moment may hold anything. */
static void make_printable(size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (tail[i] != '\n' && (tail[i] < ' ' || tail[i] > '~'))
            tail[i] = '?';
}

static void print_tail(const struct log_ring *ring, enum log_ring_state state)
{
    const size_t length = log_ring_copy(ring, tail, sizeof(tail));

    make_printable(length);
    log_info("The previous boot ended with%s:", state == LOG_RING_WHOLE ? "" : " (its log has changed in part since)");
    for (size_t at = last_lines(length), size; at < length; at += size + 1) {
        size = line_size(at, length);
        if (!is_row(tail + at, size))
            log_info("  | %.*s", (int)size, tail + at);
    }
}

static bool guest_is_linux(const struct boot_info *info)
{
    const struct range file = info->modules[0].range;
    const void *kernel = info->module_count ? phys_map(file.start, range_size(file)) : NULL;

    return kernel && linux_recognise(kernel, range_size(file));
}

struct log_ring *old_log_find(struct range block, uint64_t own)
{
    struct log_ring *ring = phys_map(own, sizeof(*ring));

    if (ring && log_ring_check(ring) != LOG_RING_NONE)
        return ring;
    for (uint64_t at = block.start; at + sizeof(*ring) <= block.end; at += PAGE_SIZE) {
        ring = phys_map(at, sizeof(*ring));
        if (ring && log_ring_check(ring) == LOG_RING_WHOLE)
            return ring;
    }
    return NULL;
}

/*
 * Where a Linux guest shall see the log: the range, now reserved, or an empty one. Reserved without a log (ring NULL),
 * too: a system that hibernates after a warm reset and wakes after a cold one must find the same e820, or Linux gives
 * the saved system up ("Hibernate inconsistent memory map detected").
 */
static struct range copy_for_guest(struct boot_info *info, const struct log_ring *ring, const struct memmap *free,
                                   const struct range *avoid, size_t avoid_count)
{
    const struct range none = {0, 0}, within = {MIB, 4 * GIB};
    struct range place;
    struct error error;

    if (!options.ramoops || !guest_is_linux(info) ||
        !memmap_find_high(free, LOG_RING_BYTES, LOG_RING_BYTES, within, avoid, avoid_count, &place.start))
        return none;
    place.end = place.start + LOG_RING_BYTES;
    if (!memmap_set(&info->memmap, place, MEMORY_RESERVED, &error))
        return none;
    if (ring)
        memcpy(phys_map(place.start, LOG_RING_BYTES), ring, LOG_RING_BYTES);
    return place;
}

struct range old_log_save(struct boot_info *info, struct log_ring *ring, const struct memmap *free,
                          const struct range *avoid, size_t avoid_count)
{
    struct range place;

    if (ring)
        print_tail(ring, log_ring_check(ring));
    else
        log_info("Previous boot: memory holds no log of it");
    place = copy_for_guest(info, ring, free, avoid, avoid_count);
    if (ring)
        log_ring_forget(ring); /* or yet another build would find it, when it is old */
    return place;
}
