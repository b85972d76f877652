/*
 * Reaching physical memory while booting. Given by the program that links mm: on bare metal the boot-time
 * identity map of the first 4 GiB, in host tests an arena. Boot only, before launch: afterwards nothing of the guest is
 * mapped.
 */
#pragma once

#include "lib/compiler.h"

/* A pointer to `size` bytes at physical `address`, or NULL where the boot map doesn't reach. */
void *phys_map(uint64_t address, uint64_t size);
