#include "tests/host/guest_world.h"

#include <string.h>

#include "vmm/guest_memory.h"

uint8_t guest_world[GUEST_WORLD_BYTES];
unsigned guest_world_reads, guest_world_replaces;
void (*guest_world_hook)(uint64_t physical);

static bool inside(uint64_t physical, unsigned size)
{
    return physical < GUEST_WORLD_BYTES && size <= GUEST_WORLD_BYTES - physical;
}

uint64_t guest_world_get(uint64_t physical, unsigned size)
{
    uint64_t value = 0;

    if (!inside(physical, size))
        return size == 8 ? ~UINT64_C(0) : (UINT64_C(1) << size * 8) - 1;
    memcpy(&value, guest_world + physical, size);
    return value;
}

void guest_world_set(uint64_t physical, unsigned size, uint64_t value)
{
    if (inside(physical, size))
        memcpy(guest_world + physical, &value, size);
}

uint64_t guest_entry_read(uint64_t physical, unsigned size)
{
    guest_world_reads++;
    return guest_world_get(physical, size);
}

bool guest_entry_replace(uint64_t physical, unsigned size, uint64_t old, uint64_t new)
{
    guest_world_replaces++;
    if (guest_world_hook)
        guest_world_hook(physical);
    if (inside(physical, size) && guest_world_get(physical, size) != old)
        return false;
    guest_world_set(physical, size, new);
    return true;
}

bool guest_read_physical(uint64_t address, void *to, uint64_t size)
{
    if (address > GUEST_WORLD_BYTES || size > GUEST_WORLD_BYTES - address)
        return false;
    memcpy(to, guest_world + address, size);
    return true;
}

bool guest_write_physical(uint64_t address, const void *from, uint64_t size)
{
    if (address > GUEST_WORLD_BYTES || size > GUEST_WORLD_BYTES - address)
        return false;
    memcpy(guest_world + address, from, size);
    return true;
}

bool guest_exchange_physical(uint64_t address, unsigned size, uint64_t *old, uint64_t new)
{
    uint64_t there;

    if (!inside(address, size))
        return false;
    there = guest_world_get(address, size);
    if (there != *old) {
        *old = there;
        return false;
    }
    guest_world_set(address, size, new);
    return true;
}
