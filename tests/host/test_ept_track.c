/* Dirty tracking, by flags and by write protection, against a set of the pages that a guest wrote. */
#include "tests/host/support.h"

#include "mm/ept_track.h"
#include "tests/host/ept_world.h"

enum { PAGES = 2048 };

static const struct range block = {0xbfc00000, 0xc0000000};

struct guest {
    struct ept_world world;
    struct ept_track track;
    bool written[PAGES];
};

static uint64_t address_of(unsigned page)
{
    return 64 * MIB + page * PAGE_SIZE;
}

static void guest_init(struct guest *guest, bool flags, unsigned pool_pages)
{
    memset(guest->written, 0, sizeof(guest->written));
    assert_true(ept_world_init(&guest->world, usual_mtrr(), block, true, pool_pages));
    guest->track =
        (struct ept_track){.ept = &guest->world.ept, .range = {address_of(0), address_of(PAGES)}, .flags = flags};
}

static uint64_t *slot_of(struct guest *guest, unsigned page)
{
    return pgtable_lookup(&guest->world.ept.table, address_of(page)).slot;
}

/* The CPU writes: with flags it sets the dirty bit of the leaf, without it exits if it may not. */
static void guest_write(struct guest *guest, unsigned page)
{
    uint64_t *slot = slot_of(guest, page);

    guest->written[page] = true;
    if (guest->track.flags) {
        *slot |= EPT_DIRTY;
        return;
    }
    if (!(*slot & EPT_WRITE))
        assert_true(ept_track_write(&guest->track, address_of(page) + 5));
    assert_true(*slot_of(guest, page) & EPT_WRITE);
}

/* All that was written is reported; `exact`: and nothing else. */
static void check_harvest(struct guest *guest, bool exact)
{
    uint64_t at = guest->track.range.start;
    bool reported[PAGES] = {false};
    struct range range;

    while (ept_track_harvest(&guest->track, &at, &range)) {
        for (unsigned page = 0; page < PAGES; page++)
            reported[page] |= address_of(page) >= range.start && address_of(page) < range.end;
    }
    for (unsigned page = 0; page < PAGES; page++) {
        assert_true(reported[page] || !guest->written[page]);
        assert_true(!exact || reported[page] == guest->written[page]);
        guest->written[page] = false;
    }
}

static void use(struct guest *guest, bool exact)
{
    *slot_of(guest, 5) |= EPT_DIRTY; /* from before: doesn't count */
    assert_true(ept_track_start(&guest->track));
    check_harvest(guest, true);
    for (unsigned round = 0; round < 30; round++) {
        for (unsigned i = 0; i < 40; i++)
            guest_write(guest, (unsigned)below(PAGES));
        check_harvest(guest, exact);
        check_harvest(guest, true);
    }
    guest_write(guest, 7);
    assert_true(ept_track_stop(&guest->track));
    for (unsigned page = 0; page < PAGES; page++)
        assert_int_equal(*slot_of(guest, page) & (EPT_ALL | EPT_TRACKED), EPT_ALL);
    check_ept(&guest->world.ept);
    check_no_page_is_lost(&guest->world.ept.table, 0);
    ept_world_fini(&guest->world);
}

static void by_flags(void **state)
{
    struct guest guest;

    (void)state;
    guest_init(&guest, true, 32);
    assert_true(ept_protect(guest.track.ept, address_of(0), address_of(PAGES), EPT_ALL));
    use(&guest, false); /* whole 2 MiB leaves are dirty */
}

static void by_protection(void **state)
{
    struct guest guest;

    (void)state;
    guest_init(&guest, false, 64);
    use(&guest, true);
}

static void by_protection_without_pages(void **state)
{
    struct guest guest;

    (void)state;
    guest_init(&guest, false, 7); /* two can be split, the others are reported whole */
    use(&guest, false);
}

/* What wasn't writable isn't made so, and is not taken for tracked. */
static void leaves_others_alone(void **state)
{
    struct guest guest;

    (void)state;
    guest_init(&guest, false, 32);
    assert_true(ept_protect(guest.track.ept, address_of(3), address_of(4), EPT_READ));
    assert_true(ept_track_start(&guest.track));
    assert_false(ept_track_write(&guest.track, address_of(3)));
    assert_false(ept_track_write(&guest.track, address_of(PAGES)));
    assert_false(ept_track_write(&guest.track, address_of(0) - 1));
    assert_true(ept_track_write(&guest.track, address_of(4)));
    assert_true(ept_track_write(&guest.track, address_of(4))); /* another CPU, a moment later */
    assert_true(ept_track_stop(&guest.track));
    assert_int_equal(*slot_of(&guest, 3) & EPT_ALL, EPT_READ);
    ept_world_fini(&guest.world);
}

/* A page whose rights are changed meanwhile is nobody's to give rights to: least of all WRITE without READ. */
static void rights_changed_meanwhile(void **state)
{
    struct guest guest;

    (void)state;
    guest_init(&guest, false, 32);
    assert_true(ept_track_start(&guest.track));
    assert_true(ept_protect(guest.track.ept, address_of(3), address_of(5), 0));
    assert_false(ept_track_write(&guest.track, address_of(3)));
    assert_true(ept_track_stop(&guest.track));
    assert_int_equal(*slot_of(&guest, 3) & EPT_ALL, 0);
    assert_int_equal(*slot_of(&guest, 5) & EPT_ALL, EPT_ALL);
    check_ept(guest.track.ept);
    ept_world_fini(&guest.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_flags),
        cmocka_unit_test(by_protection),
        cmocka_unit_test(by_protection_without_pages),
        cmocka_unit_test(leaves_others_alone),
        cmocka_unit_test(rights_changed_meanwhile),
    };

    return cmocka_run_group_tests_name("ept_track", tests, NULL, NULL);
}
