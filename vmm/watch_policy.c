#include "vmm/watch_policy.h"

#include "mm/ept.h"

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 16;
}

/* False: no digit, or more than 64 bits. */
static bool parse_number(const char **text, uint64_t *out)
{
    unsigned base = 10;
    const char *start;

    if ((*text)[0] == '0' && (*text)[1] == 'x') {
        base = 16;
        *text += 2;
    }
    *out = 0;
    for (start = *text; digit_of(**text) < (int)base; ++*text) {
        if (__builtin_mul_overflow(*out, base, out) || __builtin_add_overflow(*out, digit_of(**text), out))
            return false;
    }
    return *text != start;
}

bool watch_parse_letter(char c, struct watch_request *out)
{
    switch (c) {
    case 'r':
        out->denied |= EPT_READ;
        return true;
    case 'w':
        out->denied |= EPT_WRITE;
        return true;
    case 'x':
        out->denied |= EPT_EXECUTE;
        return true;
    case 'p':
        out->pauses = true;
        return true;
    }
    return false;
}

static bool parse_one(const char **text, struct watch_request *out)
{
    uint64_t length;

    if (!parse_number(text, &out->range.start) || *(*text)++ != '+' || !parse_number(text, &length) ||
        *(*text)++ != ':' || __builtin_add_overflow(out->range.start, length, &out->range.end))
        return false;
    while (watch_parse_letter(**text, out))
        ++*text;
    return out->denied && length && (**text == '\0' || **text == ',');
}

bool watch_parse(const char **text, struct watch_request *out)
{
    const char *at = *text;

    *out = (struct watch_request){.pauses = false};
    if (!parse_one(&at, out))
        return false;
    *text = *at == ',' ? at + 1 : at;
    return true;
}
