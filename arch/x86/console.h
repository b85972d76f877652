/* The consoles: COM1 and VGA text. Any CPU, root mode; the log's lock keeps lines whole. */
#pragma once

#include "lib/compiler.h"

/* Finds out what is there: the UART answers its scratch register, VGA text unless the loader left a graphics mode. */
void console_init(bool serial, bool vga_text);

/* The VGA text memory and so on have another virtual address from now on. Boot only. */
void console_map_vga(void *text);

/* Waits (bounded) until the UART has sent everything. */
void console_flush(void);
