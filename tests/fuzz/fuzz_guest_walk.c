/* Page tables, control registers and an address, all from the input: the walker against the model. */
#include <stdlib.h>
#include <string.h>

#include "tests/host/guest_walk_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct packed head {
    uint64_t cr0, cr3, cr4, efer, pdpte[4], linear;
    uint16_t access;
    uint8_t physical_bits, flags;
};

static void check(bool right)
{
    if (!right)
        abort();
}

/* Tables may lie anywhere in the little memory, if addresses are folded into it. */
static uint64_t folded(uint64_t value)
{
    return (value & ~(uint64_t)0xff000) | (value & 0x3f000);
}

static void fill(const uint8_t *data, size_t size)
{
    memset(guest_world, 0, sizeof(guest_world));
    for (uint16_t at; size >= 10; data += 10, size -= 10) {
        uint64_t entry;

        memcpy(&at, data, 2);
        memcpy(&entry, data + 2, 8);
        guest_world_set(at * 8u % GUEST_WORLD_BYTES, 8, folded(entry));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct head h;
    struct guest_paging p;
    struct guest_walk walk;
    struct model_walk right;

    if (size < sizeof(h))
        return 0;
    memcpy(&h, data, sizeof(h));
    fill(data + sizeof(h), size - sizeof(h));
    p = (struct guest_paging){.cr0 = h.cr0,
                              .cr3 = folded(h.cr3) & 0xfffff,
                              .cr4 = h.cr4,
                              .efer = h.efer,
                              .physical_bits = 32 + h.physical_bits % 21,
                              .gib_pages = h.flags & 1,
                              .ac = h.flags & 2,
                              .pkru = (uint32_t)(h.linear * 0x9e3779b1),
                              .pkrs = (uint32_t)(h.cr0 >> 32)};
    for (unsigned i = 0; i < 4; i++)
        p.pdpte[i] = folded(h.pdpte[i]) & 0xfffff;
    right = model_walk(&p, h.linear, h.access);
    check(guest_walk(&p, h.linear, h.access, &walk) == right.result);
    check(walk.error == right.error);
    check(right.result != GUEST_WALK_OK || walk.physical == right.physical);
    return 0;
}
