#include "arch/x86/vmx/controls.h"

#include "arch/x86/vmx/capabilities.h"

static const struct {
    uint32_t exit, entry;
} pairs[] = {{EXIT_CLEAR_BNDCFGS, ENTRY_LOAD_BNDCFGS}, {EXIT_CLEAR_LBR_CTL, ENTRY_LOAD_LBR_CTL}};

static void keep(uint64_t *common, uint64_t bits)
{
    __atomic_and_fetch(common, bits, __ATOMIC_ACQ_REL);
}

static void add(uint64_t *common, uint64_t bits)
{
    __atomic_or_fetch(common, bits, __ATOMIC_ACQ_REL);
}

/* What must be 1 on any CPU must be, what may be 0 or 1 only if so on all. */
static void narrow_word(uint64_t *common, uint64_t other)
{
    const uint64_t must = UINT32_MAX;

    keep(common, other | must);
    add(common, other & must);
}

void capabilities_narrow(struct vmx_capabilities *common, const struct vmx_capabilities *other)
{
    narrow_word(&common->pin, other->pin);
    narrow_word(&common->primary, other->primary);
    narrow_word(&common->secondary, other->secondary);
    narrow_word(&common->exit, other->exit);
    narrow_word(&common->entry, other->entry);
    keep(&common->basic, other->basic | ~BIT(BASIC_TELLS_OF_STRINGS_BIT));
    keep(&common->misc, other->misc | ~(uint64_t)MISC_WAIT_FOR_SIPI);
    keep(&common->ept_vpid, other->ept_vpid);
    add(&common->cr0_fixed0, other->cr0_fixed0);
    add(&common->cr4_fixed0, other->cr4_fixed0);
    keep(&common->cr0_fixed1, other->cr0_fixed1);
    keep(&common->cr4_fixed1, other->cr4_fixed1);
}

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
