/* The consoles: a serial line and the screen. Any CPU, root mode; the log's lock keeps lines whole. */
#pragma once

#include "arch/x86/console_words.h"
#include "arch/x86/framebuffer.h"
#include "lib/compiler.h"
#include "lib/log.h"

/* Finds out whether the serial line is there: the UART answers its scratch register. */
void console_init(struct console_words serial);

/* The least urgent levels that still go there; LOG_INFO at start. Boot only. */
void console_set_levels(enum log_level serial_level, enum log_level screen_level);
/* The serial line's alone; returns what it was. Any CPU. */
enum log_level console_set_serial_level(enum log_level level);

/* Lines go to this screen too, from its top on; `memory` is where it is mapped, NULL if there is none. Boot only. */
void console_set_screen(const struct framebuffer *mode, void *memory);

/* The screen is the guest's from now on. */
void console_yield_screen(void);

/* For a report after that: the screen is cleared and lines go there again, in whatever mode the guest has put it; and
 * the serial line doesn't wait for the end of the guest's line. */
void console_seize(void);

/* Waits (bounded) until the UART has sent everything. */
void console_flush(void);
