/*
 * Plinth's command line. The table below is the one place that knows an option: its name, its values and which
 * of them is the default. A wrong word is reported and ignored, so that a typing mistake never costs a boot.
 */
#include "lib/options.h"

#include "lib/string.h"

enum { VALUES_MAX = 5, WORD_MAX = 160 };

struct option {
    const char *name;
    const char *values[VALUES_MAX + 1]; /* by what they stand for: 0, 1, ...; ended by NULL */
    const char *choices;                /* the values as a message names them */
    unsigned preset;
    const char *text_preset; /* not NULL: any word will do, its first reader checks it */
    size_t offset, size;     /* of the field in struct options */
};

#define FIELD(field) NULL, offsetof(struct options, field), sizeof(((struct options *)0)->field)

#define TEXT_FIELD(field, preset_text)                                                                                 \
    (preset_text), offsetof(struct options, field), sizeof(((struct options *)0)->field)

#define CHOICES                                                                                                        \
    {                                                                                                                  \
        [CHOICE_AUTO] = "auto", [CHOICE_OFF] = "off", [CHOICE_ON] = "on"                                               \
    }

#define LEVELS     [LOG_ERROR] = "error", [LOG_WARNING] = "warning", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"
#define OWN_LEVELS "error, warning, info, debug, or same (as log= says)"

static const struct option table[] = {
    {"ap_start",
     {[AP_START_AUTO] = "auto", [AP_START_WAIT] = "wait", [AP_START_ICR] = "icr", [AP_START_ICR_ALWAYS] = "icr-always"},
     "auto, wait, icr or icr-always",
     AP_START_AUTO,
     FIELD(ap_start)},
    {"on_crash",
     {[ON_CRASH_RESET] = "reset", [ON_CRASH_HALT] = "halt", [ON_CRASH_MONITOR] = "monitor"},
     "reset, halt or monitor",
     ON_CRASH_RESET,
     FIELD(on_crash)},
    {"fallback",
     {[FALLBACK_AUTO] = "auto", [FALLBACK_ALWAYS] = "always", [FALLBACK_NEVER] = "never"},
     "auto, always or never",
     FALLBACK_AUTO,
     FIELD(fallback)},
    {"preflight",
     {[PREFLIGHT_SHORT] = "short", [PREFLIGHT_FULL] = "full", [PREFLIGHT_ONLY] = "only"},
     "short, full or only",
     PREFLIGHT_SHORT,
     FIELD(preflight)},
    {"log", {LEVELS}, "error, warning, info or debug", LOG_INFO, FIELD(log_level)},
    {"log_serial", {LEVELS, [LOG_AS_ALL] = "same"}, OWN_LEVELS, LOG_AS_ALL, FIELD(log_serial)},
    {"log_screen", {LEVELS, [LOG_AS_ALL] = "same"}, OWN_LEVELS, LOG_AS_ALL, FIELD(log_screen)},
    {"chainload",
     {[CHAINLOAD_OFF] = "off",
      [CHAINLOAD_HD0] = "hd0",
      [CHAINLOAD_HD1] = "hd1",
      [CHAINLOAD_HD2] = "hd2",
      [CHAINLOAD_HD3] = "hd3"},
     "off or hd0 to hd3",
     CHAINLOAD_OFF,
     FIELD(chainload)},
    {"ramoops", {[false] = "off", [true] = "on"}, "on or off", true, FIELD(ramoops)},
    {"serial", {[false] = "off", [true] = "on"}, "on or off", true, FIELD(serial)},
    {"l1d_flush",
     {[L1D_FLUSH_AUTO] = "auto", [L1D_FLUSH_NEVER] = "never", [L1D_FLUSH_COND] = "cond", [L1D_FLUSH_ALWAYS] = "always"},
     "auto, never, cond or always",
     L1D_FLUSH_AUTO,
     FIELD(l1d_flush)},
    {"verw", CHOICES, "auto, on or off", CHOICE_AUTO, FIELD(verw)},
    {"scrub", CHOICES, "auto, on or off", CHOICE_AUTO, FIELD(scrub)},
    {"itlb_multihit", CHOICES, "auto, on or off", CHOICE_OFF, FIELD(multihit)},
    {"statistics",
     {[STATISTICS_COUNTS] = "counts", [STATISTICS_HISTOGRAM] = "histogram", [STATISTICS_OFF] = "off"},
     "counts, histogram or off",
     STATISTICS_COUNTS,
     FIELD(statistics)},
    {"ledger", {[false] = "0", [true] = "1"}, "0 or 1", false, FIELD(ledger)},
    {"watch", {NULL}, "ADDRESS+LENGTH:RIGHTS, see README.md", 0, TEXT_FIELD(watch, "")},
    {"console", {NULL}, "", 0, TEXT_FIELD(console, "com1")},
    {"trace", {NULL}, "", 0, TEXT_FIELD(trace, "off")},
};

#define OPTION_NAMES                                                                                                   \
    "ap_start, on_crash, fallback, preflight, log, log_serial, log_screen, chainload, ramoops, serial, l1d_flush, "    \
    "verw, scrub, itlb_multihit, statistics, ledger, watch, console and trace"

struct options options;

/* x86 is little-endian: the low bytes of `value` are the value for a field of any size. */
static void set_field(struct options *out, const struct option *option, unsigned value)
{
    memcpy((char *)out + option->offset, &value, option->size);
}

/* Cut to the field, which makes no right word of a wrong one. */
static void set_text(struct options *out, const struct option *option, const char *text)
{
    size_t length = strnlen(text, option->size - 1);
    char *field = (char *)out + option->offset;

    memcpy(field, text, length);
    memset(field + length, 0, option->size - length);
}

static const char *value_of(const struct options *from, const struct option *option, bool *is_preset)
{
    const char *field = (const char *)from + option->offset;
    unsigned value = 0;

    if (option->text_preset) {
        *is_preset = !strcmp(field, option->text_preset);
        return field;
    }
    memcpy(&value, field, option->size);
    *is_preset = value == option->preset;
    return option->values[value];
}

bool options_changed(const struct options *from, unsigned *next, const char **name, const char **value)
{
    bool is_preset = true;

    while (is_preset && *next < ARRAY_SIZE(table)) {
        *name = table[*next].name;
        *value = value_of(from, &table[(*next)++], &is_preset);
    }
    return !is_preset;
}

static const struct option *find_option(const char *name, size_t length)
{
    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        if (strlen(table[i].name) == length && strncmp(table[i].name, name, length) == 0)
            return &table[i];
    return NULL;
}

static void parse_word(const char *word, struct options *out)
{
    const char *equals = strchr(word, '=');
    const struct option *option = find_option(word, equals ? (size_t)(equals - word) : strlen(word));

    if (!option) {
        log_warning("option \"%s\" is ignored: there is no such option", word);
        log_warning("the options are " OPTION_NAMES); /* a line of its own, or a long word would cut it */
        return;
    }
    if (equals && option->text_preset) {
        set_text(out, option, equals + 1);
        return;
    }
    for (unsigned value = 0; equals && option->values[value]; value++) {
        if (strcmp(option->values[value], equals + 1) == 0) {
            set_field(out, option, value);
            return;
        }
    }
    log_warning("option \"%s\" is ignored: use %s=VALUE with %s", word, option->name, option->choices);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* What isn't printable would garble the console that a message about the word goes to. */
static char printable(char c)
{
    return c >= ' ' && c <= '~' ? c : '?';
}

static bool is_escaped(char c)
{
    return c == '"' || c == '\'' || c == '\\';
}

/*
 * Takes one word off the line, without its quotes: GRUB puts double quotes around what had a space, and a
 * backslash before quotes and backslashes. A word longer than WORD_MAX - 1 is cut, which makes no option of it.
 */
static const char *next_word(const char *line, char word[WORD_MAX])
{
    size_t length = 0;
    bool quoted = false;

    for (; *line != '\0' && (quoted || !is_space(*line)); line++) {
        if (*line == '"') {
            quoted = !quoted;
            continue;
        }
        if (*line == '\\' && is_escaped(line[1]))
            line++;
        if (length < WORD_MAX - 1)
            word[length++] = printable(*line);
    }
    word[length] = '\0';
    return line;
}

void options_parse(const char *command_line, struct options *out)
{
    char word[WORD_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        if (table[i].text_preset)
            set_text(out, &table[i], table[i].text_preset);
        else
            set_field(out, &table[i], table[i].preset);
    for (;;) {
        while (is_space(*command_line))
            command_line++;
        if (*command_line == '\0')
            return;
        command_line = next_word(command_line, word);
        parse_word(word, out);
    }
}
