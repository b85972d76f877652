/* vmm/monitor_command.c and arch/x86/console_words.c: every command and word, and every kind of line that is none. */
#include "tests/host/support.h"

#include "arch/x86/console_words.h"
#include "vmm/monitor_command.h"

static struct monitor_command command;
static struct error error;

static void refused(const char *line, const char *why)
{
    assert_false(monitor_parse(line, &command, &error));
    assert_contains(error.text, why);
}

static void commands_are_understood(void **state)
{
    (void)state;
    assert_true(monitor_parse("", &command, &error) && command.verb == MONITOR_NOTHING);
    assert_true(monitor_parse("   ", &command, &error) && command.verb == MONITOR_NOTHING);
    assert_true(monitor_parse(" stop ", &command, &error) && command.verb == MONITOR_STOP);
    assert_true(monitor_parse("regs", &command, &error) && command.verb == MONITOR_REGS && !command.value_count);
    assert_true(monitor_parse("regs  10 ", &command, &error) && command.values[0] == 10 && command.value_count == 1);
    assert_true(monitor_parse("regs 0x10", &command, &error) && command.values[0] == 16);
    assert_true(monitor_parse("info ept ffffFFFF", &command, &error) && command.verb == MONITOR_INFO_EPT &&
                command.values[0] == 0xffffffff);
    assert_true(monitor_parse("info cpuid 40000001 0x2", &command, &error) && command.values[0] == 0x40000001 &&
                command.values[1] == 2);
    assert_true(monitor_parse("info ept 0xffffffffffffffff", &command, &error) && command.values[0] == UINT64_MAX);
}

static void format_is(const char *line, uint32_t count, char letter, unsigned size)
{
    assert_true(monitor_parse(line, &command, &error));
    assert_int_equal(command.format.count, count);
    assert_int_equal(command.format.letter, letter);
    assert_int_equal(command.format.size, size);
}

static void formats_are_understood(void **state)
{
    (void)state;
    format_is("x 0", 1, 'x', 8);
    format_is("x/ 0", 1, 'x', 8);
    format_is("x/4096xb 0", 4096, 'x', 1);
    format_is("x/2wd 0", 2, 'd', 4);
    format_is("xp/s 1234", 1, 's', 8);
    format_is("xp/9c 1234", 9, 'c', 1);
    assert_int_equal(command.verb, MONITOR_XP);
    assert_int_equal(command.values[0], 0x1234);
    refused("x/4097x 0", "no format of a count");
    refused("x/0xw 0", "no format of a count from 1 to 4096, one of xducs and one of bhwg: \"/0xw\"");
    refused("x/99999999999 0", "no format of a count");
    refused("x/i 0", "no format of a count");
    refused("x/x4 0", "no format of a count");
    refused("x/4", "something is missing");
    assert_true(monitor_parse("watch 1000 8 wr", &command, &error) && command.values[2] == 3);
    assert_true(monitor_parse("watch 1000 8 px", &command, &error) && command.values[2] == (4 | MONITOR_RIGHTS_PAUSE));
    refused("watch 1000 8 q", "no rights (r, w, x; p to pause)");
    refused("watch 1000 8 p", "no rights (r, w, x; p to pause)");
}

static void wrong_lines_say_what_is_wrong(void **state)
{
    (void)state;
    refused("frobnicate 1", "unknown command \"frobnicate\": help");
    refused("info", "unknown command \"info\": Tab behind \"info \"");
    refused("trace of", "unknown command \"trace of\": Tab behind \"trace \"");
    refused("stopp", "unknown command \"stopp\"");
    refused("info ept", "something is missing: info ept ADDRESS");
    refused("info ept xyz", "no hexadecimal number: \"xyz\"");
    refused("info ept 10000000000000000", "no hexadecimal number");
    refused("regs a", "no number: \"a\"");
    refused("regs 18446744073709551616", "no number");
    refused("regs 1 2", "one word too many, \"2\"");
    refused("regs/4 1", "no format is possible here");
    refused("regs -1", "no number");
    refused("regs 0x", "no number");
}

static void completion_finds_what_is_common(void **state)
{
    const char *text;
    size_t more;

    (void)state;
    assert_int_equal(monitor_complete("sto", 3, &text, &more), 1);
    assert_int_equal(more, 1);
    assert_memory_equal(text, "p", 1);
    assert_true(monitor_complete("in", 2, &text, &more) > 5);
    assert_int_equal(more, 3);
    assert_memory_equal(text, "fo ", 3);
    assert_int_equal(monitor_complete("info m", 6, &text, &more), 4);
    assert_int_equal(more, 0);
    assert_int_equal(monitor_complete("stop", 4, &text, &more), 1);
    assert_int_equal(more, 0);
    assert_int_equal(monitor_complete("zzz", 3, &text, &more), 0);
}

static void help_lists_every_command(void **state)
{
    char line[120];
    unsigned count = 0;

    (void)state;
    while (monitor_help("", count, line, sizeof(line))) {
        assert_true(strlen(line) > 29);
        count++;
    }
    assert_true(count > 10);
    assert_true(monitor_help("info e", 1, line, sizeof(line)));
    assert_contains(line, "info exits [CPU]");
    assert_false(monitor_help("info e", 2, line, sizeof(line)));
}

static void console_is(const char *text, uint16_t port, enum console_owner owner)
{
    struct console_words words;

    assert_true(console_words_parse(text, &words, &error));
    assert_int_equal(words.port, port);
    if (port)
        assert_int_equal(words.owner, owner);
}

static void pci_is(const char *text, unsigned bus, unsigned device, unsigned function, enum console_owner owner)
{
    struct console_words words;

    assert_true(console_words_parse(text, &words, &error));
    assert_true(words.is_pci);
    assert_int_equal(words.pci.bus, bus);
    assert_int_equal(words.pci.device, device);
    assert_int_equal(words.pci.function, function);
    assert_int_equal(words.owner, owner);
    assert_int_equal(words.owner_is_said, owner != CONSOLE_LOG);
}

static void console_words_are_understood(void **state)
{
    static const char *const wrong[] = {"",           "com",         "com5",       "com1,",       "com1,x",
                                        "0x",         "0xfffff",     "none,own",   "COM1",        "0x0",
                                        "com1own",    "pci",         "pci,",       "pci,00:05",   "pci,00:05.8",
                                        "pci,0:20.0", "pci,000:1.0", "pci,0:1.0x", "pci,0:1.0,x", "pci0:1.0"};

    (void)state;
    console_is("com1", 0x3f8, CONSOLE_SHARED);
    console_is("com1,passthrough", 0x3f8, CONSOLE_PASSTHROUGH);
    console_is("com1,own", 0x3f8, CONSOLE_OWN);
    console_is("com2", 0x2f8, CONSOLE_LOG);
    console_is("com2,own", 0x2f8, CONSOLE_OWN);
    console_is("com1,log", 0x3f8, CONSOLE_LOG);
    console_is("com3,passthrough", 0x3e8, CONSOLE_PASSTHROUGH);
    console_is("com4", 0x2e8, CONSOLE_LOG);
    console_is("0x5000", 0x5000, CONSOLE_LOG);
    console_is("none", 0, CONSOLE_LOG);
    pci_is("pci,03:1f.2", 0x03, 0x1f, 2, CONSOLE_LOG);
    pci_is("pci,a0:5.0,passthrough", 0xa0, 5, 0, CONSOLE_PASSTHROUGH);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct console_words words;

        assert_false(console_words_parse(wrong[i], &words, &error));
        assert_contains(error.text, "use com1");
        assert_int_equal(words.port, 0x3f8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_understood),       cmocka_unit_test(formats_are_understood),
        cmocka_unit_test(wrong_lines_say_what_is_wrong), cmocka_unit_test(completion_finds_what_is_common),
        cmocka_unit_test(help_lists_every_command),      cmocka_unit_test(console_words_are_understood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
