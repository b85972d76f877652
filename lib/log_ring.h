/*
 * The log's text, a ring that lies in memory as a zone of Linux's ramoops driver does (struct persistent_ram_buffer in
 * fs/pstore/ram_core.c), so that a later boot may show what an earlier one logged. Pure. The caller sees to it that one
 * CPU writes at a time; if two do, text may be mixed, but nothing outside of the ring is touched.
 */
#pragma once

#include "lib/compiler.h"

enum { LOG_RING_BYTES = 64 * 1024 }; /* what ramoops knows of it */

/* `start` is where the next byte goes; `size` grows up to sizeof(text), from then on the oldest text gives way. */
struct log_ring {
    uint32_t magic, start, size;
    char text[LOG_RING_BYTES - 3 * sizeof(uint32_t)];
    uint32_t sum; /* Plinth's own: of the text, so that one can tell whether it is still what was written */
};

/* `ring`: all zeros, or written to before; not more than fits. */
void log_ring_write(struct log_ring *ring, const char *text, uint32_t length);

/*
 * Is there a log, left by an earlier boot, in memory that may hold anything? LOG_RING_NONE: no, the header is none.
 * LOG_RING_CHANGED: the header is right, but the text is not all that was written. An update that was cut short leaves
 * the ring so, too, or without its last line.
 */
enum log_ring_state { LOG_RING_NONE, LOG_RING_CHANGED, LOG_RING_WHOLE };
enum log_ring_state log_ring_check(const struct log_ring *ring);

/* Copies the newest text, at most `size` bytes and not terminated; returns how many. Of a ring that was written to, or
 * that log_ring_check() has found there. */
size_t log_ring_copy(const struct log_ring *ring, char *buffer, size_t size);

/* Nobody shall find it any more. */
void log_ring_forget(struct log_ring *ring);

/* Given by the program that links lib: brings what caches hold of these bytes to memory, where a reset leaves it. */
void log_write_back(const void *start, size_t length);
