/* boot/old_log.c: a log that an earlier boot left, whole or not, and where the guest gets it. */
#include "tests/host/support.h"

#include "boot/old_log.h"
#include "guest/boot_params.h"
#include "lib/options.h"

enum {
    BLOCK = 0x7c00000,
    BLOCK_SIZE = 0x200000,
    RING = BLOCK + 0x80000, /* of this build */
    OTHER = BLOCK + 0x3f000,
    KERNEL = 0x200000,
    KERNEL_SIZE = 0x1000,
    RAM_END = 0x8000000,
    PLACE = RAM_END - LOG_RING_BYTES,
    TEXT = LOG_RING_BYTES - 12
};

static struct boot_info info;
static struct memmap free_memory;
static struct error error;
static struct log_ring *ring;
static uint8_t *top;    /* the highest RAM */
static uint8_t *kernel; /* the first module */

static const struct range block = {BLOCK, BLOCK + BLOCK_SIZE};

static void start_with(uint64_t place, const char *text)
{
    struct setup_header *header;

    arena_clear();
    console_clear();
    options.ramoops = true;
    ring = (struct log_ring *)((uint8_t *)arena_add(BLOCK, BLOCK_SIZE) + place - BLOCK);
    top = arena_add(PLACE, LOG_RING_BYTES);
    kernel = arena_add(KERNEL, KERNEL_SIZE);
    memset(&info, 0, sizeof(info));
    assert_true(memmap_add(&info.memmap, (struct range){MIB, RAM_END}, MEMORY_RAM, &error));
    free_memory = info.memmap;
    info.module_count = 1;
    info.modules[0].range = (struct range){KERNEL, KERNEL + KERNEL_SIZE};
    header = (struct setup_header *)(kernel + 0x1f1);
    header->boot_flag = 0xaa55;
    memcpy(&header->header, "HdrS", 4);
    if (*text)
        log_ring_write(ring, text, (uint32_t)strlen(text));
}

static void start(const char *text)
{
    start_with(RING, text);
}

static struct range save(void)
{
    return old_log_save(&info, old_log_find(block, RING), &free_memory, NULL, 0);
}

static void assert_no_place(void)
{
    assert_int_equal(range_size(save()), 0);
    assert_int_equal(info.memmap.count, 1);
}

/* The same place as for a log, so that the guest's e820 is the same in every boot, but nothing in it. */
static void assert_empty_place(void)
{
    const struct range place = save();

    assert_int_equal(place.start, PLACE);
    assert_int_equal(place.end, RAM_END);
    assert_true(memmap_is(&info.memmap, place, MEMORY_RESERVED));
    for (unsigned i = 0; i < LOG_RING_BYTES; i++)
        assert_int_equal(top[i], 0);
}

static void the_end_is_printed_and_all_is_kept(void **state)
{
    struct range place;

    (void)state;
    start("1 one\n2 two\n3 three\n4 four\n5 five\n6 six\nerror: CRASH\nerror:   rax 0\nerror:   rbx 0\nlast\n");
    place = save();
    assert_string_equal(console_text(),
                        "The previous boot ended with:\n  | 3 three\n  | 4 four\n  | 5 five\n  | 6 six\n"
                        "  | error: CRASH\n  | last\n");
    assert_int_equal(place.start, PLACE);
    assert_int_equal(range_size(place), LOG_RING_BYTES);
    assert_true(memmap_is(&info.memmap, place, MEMORY_RESERVED));
    assert_memory_equal(top + 4, (uint8_t *)ring + 4, LOG_RING_BYTES - 4);
    assert_memory_equal(top, "DBGC", 4);
    assert_null(old_log_find(block, RING));
}

static void another_build_had_it_elsewhere(void **state)
{
    const uint64_t places[] = {BLOCK, OTHER, BLOCK + BLOCK_SIZE - LOG_RING_BYTES - PAGE_SIZE};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        start_with(places[i], "abc\n");
        assert_ptr_equal(old_log_find(block, RING), ring);
        assert_int_equal(save().start, PLACE);
        assert_string_equal(console_text(), "The previous boot ended with:\n  | abc\n");
        assert_null(old_log_find(block, RING));
        log_ring_write(ring, "d", 1);
        ring->text[0]++; /* no longer whole: here it may be anything */
        assert_null(old_log_find(block, RING));
        assert_ptr_equal(old_log_find(block, places[i]), ring);
    }
}

/* That of this build's place is the last boot's. */
static void the_own_ring_counts_first(void **state)
{
    struct log_ring *own;

    (void)state;
    start_with(BLOCK, "abc\n");
    own = (struct log_ring *)((uint8_t *)ring + RING - BLOCK);
    memcpy(own, ring, sizeof(*ring));
    assert_ptr_equal(old_log_find(block, RING), own);
}

/* The text has gone round, was cut in the middle of a line, and holds what is no text. */
static void a_full_ring(void **state)
{
    (void)state;
    start("");
    ring->magic = 0x43474244;
    ring->start = 5;
    ring->size = TEXT;
    memset(ring->text, 'x', TEXT);
    memcpy(ring->text, "end\x01\n", 5);
    memcpy(ring->text + TEXT - 7, "\nthe \xff", 6);
    save();
    assert_contains(console_text(), "The previous boot ended with (its log has changed in part since):\n  | xx");
    assert_contains(console_text(), "  | the ?xend?\n");
}

static void memory_that_holds_no_log(void **state)
{
    static const char none[] = "Previous boot: memory holds no log of it\n";

    (void)state;
    start("");
    assert_empty_place();
    assert_string_equal(console_text(), none);
    start("abc\n");
    ring->size = UINT32_MAX;
    assert_empty_place();
    assert_string_equal(console_text(), none);
    start("");
    options.ramoops = false;
    assert_no_place();
    arena_clear();
    assert_null(old_log_find(block, RING));
}

static void who_cannot_read_it_gets_no_place(void **state)
{
    (void)state;
    start("abc\n");
    options.ramoops = false;
    assert_no_place();
    assert_string_equal(console_text(), "The previous boot ended with:\n  | abc\n");
    start("abc\n");
    kernel[0x1fe] = 0; /* no Linux kernel */
    assert_no_place();
    start("abc\n");
    info.module_count = 0; /* chainload */
    assert_no_place();
}

static void places_in_use_are_left_alone(void **state)
{
    const struct range module = {PLACE + 5, RAM_END}, boot_services = {RAM_END - 4 * MIB, RAM_END};

    (void)state;
    start("abc\n");
    arena_add(PLACE - LOG_RING_BYTES, LOG_RING_BYTES);
    assert_int_equal(old_log_save(&info, old_log_find(block, RING), &free_memory, &module, 1).end, PLACE);
    start("abc\n");
    arena_add(boot_services.start - LOG_RING_BYTES, LOG_RING_BYTES);
    assert_true(memmap_set(&free_memory, boot_services, MEMORY_RESERVED, &error));
    assert_int_equal(save().end, boot_services.start);
}

static void without_room_it_is_only_printed(void **state)
{
    (void)state;
    start("abc\n");
    free_memory.count = 0;
    assert_no_place();
    assert_string_equal(console_text(), "The previous boot ended with:\n  | abc\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_is_printed_and_all_is_kept), cmocka_unit_test(a_full_ring),
        cmocka_unit_test(memory_that_holds_no_log),           cmocka_unit_test(who_cannot_read_it_gets_no_place),
        cmocka_unit_test(places_in_use_are_left_alone),       cmocka_unit_test(without_room_it_is_only_printed),
        cmocka_unit_test(another_build_had_it_elsewhere),     cmocka_unit_test(the_own_ring_counts_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
