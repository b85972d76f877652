/* vmm/line_edit.c against a straightforward terminal: what is on its row must always be prompt and line. */
#include "tests/host/support.h"

#include "vmm/line_edit.h"

enum { COLUMNS = 400 };

static struct line_edit line;
static char row[COLUMNS + 1]; /* what the terminal shows in the cursor's row */
static size_t column;

/* A terminal that knows what the editor uses: CR, LF, ESC [ K, ESC [ n D, characters. */
static void terminal(const char *text)
{
    for (; *text; text++) {
        if (*text == '\r') {
            column = 0;
        } else if (*text == '\n') {
            memset(row, 0, sizeof(row));
        } else if (*text == '\x1b') {
            size_t number = strtoul(text + 2, NULL, 10);

            assert_int_equal(text[1], '[');
            text += 2;
            while (*text >= '0' && *text <= '9')
                text++;
            if (*text == 'K')
                memset(row + column, 0, sizeof(row) - column);
            else
                column -= number;
            assert_true(*text == 'K' || *text == 'D');
        } else {
            assert_true(column < COLUMNS);
            row[column++] = *text;
        }
    }
}

static void assert_shown(void)
{
    char wanted[COLUMNS];

    snprintf(wanted, sizeof(wanted), "> %s", line.text);
    assert_string_equal(row, wanted);
    assert_int_equal(column, 2 + line.cursor);
}

static enum line_event feed(uint8_t byte)
{
    enum line_event event = line_feed(&line, byte);

    assert_true(strlen(line.output) == line.output_length && line.output_length < LINE_OUTPUT_MAX - 1);
    assert_true(line.length <= LINE_MAX_CHARACTERS && line.cursor <= line.length && strlen(line.text) == line.length);
    terminal(line.output);
    if (event == LINE_GOES_ON || event == LINE_COMPLETE)
        assert_shown();
    return event;
}

static enum line_event type(const char *text)
{
    enum line_event event = LINE_GOES_ON;

    for (; *text; text++)
        event = feed((uint8_t)*text);
    return event;
}

static void begin(void)
{
    line_begin(&line);
    terminal(line.output);
    assert_shown();
}

static int setup(void **state)
{
    (void)state;
    memset(row, 0, sizeof(row));
    column = 0;
    line_init(&line, "> ");
    terminal(line.output);
    return 0;
}

static void a_line_is_what_was_typed(void **state)
{
    (void)state;
    assert_int_equal(type("info cpus\r"), LINE_READY);
    assert_string_equal(line.text, "info cpus");
    begin();
    assert_int_equal(feed('\n'), LINE_GOES_ON); /* the second half of CR LF */
    assert_int_equal(type("a\n"), LINE_READY);
    begin();
    assert_int_equal(feed('\n'), LINE_READY);
}

static void keys_edit(void **state)
{
    static const struct {
        const char *keys, *text;
        unsigned cursor;
    } cases[] = {
        {"abc\x7f", "ab", 2},
        {"abc\b\b\b\b", "", 0},
        {"abc\x1b[D\x1b[DX", "aXbc", 2},
        {"abc\x1b[H\x1b[3~", "bc", 0},
        {"abc\x01\x04\x04\x04\x04", "", 0},
        {"abc\x1b[1~x\x1b[4~y", "xabcy", 5},
        {"abc\x1bOHx\x1bOFy", "xabcy", 5},
        {"one two\x17", "one ", 4},
        {"one two  \x17\x17", "", 0},
        {"one two\x1b[D\x15", "o", 0},
        {"one two\x02\x02\x0b", "one t", 5},
        {"ab\x1b[1;5Cc\x1b[99~d", "abcd", 4},
        {"ab\x1b[\x1b[DX", "aXb", 2}, /* half a sequence, then a whole one */
        {"ab\x03"
         "c",
         "c", 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        setup(NULL);
        type(cases[i].keys);
        assert_string_equal(line.text, cases[i].text);
        assert_int_equal(line.cursor, cases[i].cursor);
    }
}

static void history_goes_back_and_forth(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        char text[16];

        snprintf(text, sizeof(text), "line %u\r", i);
        type(text);
        begin();
    }
    type("line 19\r"); /* the same again is not remembered twice */
    begin();
    type("\x1b[A\x1b[A");
    assert_string_equal(line.text, "line 18");
    for (unsigned i = 0; i < 30; i++)
        type("\x10");
    assert_string_equal(line.text, "line 4");
    type("\x1b[B!");
    assert_string_equal(line.text, "line 5!");
    type("\x0e");
    assert_string_equal(line.text, "line 6");
    for (unsigned i = 0; i < 30; i++)
        type("\x1b[B");
    assert_string_equal(line.text, "");
}

static void what_is_no_text_is_noise(void **state)
{
    (void)state;
    type("ab\x80\xff");
    feed(0);
    assert_int_equal(type("c\r"), LINE_NOISE);
    assert_int_equal(line.noise, 3);
    begin();
    for (unsigned i = 0; i < 3 * LINE_MAX_CHARACTERS; i++)
        feed('x');
    assert_int_equal(line.length, LINE_MAX_CHARACTERS);
    assert_int_equal(feed('\r'), LINE_NOISE);
    begin();
    assert_int_equal(type("ok\r"), LINE_READY);
}

static void completion_is_inserted(void **state)
{
    (void)state;
    type("in 7\x1b[D\x1b[D");
    assert_int_equal(feed('\t'), LINE_COMPLETE);
    line_insert(&line, "fo", 2);
    terminal(line.output);
    assert_shown();
    assert_string_equal(line.text, "info 7");
}

static void any_bytes_keep_it_whole(void **state)
{
    uint64_t seed = 7;

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        uint8_t byte = (uint8_t)(random_below(&seed, 3) ? random_below(&seed, 64) + 64 : random_next(&seed));
        enum line_event event = feed(byte);

        if (event == LINE_READY || event == LINE_NOISE)
            begin();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_line_is_what_was_typed, setup),
        cmocka_unit_test_setup(keys_edit, setup),
        cmocka_unit_test_setup(history_goes_back_and_forth, setup),
        cmocka_unit_test_setup(what_is_no_text_is_noise, setup),
        cmocka_unit_test_setup(completion_is_inserted, setup),
        cmocka_unit_test_setup(any_bytes_keep_it_whole, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
