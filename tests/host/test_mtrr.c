/* Memory types by the MTRRs: against the page-by-page model over random register sets, and the rules one by one. */
#include "tests/host/support.h"

#include "mm/mtrr.h"
#include "tests/host/mtrr_model.h"

enum { SETS = 400, PLACES = 40, PAGES_A_PLACE = 300 };

static unsigned long pages_compared;

/* [address, end) has one type, the model agrees on its pages (the first and last ones of a long run), and it is exact
 * where it ends. */
static uint64_t check_run(const struct mtrr_state *mtrr, uint64_t address, bool exact)
{
    uint64_t end, limit = 1ull << mtrr->physical_bits;
    unsigned type = mtrr_type(mtrr, address, &end);
    uint64_t pages = (end - address) / PAGE_SIZE, most = pages < PAGES_A_PLACE ? pages : PAGES_A_PLACE;

    assert_true(end > address && end <= limit && end % PAGE_SIZE == 0);
    for (uint64_t i = 0; i < most; i++) {
        assert_int_equal(model_type(mtrr, address + i * PAGE_SIZE), type);
        assert_int_equal(model_type(mtrr, end - (i + 1) * PAGE_SIZE), type);
        assert_int_equal(model_type(mtrr, address + below(pages) * PAGE_SIZE), type);
    }
    pages_compared += 3 * most;
    if (exact && end < limit)
        assert_int_not_equal(model_type(mtrr, end), type);
    return end;
}

static uint64_t interesting_place(const struct mtrr_state *mtrr)
{
    uint64_t limit = 1ull << mtrr->physical_bits;
    uint64_t near = one_in(2) ? mtrr->variable[below(MTRR_VARIABLE_MAX)].base : random64();

    if (one_in(4))
        near = below(MIB + 16 * PAGE_SIZE);
    near += (below(5) - 2) * PAGE_SIZE;
    return near % limit & ~(PAGE_SIZE - 1);
}

static void compare_sets(bool tidy)
{
    for (unsigned set = 0; set < SETS; set++) {
        struct mtrr_state mtrr;

        random_mtrr(&mtrr, tidy, 36);
        for (unsigned place = 0; place < PLACES; place++) {
            uint64_t end = check_run(&mtrr, interesting_place(&mtrr), tidy);

            if (end < 1ull << mtrr.physical_bits)
                check_run(&mtrr, end, tidy);
        }
    }
}

static void tidy_sets_agree_with_the_model(void **state)
{
    (void)state;
    compare_sets(true);
}

static void absurd_sets_agree_with_the_model(void **state)
{
    (void)state;
    compare_sets(false);
    print_message("           %lu pages compared in all\n", pages_compared);
    assert_true(pages_compared > 1000000);
}

static void whole_low_memory_agrees(void **state)
{
    (void)state;
    for (unsigned set = 0; set < 4; set++) {
        struct mtrr_state mtrr;
        uint64_t end = 0;
        unsigned type = 0;

        random_mtrr(&mtrr, set % 2, 32);
        for (uint64_t page = 0; page < 4 * GIB; page += PAGE_SIZE) {
            if (page >= end)
                type = mtrr_type(&mtrr, page, &end);
            assert_int_equal(model_type(&mtrr, page), type);
        }
        pages_compared += 4 * GIB / PAGE_SIZE;
    }
}

/* `enough` may shorten the answer, never falsify it, and always settles the question that it is for. */
static void enough_is_enough(void **state)
{
    (void)state;
    for (unsigned set = 0; set < 2000; set++) {
        struct mtrr_state mtrr;
        uint64_t address, enough, end, whole;

        random_mtrr(&mtrr, true, 36);
        address = interesting_place(&mtrr);
        enough = address + (PAGE_SIZE << below(20));
        assert_int_equal(mtrr_type_until(&mtrr, address, enough, &end), mtrr_type(&mtrr, address, &whole));
        assert_true(end <= whole && (end >= enough || end == whole));
    }
}

/* The quick answer is the same as the thorough one. */
static void uniform(void **state)
{
    unsigned yes = 0;

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        static struct mtrr_state mtrr;
        uint64_t size = PAGE_SIZE << (one_in(2) ? 9 * below(3) : below(20)), start, end;
        enum memory_type type, expected;

        if (i % 100 == 0)
            random_mtrr(&mtrr, one_in(2), 36);
        start = ALIGN_DOWN(interesting_place(&mtrr), size);
        expected = mtrr_type_until(&mtrr, start, start + size, &end);
        assert_int_equal(mtrr_uniform(&mtrr, start, size, &type), end >= start + size);
        if (end >= start + size)
            assert_int_equal(type, expected);
        yes += end >= start + size;
    }
    assert_true(yes > 20000 && yes < 180000);
}

static void plain_from_here(void **state)
{
    (void)state;
    for (unsigned set = 0; set < 1000; set++) {
        enum memory_type type, here;
        struct mtrr_state mtrr;
        uint64_t from, end, limit;

        random_mtrr(&mtrr, one_in(2), 36);
        limit = 1ull << mtrr.physical_bits;
        from = mtrr_plain_from(&mtrr, &type);
        assert_true(from <= limit && from % PAGE_SIZE == 0);
        if (from < limit) {
            here = mtrr_type(&mtrr, from, &end);
            assert_int_equal(here, type);
            assert_int_equal(end, limit);
        }
    }
}

static struct mtrr_state simple(uint64_t default_type)
{
    return (struct mtrr_state){.capability = 0x508, .default_type = default_type, .physical_bits = 40};
}

static void add(struct mtrr_state *mtrr, unsigned n, uint64_t base, uint64_t size, uint64_t type)
{
    mtrr->variable[n].base = base | type;
    mtrr->variable[n].mask = ((1ull << mtrr->physical_bits) - size) | 0x800;
}

static unsigned overlap(uint64_t a, uint64_t b)
{
    struct mtrr_state mtrr = simple(0xc06);
    uint64_t end;

    add(&mtrr, 0, GIB, GIB, a);
    add(&mtrr, 1, GIB, MIB, b);
    return mtrr_type(&mtrr, GIB, &end);
}

/* SDM 11.11.4.1, each of its rules; what it leaves undefined is UC. */
static void precedence(void **state)
{
    (void)state;
    assert_int_equal(overlap(MEMORY_WB, MEMORY_UC), MEMORY_UC);
    assert_int_equal(overlap(MEMORY_UC, MEMORY_WB), MEMORY_UC);
    assert_int_equal(overlap(MEMORY_WT, MEMORY_WB), MEMORY_WT);
    assert_int_equal(overlap(MEMORY_WB, MEMORY_WT), MEMORY_WT);
    assert_int_equal(overlap(MEMORY_WB, MEMORY_WB), MEMORY_WB);
    assert_int_equal(overlap(MEMORY_WP, MEMORY_WB), MEMORY_UC);
    assert_int_equal(overlap(MEMORY_WC, MEMORY_WB), MEMORY_UC);
    assert_int_equal(overlap(MEMORY_WC, MEMORY_WC), MEMORY_WC);
}

static void switched_off(void **state)
{
    struct mtrr_state mtrr = simple(0x406);
    uint64_t end;

    (void)state;
    add(&mtrr, 0, 0, GIB, MEMORY_WB);
    assert_int_equal(mtrr_type(&mtrr, 0, &end), MEMORY_UC);
    assert_int_equal(end, 1ull << 40);

    mtrr.default_type = 0x806; /* on, fixed ranges off: the variable range rules from 0 on */
    memset(mtrr.fixed, MEMORY_WC, sizeof(mtrr.fixed));
    assert_int_equal(mtrr_type(&mtrr, 0, &end), MEMORY_WB);

    mtrr.default_type = 0xc06;
    assert_int_equal(mtrr_type(&mtrr, 0, &end), MEMORY_WC);
    assert_int_equal(end, MIB);
    mtrr.capability &= ~0x100ull; /* no fixed ranges in this CPU */
    assert_int_equal(mtrr_type(&mtrr, 0, &end), MEMORY_WB);
}

static void boundaries(void **state)
{
    struct mtrr_state mtrr = simple(0x800);
    enum memory_type type;
    uint64_t end;

    (void)state;
    add(&mtrr, 0, 0, 2 * GIB, MEMORY_WB);
    add(&mtrr, 1, 2 * GIB, GIB, MEMORY_WB);
    assert_int_equal(mtrr_type(&mtrr, 5 * MIB, &end), MEMORY_WB);
    assert_int_equal(end, 3 * GIB); /* neighbours of one type are one run */
    assert_int_equal(mtrr_type(&mtrr, 3 * GIB, &end), MEMORY_UC);
    assert_int_equal(end, 1ull << 40);
    mtrr.variable[1].mask &= ~0x800ull; /* not valid */
    mtrr_type(&mtrr, 5 * MIB, &end);
    assert_int_equal(end, 2 * GIB);
    assert_int_equal(mtrr_plain_from(&mtrr, &type), 2 * GIB);
    assert_int_equal(type, MEMORY_UC);
    mtrr.capability = 0x500; /* VCNT 0 */
    assert_int_equal(mtrr_type(&mtrr, 0, &end), MEMORY_UC);
}

static void writes(void **state)
{
    struct mtrr_state mtrr = simple(0xc06);

    (void)state;
    assert_true(mtrr_write_valid(&mtrr, 0x200, 0xffffff0006));
    assert_false(mtrr_write_valid(&mtrr, 0x200, 0x10000000006)); /* above MAXPHYADDR */
    assert_false(mtrr_write_valid(&mtrr, 0x200, 0x106));         /* reserved bits 11:8 */
    assert_false(mtrr_write_valid(&mtrr, 0x200, 2));
    assert_false(mtrr_write_valid(&mtrr, 0x200, 3));
    assert_false(mtrr_write_valid(&mtrr, 0x200, 7));
    assert_true(mtrr_write_valid(&mtrr, 0x201, 0xfffffff800));
    assert_false(mtrr_write_valid(&mtrr, 0x201, 0xfffffffc00)); /* bit 10 is reserved */
    assert_false(mtrr_write_valid(&mtrr, 0x201, 0x1000000000800));
    assert_true(mtrr_write_valid(&mtrr, 0x20f, 0));
    assert_false(mtrr_write_valid(&mtrr, 0x210, 0)); /* VCNT is 8 */
    assert_true(mtrr_write_valid(&mtrr, 0x250, 0x0605040100060606));
    assert_false(mtrr_write_valid(&mtrr, 0x250, 0x0602040100060606));
    assert_true(mtrr_write_valid(&mtrr, 0x26f, 0));
    assert_true(mtrr_write_valid(&mtrr, 0x2ff, 0xc06));
    assert_false(mtrr_write_valid(&mtrr, 0x2ff, 0xd06));
    assert_false(mtrr_write_valid(&mtrr, 0x2ff, 0xc02));
    assert_false(mtrr_write_valid(&mtrr, 0xfe, 0x508)); /* MTRRCAP is read-only */
    assert_false(mtrr_write_valid(&mtrr, 0x251, 0));
    mtrr.capability = 8; /* neither write-combining nor fixed ranges */
    assert_false(mtrr_write_valid(&mtrr, 0x200, MEMORY_WC));
    assert_false(mtrr_write_valid(&mtrr, 0x250, 0));
}

static void fields(void **state)
{
    struct mtrr_state mtrr = simple(0xc06);

    (void)state;
    assert_ptr_equal(mtrr_field(&mtrr, 0xfe), &mtrr.capability);
    assert_ptr_equal(mtrr_field(&mtrr, 0x2ff), &mtrr.default_type);
    assert_ptr_equal(mtrr_field(&mtrr, 0x206), &mtrr.variable[3].base);
    assert_ptr_equal(mtrr_field(&mtrr, 0x207), &mtrr.variable[3].mask);
    assert_ptr_equal(mtrr_field(&mtrr, 0x250), &mtrr.fixed[0]);
    assert_ptr_equal(mtrr_field(&mtrr, 0x259), &mtrr.fixed[2]);
    assert_ptr_equal(mtrr_field(&mtrr, 0x268), &mtrr.fixed[3]);
    assert_ptr_equal(mtrr_field(&mtrr, 0x26f), &mtrr.fixed[10]);
    assert_null(mtrr_field(&mtrr, 0x210));
    assert_null(mtrr_field(&mtrr, 0x251));
    assert_null(mtrr_field(&mtrr, 0x25a));
    assert_null(mtrr_field(&mtrr, 0x270));
    assert_null(mtrr_field(&mtrr, 0x277)); /* PAT */
    mtrr.capability = 8;
    assert_null(mtrr_field(&mtrr, 0x250));
}

/* What WRMSR would accept is what the model calls legal, for every random value. */
static void valid_writes_hold_legal_types_only(void **state)
{
    struct mtrr_state mtrr = simple(0xc06);

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        uint32_t msr = 0x1f0 + (uint32_t)below(0x120);
        uint64_t value = random64() & random64() & random64() & (one_in(2) ? 0xffffffffffull : ~0ull);
        uint64_t *field = mtrr_field(&mtrr, msr);

        if (!mtrr_write_valid(&mtrr, msr, value))
            continue;
        assert_non_null(field);
        if (msr == 0x2ff || (msr < 0x210 && msr % 2 == 0))
            assert_true((value & 0xff) == 0 || model_legal(value & 0xff) != 0);
        *field = value;
        check_run(&mtrr, interesting_place(&mtrr), false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_low_memory_agrees),
        cmocka_unit_test(tidy_sets_agree_with_the_model),
        cmocka_unit_test(absurd_sets_agree_with_the_model),
        cmocka_unit_test(enough_is_enough),
        cmocka_unit_test(uniform),
        cmocka_unit_test(plain_from_here),
        cmocka_unit_test(precedence),
        cmocka_unit_test(switched_off),
        cmocka_unit_test(boundaries),
        cmocka_unit_test(writes),
        cmocka_unit_test(fields),
        cmocka_unit_test(valid_writes_hold_legal_types_only),
    };

    return cmocka_run_group_tests_name("mtrr", tests, NULL, NULL);
}
