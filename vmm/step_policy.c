#include "vmm/step_policy.h"

/* SDM vol. 2, 2.1.1 "Instruction Prefixes", 2.2.1 "REX Prefixes" */
static bool is_prefix(uint8_t byte, unsigned bits)
{
    switch (byte) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
    case 0x64:
    case 0x65:
    case 0x66:
    case 0x67:
    case 0xf0:
    case 0xf2:
    case 0xf3:
        return true;
    }
    return bits == 64 && (byte & 0xf0) == 0x40;
}

static enum step_kind kind_of(uint8_t opcode, uint8_t next)
{
    switch (opcode) {
    case 0xfa:
        return STEP_CLI;
    case 0x9c:
        return STEP_PUSHF;
    case 0xcd:
        return STEP_INT;
    case 0xf4:
        return STEP_HLT;
    case 0x0f:
        return next == 0x05 ? STEP_SYSCALL : next == 0x34 ? STEP_CLI : STEP_AS_IT_IS;
    }
    return STEP_AS_IT_IS;
}

struct step_instruction step_classify(const uint8_t *bytes, size_t count, unsigned bits)
{
    struct step_instruction out = {.kind = STEP_AS_IT_IS};
    size_t at = 0;
    uint8_t next;

    while (at < count && is_prefix(bytes[at], bits))
        at++;
    if (at >= count)
        return out;
    next = at + 1 < count ? bytes[at + 1] : 0;
    out.kind = kind_of(bytes[at], next);
    if (out.kind == STEP_INT || out.kind == STEP_SYSCALL) {
        out.vector = next;
        out.length = (uint8_t)(at + 2);
    }
    return out;
}
