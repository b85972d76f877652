/* The way back through a stack: arch/x86/backtrace.h. */
#include "arch/x86/backtrace.h"

enum { CALL = 0xe8, CALL_BYTES = 5 }; /* CALL rel32; Plinth has next to no other calls */

static bool in_code(const struct backtrace *trace, uint64_t address)
{
    return address >= (uint64_t)trace->code && address < (uint64_t)trace->code_end;
}

/* Does a CALL to somewhere in the code end at the address? */
static bool follows_call(const struct backtrace *trace, uint64_t address)
{
    const uint8_t *call = (const uint8_t *)(address - CALL_BYTES);
    uint32_t displacement = 0;

    if (!in_code(trace, address - CALL_BYTES) || !in_code(trace, address) || *call != CALL)
        return false;
    for (int i = CALL_BYTES - 1; i > 0; i--)
        displacement = displacement << 8 | call[i];
    return in_code(trace, address + (uint64_t)(int64_t)(int32_t)displacement);
}

/* A frame pointer's place holds the caller's frame pointer, the word above it the return address. */
static bool is_frame(const struct backtrace *trace, const uint64_t *word)
{
    return trace->frame == (uint64_t)word && trace->top - word > 1 && in_code(trace, word[1]);
}

bool backtrace_next(struct backtrace *trace, uint64_t *address, bool *certain)
{
    while (trace->next < trace->top) {
        const uint64_t *word = trace->next++;

        *certain = is_frame(trace, word);
        if (*certain) {
            trace->frame = word[0];
            *address = word[1];
            trace->next = word + 2;
            return true;
        }
        *address = *word;
        if (follows_call(trace, *word))
            return true;
    }
    return false;
}
