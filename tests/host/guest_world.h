/* The guest's physical memory for code that reaches it by guest_entry_read() and its like, and vmm/guest_memory.h. */
#pragma once

#include <stdint.h>

/* Memory from address 0 on; beyond it nothing is, which reads as all-ones. */
enum { GUEST_WORLD_PAGES = 64, GUEST_WORLD_BYTES = GUEST_WORLD_PAGES * 4096 };
extern uint8_t guest_world[GUEST_WORLD_BYTES];

/* Calls so far. */
extern unsigned guest_world_reads, guest_world_replaces;

/* Called by guest_entry_replace() before it looks: another CPU. NULL for none. */
extern void (*guest_world_hook)(uint64_t physical);

uint64_t guest_world_get(uint64_t physical, unsigned size);
void guest_world_set(uint64_t physical, unsigned size, uint64_t value);
