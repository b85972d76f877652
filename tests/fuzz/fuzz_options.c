/* Any bytes as a command line: options of known values, and only whole, printable lines on the console. */
#include <stdlib.h>
#include <string.h>

#include "lib/options.h"
#include "tests/host/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool right)
{
    if (!right)
        abort();
}

static void check_console(const char *text)
{
    size_t line = 0;

    for (; *text != '\0'; text++) {
        check(*text == '\n' || (*text >= ' ' && *text <= '~'));
        line = *text == '\n' ? 0 : line + 1;
        check(line < LOG_LINE_MAX);
    }
    check(line == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *line = malloc(size + 1);
    struct options parsed;

    memcpy(line, data, size);
    line[size] = '\0';
    memset(&parsed, 0xa5, sizeof(parsed));
    console_clear();
    options_parse(line, &parsed);
    check(parsed.ap_start <= AP_START_ICR && parsed.on_crash <= ON_CRASH_MONITOR && parsed.log_level <= LOG_DEBUG);
    check(*(const uint8_t *)&parsed.serial <= 1);
    check_console(console_text());
    free(line);
    return 0;
}
