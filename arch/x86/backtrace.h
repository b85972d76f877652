/*
 * The way back through a stack of Plinth's own. Pure but for the reads that it is told to do: of the stack between
 * `next` and `top`, and of the code between `code` and `code_end`, all of which must be mapped.
 *
 * Two sources, since each alone misses something. The chain of frame pointers is exact, but the exit path keeps none
 * (vmx_exit.c), a function has none in its first instructions, and what the chain ends in may be a number of the
 * guest's choice. So any other word on the stack that is the address after a CALL counts too, as a guess: it may be
 * left over from before.
 */
#pragma once

#include "lib/compiler.h"

struct backtrace {
    const uint64_t *next, *top; /* what is left of the stack, aligned by 8 */
    uint64_t frame;             /* the frame pointer; may be anything */
    const uint8_t *code, *code_end;
};

/* The next return address, and whether it is certain; false at the end. */
must_check bool backtrace_next(struct backtrace *trace, uint64_t *address, bool *certain);
