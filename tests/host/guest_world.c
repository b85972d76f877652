#include "tests/host/guest_world.h"

#include <string.h>

#include "arch/x86/guest_walk.h"

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
