/*
 * Plinth's log. Every line goes into a ring in memory, and lines at or above the console's level go to
 * the consoles. Lines that concern one CPU say so through log_cpu(). Any CPU, root mode, not NMI-safe
 * (a lock with a bounded spin keeps lines whole; after the bound the line is printed all the same).
 */
#pragma once

#include <stdarg.h>

#include "lib/compiler.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* One line; the newline is added. Longer than LOG_LINE_MAX - 1 characters is cut. */
enum { LOG_LINE_MAX = 256 };
void log_line(enum log_level level, const char *format, ...) printf_like(2, 3);

#define log_error(...)   log_line(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_info(...)    log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_DEBUG, __VA_ARGS__)

/* The same for a line that concerns one CPU: "CPU n: ..." */
void log_cpu(enum log_level level, unsigned cpu, const char *format, ...) printf_like(3, 4);

/* The least urgent level that still reaches a console, which may let through less; LOG_INFO at start. */
void log_set_console_level(enum log_level level);

/* Copies the newest text of the ring, at most `size` bytes and not terminated; returns how many. */
size_t log_copy(char *buffer, size_t size);

/* The ring itself (lib/log_ring.h), for what becomes of it after a reset. Boot only. */
struct log_ring;
struct log_ring *log_ring(void);

/* For who waits for a lock under which lines are written, begun with zeros, once a spin: false when its holder has got
 * nothing out for long, and may have died. A line of 100 characters takes 9 ms at 115200 baud, so time alone says
 * nothing. */
struct log_wait {
    uint32_t spins, progress;
};
bool log_goes_on(struct log_wait *wait);
/* By a console, for each byte that it got out. */
void log_made_progress(void);

/* Given by the program that links lib: writes to every console that takes this level. Bounded in time. */
void console_write(enum log_level level, const char *text, size_t length);
