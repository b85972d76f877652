/* Names for addresses: lib/symbols.h. */
#include "lib/symbols.h"

/* What is left of the table. */
struct cursor {
    const uint8_t *next, *end;
};

/* A ULEB128 number: 7 bits a byte, the lowest first; the top bit says that more follow. */
static bool read_number(struct cursor *cursor, uint64_t *number)
{
    *number = 0;
    for (unsigned shift = 0; cursor->next < cursor->end && shift < 63; shift += 7) {
        uint8_t byte = *cursor->next++;

        *number |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

static bool read_name(struct cursor *cursor, const char **name)
{
    *name = (const char *)cursor->next;
    while (cursor->next < cursor->end)
        if (!*cursor->next++)
            return true;
    return false;
}

bool symbols_find(const uint8_t *table, size_t size, uint64_t distance, struct symbol *symbol)
{
    struct cursor cursor = {table, table + size};
    const char *name;
    uint64_t step, address = 0;
    bool found = false;

    while (read_number(&cursor, &step) && read_name(&cursor, &name)) {
        address += step;
        if (address > distance)
            break;
        *symbol = (struct symbol){.name = name, .offset = distance - address};
        found = true;
    }
    return found;
}
