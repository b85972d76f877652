/* The monitor's language: one table names every command, its arguments and what it is for. Pure. */
#pragma once

#include "lib/compiler.h"
#include "lib/error.h"

enum monitor_verb {
    MONITOR_NOTHING, /* an empty line */
#define COMMAND(verb, name, arguments, required, kinds, help) MONITOR_##verb,
#include "vmm/monitor_commands.def"
#undef COMMAND
};

enum { MONITOR_VALUES_MAX = 3, MONITOR_COUNT_MAX = 4096 };
/* Rights: EPT_READ, EPT_WRITE, EPT_EXECUTE, and this */
enum { MONITOR_RIGHTS_PAUSE = 8 };

struct monitor_command {
    enum monitor_verb verb;
    uint64_t values[MONITOR_VALUES_MAX];
    unsigned value_count;
    struct {
        uint32_t count;
        uint8_t size; /* bytes of an item: 1, 2, 4, 8 */
        char letter;  /* how an item is shown: x hexadecimal, d signed, u unsigned, c character, s string */
    } format;         /* of x and xp */
};

/* Understands one line. False: *error says what is wrong with it and what would be right. */
must_check bool monitor_parse(const char *line, struct monitor_command *out, struct error *error);

/* Of all commands that go on from the `length` characters at `start`: how many there are, and in *more how many
 * characters beyond them all agree on, to be found at *text. */
unsigned monitor_complete(const char *start, size_t length, const char **text, size_t *more);

/* Line number `index` of the list of commands that begin with `prefix`; false when there are no more. */
must_check bool monitor_help(const char *prefix, unsigned index, char *line, size_t size);
