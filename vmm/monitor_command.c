#include "vmm/monitor_command.h"

#include "lib/format.h"
#include "lib/string.h"
#include "vmm/watch_policy.h"

struct command {
    const char *name, *arguments, *help;
    unsigned required;
    const char *kinds;
};

static const struct command commands[] = {
    {NULL, NULL, NULL, 0, ""}, /* MONITOR_NOTHING */
#define COMMAND(verb, name, arguments, required, kinds, help) {name, arguments, help, required, kinds},
#include "vmm/monitor_commands.def"
#undef COMMAND
};

static const char *skip_spaces(const char *at)
{
    while (*at == ' ')
        at++;
    return at;
}

static size_t word_length(const char *at)
{
    size_t length = 0;

    while (at[length] != '\0' && at[length] != ' ')
        length++;
    return length;
}

/* The longest name that the line begins with, followed by a space, a slash or nothing. */
static enum monitor_verb find(const char *line)
{
    size_t best = 0;
    enum monitor_verb found = MONITOR_NOTHING;

    for (unsigned i = 1; i < ARRAY_SIZE(commands); i++) {
        size_t length = strlen(commands[i].name);

        if (length > best && !strncmp(line, commands[i].name, length) &&
            (line[length] == '\0' || line[length] == ' ' || line[length] == '/')) {
            best = length;
            found = (enum monitor_verb)i;
        }
    }
    return found;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

/* False if the word isn't wholly a number of the base, or it has no room in 64 bits. */
static bool number(const char *word, size_t length, unsigned base, uint64_t *value)
{
    if (length > 2 && word[0] == '0' && (word[1] | 0x20) == 'x') {
        word += 2;
        length -= 2;
        base = 16;
    }
    *value = 0;
    for (size_t i = 0; i < length; i++) {
        int d = digit(word[i]);

        if (d < 0 || (unsigned)d >= base || __builtin_mul_overflow(*value, (uint64_t)base, value) ||
            __builtin_add_overflow(*value, (uint64_t)d, value))
            return false;
    }
    return length > 0;
}

static bool usage(const struct command *command, struct error *error, const char *why, const char *word, size_t length)
{
    return fail(error, "%s \"%.*s\": %s%s%s", why, (int)length, word, command->name, *command->arguments ? " " : "",
                command->arguments);
}

static bool rights(const char *word, size_t length, uint64_t *value)
{
    struct watch_request request = {.denied = 0};

    for (size_t i = 0; i < length; i++)
        if (!watch_parse_letter(word[i], &request))
            return false;
    *value = request.denied | (request.pauses ? MONITOR_RIGHTS_PAUSE : 0);
    return request.denied;
}

static bool parse_argument(char kind, const char *word, size_t length, uint64_t *value)
{
    if (kind == 'r')
        return rights(word, length, value);
    return number(word, length, kind == 'a' ? 16 : 10, value);
}

static const char *what(char kind)
{
    return kind == 'a' ? "no hexadecimal number:" : kind == 'r' ? "no rights (r, w, x; p to pause):" : "no number:";
}

/* "/16xw": how many, how shown, how large; each may be left out. *at moves behind it. */
static bool parse_format(const char **at, struct monitor_command *out)
{
    static const char letters[] = "xducs", sizes[] = "bhwg";
    const char *text = *at;
    uint32_t count = 0;
    bool counted;

    out->format.count = 1;
    out->format.letter = 'x';
    out->format.size = 8;
    if (*text != '/')
        return true;
    counted = *++text >= '0' && *text <= '9';
    for (; *text >= '0' && *text <= '9' && count <= MONITOR_COUNT_MAX; text++)
        count = count * 10 + (uint32_t)(*text - '0');
    for (; *text != ' ' && *text != '\0'; text++) {
        if (strchr(letters, *text))
            out->format.letter = *text;
        else if (strchr(sizes, *text))
            out->format.size = (uint8_t)(1 << (strchr(sizes, *text) - sizes));
        else
            return false;
    }
    if (text[-1] == 'c') /* without a size: characters are bytes */
        out->format.size = 1;
    if (counted)
        out->format.count = count;
    if (out->format.count < 1 || out->format.count > MONITOR_COUNT_MAX)
        return false;
    *at = text;
    return true;
}

static bool parse_arguments(const struct command *command, const char *at, struct monitor_command *out,
                            struct error *error)
{
    const char *kinds = command->kinds + (command->kinds[0] == 'f');

    for (at = skip_spaces(at); *at != '\0'; at = skip_spaces(at)) {
        size_t length = word_length(at);
        char kind = kinds[out->value_count];

        if (kind == '\0')
            return usage(command, error, "one word too many,", at, length);
        if (!parse_argument(kind, at, length, &out->values[out->value_count]))
            return usage(command, error, what(kind), at, length);
        out->value_count++;
        at += length;
    }
    if (out->value_count < command->required)
        return fail(error, "something is missing: %s %s", command->name, command->arguments);
    return true;
}

/* Of names of two words the first may be right. */
static bool unknown(const char *line, struct error *error)
{
    size_t length = word_length(line);

    for (unsigned i = 1; i < ARRAY_SIZE(commands); i++)
        if (!strncmp(line, commands[i].name, length) && commands[i].name[length] == ' ')
            return fail(error, "unknown command \"%s\": Tab behind \"%.*s \" lists those there are", line, (int)length,
                        line);
    return fail(error, "unknown command \"%.*s\": help lists them all", (int)length, line);
}

bool monitor_parse(const char *line, struct monitor_command *out, struct error *error)
{
    const struct command *command;

    *out = (struct monitor_command){.verb = MONITOR_NOTHING};
    line = skip_spaces(line);
    if (*line == '\0')
        return true;
    out->verb = find(line);
    if (out->verb == MONITOR_NOTHING)
        return unknown(line, error);
    command = &commands[out->verb];
    line += strlen(command->name);
    if (*line == '/' && command->kinds[0] != 'f')
        return usage(command, error, "no format is possible here,", line, word_length(line));
    if (command->kinds[0] == 'f' && !parse_format(&line, out))
        return usage(command, error, "no format of a count from 1 to 4096, one of xducs and one of bhwg:", line,
                     word_length(line));
    return parse_arguments(command, line, out, error);
}

unsigned monitor_complete(const char *start, size_t length, const char **text, size_t *more)
{
    unsigned count = 0;

    *more = 0;
    for (unsigned i = 1; i < ARRAY_SIZE(commands); i++) {
        const char *rest;
        size_t same = 0;

        if (strncmp(start, commands[i].name, length) != 0)
            continue;
        rest = commands[i].name + length;
        if (!count++) {
            *text = rest;
            *more = strlen(rest);
            continue;
        }
        while (same < *more && (*text)[same] == rest[same])
            same++;
        *more = same;
    }
    return count;
}

bool monitor_help(const char *prefix, unsigned index, char *line, size_t size)
{
    size_t length = strlen(prefix);

    for (unsigned i = 1; i < ARRAY_SIZE(commands); i++) {
        char name[40];

        if (strncmp(prefix, commands[i].name, length) != 0 || index--)
            continue;
        format_text(name, sizeof(name), "%s %s", commands[i].name, commands[i].arguments);
        format_text(line, size, "%-28s %s", name, commands[i].help);
        return true;
    }
    return false;
}
