/*
 * What every host test stands on: cmocka, the console that catches what the log prints, and an arena of physical
 * memory. Include it first: cmocka and the C library don't expect the macros of lib/compiler.h.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* lib/error.h has a function fail(), so cmocka's macro goes, and the one that builds on it is written anew. */
#undef fail
#undef fail_msg
#define fail_msg(...)                                                                                                  \
    do {                                                                                                               \
        print_error("ERROR: " __VA_ARGS__);                                                                            \
        print_error("\n");                                                                                             \
        _fail(__FILE__, __LINE__);                                                                                     \
    } while (0)

#include "lib/compiler.h"

/* All that went to console_write() since console_clear(), terminated. What doesn't fit is dropped. */
const char *console_text(void);
void console_clear(void);

/* Called by console_write() before it takes the text, while the log's lock is held; NULL for none. */
extern void (*console_hook)(void);

/* `size` zeroed bytes that phys_map() gives for `address`: exactly as many, so that ASan sees a read beyond. */
void *arena_add(uint64_t address, uint64_t size);
void arena_clear(void);

/* xorshift64*: the same numbers for the same seed, everywhere. The state must not be 0. */
uint64_t random_next(uint64_t *state);
static inline uint64_t random_below(uint64_t *state, uint64_t limit)
{
    return random_next(state) % limit;
}

#define assert_contains(text, part)                                                                                    \
    do {                                                                                                               \
        if (!strstr((text), (part)))                                                                                   \
            fail_msg("\"%s\" does not contain \"%s\"", (text), (part));                                                \
    } while (0)
