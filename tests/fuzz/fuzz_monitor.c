/* Any bytes typed to the monitor: the line stays whole, and each line is a command or an error of one printable line.
 */
#include <stdlib.h>
#include <string.h>

#include "arch/x86/console_words.h"
#include "tests/host/support.h"
#include "vmm/line_edit.h"
#include "vmm/monitor_command.h"
#include "vmm/step_policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool right)
{
    if (!right)
        abort();
}

static void check_text(const char *text)
{
    check(*text != '\0');
    for (; *text != '\0'; text++)
        check(*text >= ' ' && *text <= '~');
}

static void check_command(const char *line)
{
    struct monitor_command command;
    struct console_words words;
    struct error error;

    if (monitor_parse(line, &command, &error))
        check(command.value_count <= MONITOR_VALUES_MAX);
    else
        check_text(error.text);
    if (console_words_parse(line, &words, &error))
        check(words.port <= 0xfff8);
    else
        check_text(error.text);
}

/* Whatever the guest's RIP leads to. */
static void check_code(const uint8_t *data, size_t size)
{
    if (size > INSTRUCTION_BYTES_MAX)
        size = INSTRUCTION_BYTES_MAX;
    for (unsigned bits = 16; bits <= 64; bits *= 2) {
        struct step_instruction next = step_classify(data, size, bits);

        check(next.kind != STEP_INT || (next.length >= 2 && next.length <= INSTRUCTION_BYTES_MAX + 1));
    }
}

static void check_completion(struct line_edit *line)
{
    const char *more;
    size_t length;

    if (monitor_complete(line->text, line->cursor, &more, &length) && length)
        line_insert(line, more, length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct line_edit line;

    check_code(data, size);
    line_init(&line, "> ");
    for (size_t i = 0; i < size; i++) {
        enum line_event event = line_feed(&line, data[i]);

        if (event == LINE_COMPLETE)
            check_completion(&line);
        check(strlen(line.text) == line.length && line.cursor <= line.length && line.length <= LINE_MAX_CHARACTERS);
        check(strlen(line.output) == line.output_length && line.output_length < LINE_OUTPUT_MAX);
        if (event == LINE_READY)
            check_command(line.text);
        if (event == LINE_READY || event == LINE_NOISE)
            line_begin(&line);
    }
    return 0;
}
