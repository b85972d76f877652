/* The EPT as text. */
#include "mm/ept_dump.h"
#include "lib/format.h"
#include "mm/pgtable_walk.h"

static const char *type_name(uint64_t attributes)
{
    static const char names[8][4] = {"UC", "WC", "2?", "3?", "WT", "WP", "WB", "7?"};

    return names[attributes >> EPT_TYPE_SHIFT & 7];
}

static const char *size_name(unsigned level)
{
    static const char names[4][3] = {"?", "4K", "2M", "1G"};

    return names[level < 4 ? level : 0];
}

bool ept_dump_line(const struct ept *ept, uint64_t *address, char text[EPT_LINE_MAX])
{
    struct pgtable_run run;
    size_t length;

    if (!pgtable_next_run(&ept->table, address, (uint64_t)1 << (12 + 9 * PGTABLE_LEVELS), &run))
        return false;
    length = format_text(text, EPT_LINE_MAX, "%016lx-%016lx %c%c%c %s %s", run.range.start, run.range.end,
                         run.attributes & EPT_READ ? 'r' : '-', run.attributes & EPT_WRITE ? 'w' : '-',
                         run.attributes & EPT_EXECUTE ? 'x' : '-', type_name(run.attributes), size_name(run.level));
    if (run.physical != run.range.start)
        format_text(text + length, EPT_LINE_MAX - length, " -> %lx", run.physical);
    return true;
}
