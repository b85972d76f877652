/*
 * What can legitimately fail says so in a `struct error`: one sentence that names the fact and the
 * remedy, made where the fact is known and printed where it is decided what to do about it.
 * Pure: host and bare metal; any CPU, any time.
 */
#pragma once

#include "lib/compiler.h"

struct error {
    char text[224];
};

/* Fills error->text (truncating) and returns false, so that a function can `return fail(...)`. */
bool fail(struct error *error, const char *format, ...) printf_like(2, 3);
