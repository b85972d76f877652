#include "arch/x86/aml.h"

#include "lib/string.h"

/* ACPI 6.5, 20.2 "AML Grammar Definition" */
enum { ZERO_OP = 0x00, ONE_OP = 0x01, NAME_OP = 0x08, BYTE_PREFIX = 0x0a, PACKAGE_OP = 0x12, TYPE_MAX = 7 };

struct cursor {
    const uint8_t *at, *end;
};

static bool take(struct cursor *c, uint8_t *out)
{
    if (c->at == c->end)
        return false;
    *out = *c->at++;
    return true;
}

static bool take_small_integer(struct cursor *c, uint8_t *out)
{
    uint8_t op;

    if (!take(c, &op))
        return false;
    if (op == BYTE_PREFIX)
        return take(c, out) && *out <= TYPE_MAX;
    *out = op;
    return op == ZERO_OP || op == ONE_OP;
}

/* 20.2.4: bits 7:6 of the first byte say how many more there are. */
static bool skip_package_length(struct cursor *c)
{
    uint8_t first;

    if (!take(c, &first) || c->end - c->at < first >> 6)
        return false;
    c->at += first >> 6;
    return true;
}

static bool parse_package(struct cursor c, uint8_t types[2])
{
    uint8_t op, count;

    if (!take(&c, &op) || op != PACKAGE_OP || !skip_package_length(&c) || !take(&c, &count) || !count ||
        !take_small_integer(&c, &types[0]))
        return false;
    return count == 1 || take_small_integer(&c, &types[1]);
}

bool aml_find_soft_off(const uint8_t *aml, size_t size, uint8_t types[2])
{
    static const char name[] = "_S5_";
    const size_t length = sizeof(name) - 1;

    for (size_t i = 2; i + length <= size; i++) {
        bool named = aml[i - 1] == NAME_OP || (aml[i - 1] == '\\' && aml[i - 2] == NAME_OP);

        types[0] = types[1] = 0;
        if (named && !memcmp(aml + i, name, length) &&
            parse_package((struct cursor){aml + i + length, aml + size}, types))
            return true;
    }
    return false;
}
