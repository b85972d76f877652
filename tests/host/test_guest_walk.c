/* Translations of guest-linear addresses: each rule by itself, then random tables against the model. */
#include "tests/host/support.h"

#include "arch/x86/guest_walk.h"
#include "arch/x86/regs.h"
#include "tests/host/guest_walk_model.h"
#include "tests/host/guest_world.h"

enum { P = 1, W = 2, U = 4, A = 0x20, D = 0x40, PS = 0x80 };
#define XD ((uint64_t)1 << 63)

static struct guest_paging paging32(void)
{
    return (struct guest_paging){.cr0 = CR0_PE | CR0_PG, .cr3 = 0x1000, .physical_bits = 40};
}

static struct guest_paging paging_pae(void)
{
    return (struct guest_paging){
        .cr0 = CR0_PE | CR0_PG, .cr4 = CR4_PAE, .pdpte = {0x1001, 0, 0x2001, 0x3001}, .physical_bits = 40};
}

static struct guest_paging paging64(unsigned levels)
{
    return (struct guest_paging){.cr0 = CR0_PE | CR0_PG,
                                 .cr3 = 0x1000,
                                 .cr4 = CR4_PAE | (levels == 5 ? CR4_LA57 : 0),
                                 .efer = EFER_LMA | EFER_LME | EFER_NXE,
                                 .physical_bits = 40,
                                 .gib_pages = true};
}

static int clear(void **state)
{
    (void)state;
    memset(guest_world, 0, sizeof(guest_world));
    guest_world_hook = NULL;
    guest_world_replaces = 0;
    return 0;
}

static void entry(uint64_t table, unsigned index, unsigned size, uint64_t value)
{
    guest_world_set(table + (uint64_t)index * size, size, value);
}

static void expect(const struct guest_paging *p, uint64_t linear, unsigned access, uint64_t physical)
{
    struct guest_walk walk;

    assert_int_equal(guest_walk(p, linear, access, &walk), GUEST_WALK_OK);
    assert_int_equal(walk.physical, physical);
}

static void expect_fault(const struct guest_paging *p, uint64_t linear, unsigned access, uint32_t error)
{
    struct guest_walk walk;

    assert_int_equal(guest_walk(p, linear, access, &walk), GUEST_WALK_FAULT);
    assert_int_equal(walk.error, error);
}

static void paging_off(void **state)
{
    struct guest_paging p = {.cr0 = CR0_PE};

    (void)state;
    expect(&p, 0x123456789, GUEST_WRITE, 0x23456789);
    assert_int_equal(guest_world_replaces, 0);
}

static void small_and_large_pages(void **state)
{
    struct guest_paging p = paging32();

    (void)state;
    entry(0x1000, 0x48, 4, 0x2000 | P);
    entry(0x2000, 0x345, 4, 0xabcde000 | P);
    expect(&p, 0x12345678, 0, 0xabcde678);
    entry(0x1000, 0x49, 4, 0x40000000 | P | PS | 0x12 << 13);
    expect(&p, 0x12400000, 0, 0xfffff000); /* without PSE bit 7 is ignored: a table where nothing is, all-ones */
}

static void pse(void **state)
{
    struct guest_paging p = paging32();

    (void)state;
    p.cr4 = CR4_PSE;
    entry(0x1000, 1, 4, 0x40000000 | P | PS | 0x12 << 13);
    expect(&p, 0x7fffff, 0, 0x12403fffff);
    entry(0x1000, 2, 4, 0x40000000 | P | PS | 1 << 21);
    expect_fault(&p, 0x800000, 0, P | FAULT_RESERVED);
    p.physical_bits = 36;
    expect_fault(&p, 0x7fffff, GUEST_WRITE, P | FAULT_RESERVED | W);
    entry(0x1000, 1, 4, 0x40000000 | P | PS | 0xf << 13);
    expect(&p, 0x400000, 0, 0xf40000000);
}

static void pae(void **state)
{
    struct guest_paging p = paging_pae();
    struct guest_walk walk;

    (void)state;
    entry(0x2000, 3, 8, 0x1200000000 | P | PS);
    assert_int_equal(guest_walk(&p, 0x80612345, 0, &walk), GUEST_WALK_OK);
    assert_int_equal(walk.physical, 0x1200012345);
    assert_int_equal(walk.page_size, 2 * MIB);
    expect_fault(&p, 0x40000000, GUEST_USER, U); /* PDPTE 1 is absent */
    entry(0x2000, 4, 8, P | PS | XD);
    expect_fault(&p, 0x80800000, 0, P | FAULT_RESERVED); /* XD is reserved without NXE */
    entry(0x2000, 4, 8, P | PS | (uint64_t)1 << 52);
    expect_fault(&p, 0x80800000, 0, P | FAULT_RESERVED); /* in 4-level paging it would be ignored */
    entry(0x2000, 4, 8, P | PS | 1 << 13);
    expect_fault(&p, 0x80800000, 0, P | FAULT_RESERVED);
    entry(0x2000, 4, 8, P | PS | 1 << 12);
    expect(&p, 0x80800000, 0, 0); /* PAT */
}

static void long_mode(void **state)
{
    struct guest_paging p = paging64(4);
    struct guest_walk walk;

    (void)state;
    entry(0x1000, 511, 8, 0x2000 | P);
    entry(0x2000, 1, 8, 0x3000 | P);
    entry(0x2000, 2, 8, 0x40000000 | P | PS);
    entry(0x3000, 2, 8, 0x4000 | P);
    entry(0x4000, 3, 8, 0x5000 | P | (uint64_t)0x7ff << 52);
    expect(&p, 0xffffff8040403abc, 0, 0x5abc);
    assert_int_equal(guest_walk(&p, 0xffffff8081234567, 0, &walk), GUEST_WALK_OK);
    assert_int_equal(walk.page_size, GIB);
    assert_int_equal(walk.physical, 0x41234567);
    assert_int_equal(guest_walk(&p, 0x0000800000000000, 0, &walk), GUEST_WALK_NON_CANONICAL);
    assert_int_equal(guest_walk(&p, 0xff7fff8040403abc, 0, &walk), GUEST_WALK_NON_CANONICAL);
    p.gib_pages = false;
    expect_fault(&p, 0xffffff8081234567, 0, P | FAULT_RESERVED);
    entry(0x1000, 511, 8, 0x2000 | P | PS);
    expect_fault(&p, 0xffffff8040403abc, 0, P | FAULT_RESERVED);
}

static void five_levels(void **state)
{
    struct guest_paging p = paging64(5);
    struct guest_walk walk;

    (void)state;
    entry(0x1000, 3, 8, 0x2000 | P);
    entry(0x2000, 4, 8, 0x3000 | P);
    entry(0x3000, 5, 8, 0x40000000 | P | PS);
    expect(&p, (uint64_t)3 << 48 | (uint64_t)4 << 39 | (uint64_t)5 << 30 | 7, 0, 0x40000007);
    assert_int_equal(guest_walk(&p, (uint64_t)1 << 56, 0, &walk), GUEST_WALK_NON_CANONICAL);
}

static void rights_combine(void **state)
{
    struct guest_paging p = paging64(4);
    uint64_t page = 0x5000;

    (void)state;
    entry(0x1000, 0, 8, 0x2000 | P | W | U);
    entry(0x2000, 0, 8, 0x3000 | P | W | U);
    entry(0x3000, 0, 8, 0x4000 | P | W | U);
    entry(0x4000, 0, 8, page | P | W | U);
    entry(0x4000, 1, 8, page | P | U);
    entry(0x4000, 2, 8, page | P | W);
    entry(0x4000, 3, 8, page | P | W | U | XD);
    expect(&p, 0, GUEST_USER | GUEST_WRITE, page);
    expect_fault(&p, 0x1000, GUEST_USER | GUEST_WRITE, P | W | U);
    expect(&p, 0x1000, GUEST_WRITE, page); /* CR0.WP is 0 */
    p.cr0 |= CR0_WP;
    expect_fault(&p, 0x1000, GUEST_WRITE, P | W);
    expect(&p, 0x1000, GUEST_WRITE | GUEST_ANY, page);
    expect_fault(&p, 0x2000, GUEST_USER, P | U);
    expect_fault(&p, 0x3000, GUEST_FETCH, P | GUEST_FETCH);
    expect_fault(&p, 0x3000, GUEST_FETCH | GUEST_USER, P | U | GUEST_FETCH);
    expect(&p, 0x3000, GUEST_USER, page);
    entry(0x3000, 0, 8, 0x4000 | P | W); /* what an upper level denies */
    expect_fault(&p, 0, GUEST_USER, P | U);
}

static void smep_and_smap(void **state)
{
    struct guest_paging p = paging32();

    (void)state;
    entry(0x1000, 0, 4, 0x2000 | P | W | U);
    entry(0x2000, 0, 4, 0x5000 | P | W | U);
    expect(&p, 0, GUEST_FETCH, 0x5000);
    p.cr4 = CR4_SMEP;
    expect_fault(&p, 0, GUEST_FETCH, P | GUEST_FETCH);
    expect_fault(&p, 0x1000, GUEST_FETCH, GUEST_FETCH);
    p.cr4 = CR4_SMAP;
    expect_fault(&p, 0x1000, GUEST_FETCH, 0); /* neither SMEP nor NXE: no I/D */
    expect(&p, 0, GUEST_FETCH, 0x5000);
    expect_fault(&p, 0, 0, P);
    p.ac = true;
    expect(&p, 0, GUEST_WRITE, 0x5000);
    expect_fault(&p, 0, GUEST_IMPLICIT, P);
    expect(&p, 0, GUEST_USER, 0x5000);
}

static void flags_are_set(void **state)
{
    struct guest_paging p = paging32();

    (void)state;
    entry(0x1000, 0, 4, 0x2000 | P | W);
    entry(0x2000, 0, 4, 0x5000 | P | W);
    entry(0x2000, 1, 4, 0x6000 | P);
    expect(&p, 0, 0, 0x5000);
    assert_int_equal(guest_world_get(0x1000, 4), 0x2000 | P | W);
    expect(&p, 0, GUEST_MARK, 0x5000);
    assert_int_equal(guest_world_get(0x1000, 4), 0x2000 | P | W | A);
    assert_int_equal(guest_world_get(0x2000, 4), 0x5000 | P | W | A);
    expect(&p, 0, GUEST_MARK | GUEST_WRITE, 0x5000);
    assert_int_equal(guest_world_get(0x1000, 4), 0x2000 | P | W | A);
    assert_int_equal(guest_world_get(0x2000, 4), 0x5000 | P | W | A | D);
    guest_world_replaces = 0;
    expect(&p, 0, GUEST_MARK | GUEST_WRITE, 0x5000);
    assert_int_equal(guest_world_replaces, 0);
    p.cr0 |= CR0_WP;
    expect_fault(&p, 0x1000, GUEST_MARK | GUEST_WRITE, P | W); /* a fault leaves them */
    assert_int_equal(guest_world_get(0x2004, 4), 0x6000 | P);
}

static void moves_the_page(uint64_t physical)
{
    (void)physical;
    guest_world_hook = NULL;
    guest_world_set(0x2000, 4, 0x9000 | P);
}

static void changes_all_the_time(uint64_t physical)
{
    guest_world_set(physical, 4, (guest_world_get(physical, 4) ^ 0x200) & ~(uint64_t)A);
}

static void another_cpu_changes_tables(void **state)
{
    struct guest_paging p = paging32();

    (void)state;
    entry(0x1000, 0, 4, 0x2000 | P | A);
    entry(0x2000, 0, 4, 0x5000 | P);
    guest_world_hook = moves_the_page;
    expect(&p, 0, GUEST_MARK, 0x9000);
    assert_int_equal(guest_world_get(0x2000, 4), 0x9000 | P | A);
    entry(0x2000, 0, 4, 0x5000 | P);
    guest_world_hook = changes_all_the_time;
    guest_world_replaces = 0;
    expect(&p, 0, GUEST_MARK, 0x5000); /* ends */
    assert_in_range(guest_world_replaces, 2, 100);
}

static void tables_nowhere(void **state)
{
    struct guest_paging p = paging64(4);

    (void)state;
    p.cr3 = GUEST_WORLD_BYTES;
    expect_fault(&p, 0, 0, P | FAULT_RESERVED); /* all-ones */
}

/* Entries that mostly lead somewhere. */
/* 4.6.2: a key's rights come on top of the entries', for data only, and by PKRU or PKRS as the address is. */
static void protection_keys(void **state)
{
    const uint64_t key3 = (uint64_t)3 << 59;
    struct guest_paging p = paging64(4);

    (void)state;
    entry(0x1000, 0, 8, 0x2000 | P | W | U);
    entry(0x2000, 0, 8, 0x3000 | P | W | U);
    entry(0x3000, 0, 8, 0x4000 | P | W | U);
    entry(0x4000, 1, 8, 0x5000 | P | W | U | key3);
    entry(0x4000, 2, 8, 0x6000 | P | W | key3);
    p.pkru = 1 << 6; /* AD3 */
    p.pkrs = 2 << 6; /* WD3 */
    expect(&p, 0x1000, GUEST_USER, 0x5000);
    p.cr4 |= CR4_PKE | CR4_PKS;
    expect_fault(&p, 0x1000, GUEST_USER, P | U | FAULT_KEY);
    expect_fault(&p, 0x1000, GUEST_WRITE, P | W | FAULT_KEY);
    expect(&p, 0x1000, GUEST_USER | GUEST_FETCH, 0x5000);
    expect(&p, 0x1000, GUEST_ANY | GUEST_WRITE, 0x5000);
    expect(&p, 0x2000, 0, 0x6000);
    expect(&p, 0x2000, GUEST_WRITE, 0x6000); /* CR0.WP is 0 */
    p.cr0 |= CR0_WP;
    expect_fault(&p, 0x2000, GUEST_WRITE, P | W | FAULT_KEY);
    expect_fault(&p, 0x2000, GUEST_WRITE | GUEST_USER, P | W | U); /* not by its key */
    p.pkru = 2 << 6;
    expect(&p, 0x1000, GUEST_USER, 0x5000);
    expect_fault(&p, 0x1000, GUEST_USER | GUEST_WRITE, P | W | U | FAULT_KEY);
    entry(0x4000, 1, 8, 0x5000 | P | W | U | (uint64_t)4 << 59);
    expect(&p, 0x1000, GUEST_USER | GUEST_WRITE, 0x5000);
}

static uint64_t random_entry(uint64_t *seed, const struct guest_paging *p)
{
    uint64_t value = random_below(seed, GUEST_WORLD_PAGES) << 12 | P | random_below(seed, 0x80);

    if (random_below(seed, 8) == 0)
        value = (value & ~(uint64_t)0x1ff000) | PS;
    if (random_below(seed, 4) == 0 && p->efer & EFER_LMA)
        value |= random_below(seed, 16) << 59;
    if (random_below(seed, 10) == 0)
        value |= (uint64_t)1 << random_below(seed, 64);
    if (random_below(seed, 20) == 0)
        value ^= P;
    return random_below(seed, 4) || !(p->efer & EFER_NXE) ? value : value | XD;
}

static void random_paging(uint64_t *seed, struct guest_paging *p)
{
    *p = (struct guest_paging){
        .cr0 = CR0_PE | CR0_PG | (random_next(seed) & CR0_WP),
        .cr3 = random_below(seed, GUEST_WORLD_PAGES) << 12,
        .cr4 = random_next(seed) & (CR4_PAE | CR4_PSE | CR4_LA57 | CR4_SMEP | CR4_SMAP | CR4_PKE | CR4_PKS),
        .efer = random_next(seed) & (EFER_NXE | EFER_LMA),
        .physical_bits = 32 + (unsigned)random_below(seed, 21),
        .gib_pages = random_next(seed) & 1,
        .ac = random_next(seed) & 1,
        .pkru = (uint32_t)(random_next(seed) & random_next(seed)),
        .pkrs = (uint32_t)(random_next(seed) & random_next(seed)),
    };
    for (unsigned i = 0; i < 4; i++)
        p->pdpte[i] = random_below(seed, GUEST_WORLD_PAGES) << 12 | (random_below(seed, 8) != 0);
}

static void random_tables(void **state)
{
    uint64_t seed = 1;
    unsigned results[2] = {0, 0};

    (void)state;
    for (unsigned round = 0; round < 3000; round++) {
        struct guest_paging p;

        random_paging(&seed, &p);
        for (unsigned i = 0; i < 2000; i++)
            guest_world_set(random_below(&seed, GUEST_WORLD_BYTES / 8) * 8, 8, random_entry(&seed, &p));
        for (unsigned i = 0; i < 200; i++) {
            uint64_t linear = (uint64_t)((int64_t)random_next(&seed) >> random_below(&seed, 40));
            unsigned access =
                random_next(&seed) & (GUEST_WRITE | GUEST_USER | GUEST_FETCH | GUEST_IMPLICIT | GUEST_MARK);
            struct model_walk right;
            struct guest_walk walk;

            if (access & GUEST_FETCH)
                access &= ~(unsigned)GUEST_WRITE;
            right = model_walk(&p, linear, access);
            assert_int_equal(guest_walk(&p, linear, access, &walk), right.result);
            assert_int_equal(walk.error, right.error);
            if (right.result == GUEST_WALK_OK)
                assert_int_equal(walk.physical, right.physical);
            if (right.result != GUEST_WALK_NON_CANONICAL)
                results[right.result]++;
        }
    }
    assert_in_range(results[GUEST_WALK_OK], 50000, 600000);
    assert_in_range(results[GUEST_WALK_FAULT], 50000, 600000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(paging_off, clear),
        cmocka_unit_test_setup(small_and_large_pages, clear),
        cmocka_unit_test_setup(pse, clear),
        cmocka_unit_test_setup(pae, clear),
        cmocka_unit_test_setup(long_mode, clear),
        cmocka_unit_test_setup(five_levels, clear),
        cmocka_unit_test_setup(rights_combine, clear),
        cmocka_unit_test_setup(smep_and_smap, clear),
        cmocka_unit_test_setup(flags_are_set, clear),
        cmocka_unit_test_setup(another_cpu_changes_tables, clear),
        cmocka_unit_test_setup(tables_nowhere, clear),
        cmocka_unit_test_setup(protection_keys, clear),
        cmocka_unit_test_setup(random_tables, clear),
    };

    return cmocka_run_group_tests_name("guest_walk", tests, NULL, NULL);
}
