/* lib/symbols.c: tables made as tools/make-symbols makes them, whole, torn and empty. */
#include "tests/host/support.h"

#include "lib/symbols.h"

/* first at 8, second at 8 + 0x90 (two bytes of ULEB128), third one byte later */
static const char table[] = "\x08"
                            "first\0"
                            "\x90\x01"
                            "second\0"
                            "\x01"
                            "third";

static bool find(size_t size, uint64_t distance, struct symbol *symbol)
{
    uint8_t *copy = malloc(size ? size : 1); /* as large as the table, for ASan */
    static char name[16];
    bool found;

    memcpy(copy, table, size);
    found = symbols_find(copy, size, distance, symbol);
    if (found) {
        snprintf(name, sizeof(name), "%s", symbol->name);
        symbol->name = name;
    }
    free(copy);
    return found;
}

static void assert_symbol(uint64_t distance, const char *name, uint64_t offset)
{
    struct symbol symbol;

    assert_true(find(sizeof(table), distance, &symbol));
    assert_string_equal(symbol.name, name);
    assert_int_equal(symbol.offset, offset);
}

static void the_function_at_or_before(void **state)
{
    struct symbol symbol;

    (void)state;
    assert_false(find(sizeof(table), 0, &symbol));
    assert_false(find(sizeof(table), 7, &symbol));
    assert_symbol(8, "first", 0);
    assert_symbol(0x97, "first", 0x8f);
    assert_symbol(0x98, "second", 0);
    assert_symbol(0x99, "third", 0);
    assert_symbol(0x1000, "third", 0xf67);
    assert_symbol(UINT64_MAX, "third", UINT64_MAX - 0x99);
}

static void torn_tables(void **state)
{
    static const size_t first_ends = 7, second_ends = 16;
    struct symbol symbol;

    (void)state;
    for (size_t size = 0; size < sizeof(table); size++) {
        assert_int_equal(find(size, 0x99, &symbol), size >= first_ends);
        if (size >= first_ends)
            assert_string_equal(symbol.name, size < second_ends ? "first" : "second");
    }
}

static void a_number_without_end(void **state)
{
    uint8_t bytes[64];
    struct symbol symbol;

    (void)state;
    memset(bytes, 0xff, sizeof(bytes));
    assert_false(symbols_find(bytes, sizeof(bytes), 1, &symbol));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_function_at_or_before),
        cmocka_unit_test(torn_tables),
        cmocka_unit_test(a_number_without_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
