#include "arch/x86/vmx/controls.h"

static const struct {
    uint32_t exit, entry;
} pairs[] = {{EXIT_CLEAR_BNDCFGS, ENTRY_LOAD_BNDCFGS}, {EXIT_CLEAR_LBR_CTL, ENTRY_LOAD_LBR_CTL}};

void controls_pair(uint32_t *exit, uint32_t *entry)
{
    for (unsigned i = 0; i < ARRAY_SIZE(pairs); i++) {
        if (*exit & pairs[i].exit && *entry & pairs[i].entry)
            continue;
        *exit &= ~pairs[i].exit;
        *entry &= ~pairs[i].entry;
    }
}

bool controls_choose(const struct controls_word *word, uint64_t capability, uint32_t *out, struct error *error)
{
    uint32_t must = (uint32_t)capability, may = (uint32_t)(capability >> 32);
    uint32_t missing = word->required & ~may;

    *out = must | word->required | (word->optional & may);
    if (missing)
        return fail(error, "VT-x: this CPU lacks bits %x of the %s controls (may be set: %x): Plinth can't run here",
                    missing, word->name, may);
    return true;
}
