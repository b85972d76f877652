#include "boot/old_log.h"

#include "lib/format.h"
#include "lib/log.h"
#include "lib/options.h"
#include "lib/string.h"
#include "mm/phys.h"

enum { SHOWN_LINES = 6, SHOWN_BYTES = 16 * 1024, /* a report has some hundred rows */ COMMAND_LINE_MAX = 4096 };

static char tail[SHOWN_BYTES];
static char command_line[COMMAND_LINE_MAX]; /* the guest's, with the parameters */

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

static void print_tail(const void *ring)
{
    const size_t length = log_ring_copy(ring, tail, sizeof(tail));

    make_printable(length);
    log_info("The previous boot ended with:");
    for (size_t at = last_lines(length), size; at < length; at += size + 1) {
        size = line_size(at, length);
        if (!is_row(tail + at, size))
            log_info("  | %.*s", (int)size, tail + at);
    }
}

struct range old_log_save(struct boot_info *info, const void *ring, const struct range *avoid, size_t avoid_count)
{
    const struct range within = {MIB, 4 * GIB};
    struct range place = {0, 0};
    struct error error;

    if (!ring || !log_ring_is_whole(ring))
        return place;
    print_tail(ring);
    if (!options.ramoops ||
        !memmap_find_high(&info->memmap, LOG_RING_BYTES, LOG_RING_BYTES, within, avoid, avoid_count, &place.start))
        return (struct range){0, 0};
    place.end = place.start + LOG_RING_BYTES;
    if (!memmap_set(&info->memmap, place, MEMORY_RESERVED, &error))
        return (struct range){0, 0};
    memcpy(phys_map(place.start, LOG_RING_BYTES), ring, LOG_RING_BYTES);
    return place;
}

void old_log_tell_guest(struct boot_info *info, struct range place)
{
    size_t length;

    if (!range_size(place) || !info->module_count)
        return;
    length = format_text(command_line, sizeof(command_line),
                         "%s ramoops.mem_address=0x%lx ramoops.mem_size=0x%x ramoops.console_size=0x%x "
                         "ramoops.record_size=0 ramoops.ftrace_size=0 ramoops.pmsg_size=0",
                         info->modules[0].string, place.start, LOG_RING_BYTES, LOG_RING_BYTES);
    if (length < sizeof(command_line))
        info->modules[0].string = command_line;
}
