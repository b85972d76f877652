/* Plinth's own page tables: W^X, guard pages by leaving pages out, and no memory of the guest's. Boot only. */
#pragma once

#include "boot/block.h"
#include "lib/error.h"

/* Maps the screen's memory, at most FRAMEBUFFER_BYTES_MAX, in the tables of entry.S, which stay where they were loaded.
 * Returns its address, which stays the same in the tables of host_map_init(). */
void *host_map_early_screen(struct range screen);

/* Maps the page with a serial port's registers likewise; the address of the registers. */
volatile void *host_map_early_uart(uint64_t physical);

/* Builds the tables in the pool and loads them on this CPU; the identity map of boot stays until host_map_drop_low().
 * `screen` is the range that host_map_early_screen() mapped, or an empty one. */
must_check bool host_map_init(const struct block *block, struct pool *pool, uint64_t local_apic, struct range screen,
                              struct error *error);

/* Maps the slot of CPU `index`; returns the physical address of its pages. */
must_check bool host_map_cpu(uint32_t index, uint64_t physical, struct error *error);

/* The entry that maps the window of CPU `index`, whose slot has been mapped. Absent as yet. */
uint64_t *host_map_window(uint32_t index);

/* Physical address of the root, for CR3. */
uint64_t host_map_cr3(void);

/* Takes write access from the pages that boot has filled in for good. */
must_check bool host_map_seal(struct error *error);

/* Removes the identity map from the tables; each CPU must reload CR3 afterwards. */
void host_map_drop_low(void);
