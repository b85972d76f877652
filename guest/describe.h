/* Guesses what a file is, for the message that refuses it as a guest. Pure. Boot only. */
#pragma once

#include "lib/compiler.h"

/* Writes e.g. "an ELF64 program for x86-64" (at most `text_size` bytes, always terminated). */
void guest_describe(const void *file, size_t size, char *text, size_t text_size);
