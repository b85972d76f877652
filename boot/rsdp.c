#include "boot/rsdp.h"

#include "lib/string.h"
#include "mm/phys.h"

enum { BDA_EBDA_SEGMENT = 0x40e, EBDA_SIZE = 1024, BIOS_START = 0xe0000, BIOS_END = 0x100000, RSDP_ALIGN = 16 };

static uint64_t search(uint64_t start, uint64_t end, const void *copy, size_t size)
{
    for (uint64_t at = start; at + size <= end; at += RSDP_ALIGN) {
        const void *there = phys_map(at, size);

        if (there && !memcmp(there, copy, size))
            return at;
    }
    return 0;
}

uint64_t rsdp_find(const void *copy, size_t size)
{
    const uint16_t *segment = phys_map(BDA_EBDA_SEGMENT, sizeof(*segment));
    uint64_t ebda = segment ? (uint64_t)*segment << 4 : 0, found = 0;

    if (!copy)
        return 0;
    if (ebda)
        found = search(ebda, ebda + EBDA_SIZE, copy, size);
    return found ? found : search(BIOS_START, BIOS_END, copy, size);
}
