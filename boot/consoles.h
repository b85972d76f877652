/* The consoles: which the options ask for, and where they are. Boot only, before host_map_init(). */
#pragma once

#include "boot/multiboot2.h"

/* With the defaults, for what goes wrong before the options are known, which it sets to their defaults. */
void boot_first_console(void);

/* Reads the options and starts the consoles that they name. Returns the screen's memory; empty if there is none. */
struct range boot_consoles(struct boot_info *info);
