/*
 * The Linux loader's placement on random small machines: memory with holes, files anywhere, too little of everything.
 * Whatever it does must be right; what it refuses must be impossible. LINUX_CASES and LINUX_SEED in the environment
 * change how many and which.
 */
#include "tests/host/linux_fixture.h"

enum { TOP = 3 << 20 }; /* where the random machines' memory ends at the latest */

static uint64_t state;
static uint64_t case_seed; /* LINUX_SEED=this LINUX_CASES=1 runs the case alone */
static uint8_t before[TOP];

static uint64_t below(uint64_t limit)
{
    return random_below(&state, limit);
}

static bool one_in(uint64_t n)
{
    return below(n) == 0;
}

static struct range random_range(uint64_t from, uint64_t to, uint64_t size_most)
{
    uint64_t start = from + below(to - from);
    uint64_t size = 1 + below(size_most);

    if (!one_in(8)) {
        start = ALIGN_DOWN(start, PAGE_SIZE);
        size = ALIGN_UP(size, PAGE_SIZE);
    }
    return (struct range){start, start + size};
}

static void random_memory(void)
{
    machine_clear();
    if (!one_in(8))
        add_memory(0, 0x9fc00, MEMORY_RAM);
    add_memory(MIB, MIB + PAGE_SIZE + below(MIB), MEMORY_RAM);
    for (uint64_t holes = below(5); holes > 0; holes--) {
        const struct range hole = random_range(0, 2 * MIB, 64 * KIB);

        add_memory(hole.start, hole.end, 2 + below(4));
    }
}

static void random_header(void)
{
    header_make();
    machine.header.setup_sects = below(8);
    machine.header.syssize = 1 + below(32 * KIB / 16);
    machine.header.init_size = one_in(8) ? below(1000) : below(256 * KIB);
    machine.header.kernel_alignment = 1u << (8 + below(11));
    machine.header.min_alignment = one_in(3) ? 0 : 4 + below(5);
    machine.header.pref_address =
        one_in(8) ? 0 : MIB + ALIGN_DOWN(below(MIB / 2), one_in(8) ? 16 : machine.header.kernel_alignment);
    machine.header.relocatable_kernel = !one_in(8);
    if (one_in(4))
        machine.header.initrd_addr_max = MIB + below(MIB);
}

/* Anywhere where it disturbs neither the block, nor `avoid`, nor the other file. */
static bool random_file(uint64_t size, struct range other, struct range *file)
{
    for (unsigned tries = 0; tries < 100; tries++) {
        bool ok = true;

        *file = range_of(below(TOP - size), size);
        if (!one_in(8))
            *file = range_of(ALIGN_DOWN(file->start, PAGE_SIZE), size);
        for (unsigned i = 0; i < machine.source.avoid_count; i++)
            ok = ok && !range_overlaps(*file, machine.source.avoid[i]);
        if (ok && !range_overlaps(*file, machine.source.block) && !range_overlaps(*file, other))
            return true;
    }
    return false;
}

static bool random_machine(void)
{
    struct range file;

    random_memory();
    random_header();
    machine.source.block = range_of(ALIGN_DOWN(below(2 * MIB), PAGE_SIZE), PAGE_SIZE * (1 + below(8)));
    if (!one_in(8)) /* else the caller forgot to: it must be safe all the same */
        add_memory(machine.source.block.start, machine.source.block.end, MEMORY_RESERVED);
    machine.source.avoid_count = below(4);
    for (unsigned i = 0; i < machine.source.avoid_count; i++)
        machine.source.avoid[i] = random_range(0, 2 * MIB, 32 * KIB);
    if (!random_file((machine.header.setup_sects ? machine.header.setup_sects + 1 : 5) * 512 +
                         machine.header.syssize * 16,
                     (struct range){0, 0}, &file))
        return false;
    kernel_put(file.start);
    if (one_in(6))
        return true;
    if (!random_file(1 + below(one_in(4) ? 256 * KIB : 64 * KIB), machine.source.kernel, &file))
        return false;
    initrd_put(file.start, range_size(file));
    return true;
}

/* --- what should have come out, by trying every place --- */

static bool is_free(struct range place)
{
    for (unsigned i = 0; i < machine.source.avoid_count; i++)
        if (range_overlaps(place, machine.source.avoid[i]))
            return false;
    return !range_overlaps(place, machine.source.block) && memmap_is(&machine.map, place, MEMORY_RAM);
}

static uint64_t needed(void)
{
    return machine.header.init_size > machine.system_size ? machine.header.init_size : machine.system_size;
}

static uint64_t initrd_end_most(void)
{
    return (uint64_t)machine.header.initrd_addr_max + 1;
}

static bool may_stay(struct range kernel)
{
    const struct range initrd = machine.source.initrd;

    return range_size(initrd) == 0 ||
           (initrd.start % PAGE_SIZE == 0 && initrd.end <= initrd_end_most() &&
            memmap_is(&machine.map, initrd, MEMORY_RAM) && !range_overlaps(whole_pages_of(initrd), kernel));
}

static bool at_pref(struct range *kernel)
{
    *kernel = range_of(machine.header.pref_address, needed());
    if (machine.header.pref_address == 0 && !machine.header.relocatable_kernel)
        *kernel = range_of(MIB, needed());
    return kernel->start != 0 && is_free(*kernel) &&
           !(machine.header.relocatable_kernel && kernel->start % machine.header.kernel_alignment);
}

static bool room_for_initrd(struct range kernel)
{
    const struct range copy = {kernel.start, kernel.start + machine.system_size};
    const uint64_t file = machine.source.kernel.start + machine.setup_size;
    const uint64_t size = range_size(machine.source.initrd);

    for (uint64_t at = MIB; at + size <= initrd_end_most() && at < TOP; at += PAGE_SIZE) {
        const struct range place = whole_pages_of(range_of(at, size));

        if (is_free(place) && place.end <= initrd_end_most() && !range_overlaps(place, kernel) &&
            (!range_overlaps(place, range_of(file, machine.system_size)) ||
             !range_overlaps(copy, machine.source.initrd)))
            return true;
    }
    return false;
}

/* Is there any place for the kernel, and one from which the initrd finds room too? */
static bool try_all_places(bool *with_initrd)
{
    const uint64_t least = machine.header.min_alignment;
    const uint64_t align = least ? (uint64_t)1 << least : machine.header.kernel_alignment;
    struct range kernel;
    bool found = at_pref(&kernel);

    *with_initrd = found && (may_stay(kernel) || room_for_initrd(kernel));
    if (!machine.header.relocatable_kernel)
        return found;
    for (uint64_t at = machine.header.pref_address > MIB ? machine.header.pref_address : MIB; at < TOP; at += align) {
        kernel = range_of(at = ALIGN_UP(at, align), needed());
        if (!is_free(kernel))
            continue;
        found = true;
        if (*with_initrd || may_stay(kernel) || room_for_initrd(kernel))
            return *with_initrd = true;
    }
    return found;
}

/* --- the checks --- */

static void check_byte(uint64_t at, bool loaded)
{
    const struct range byte = range_of(at, 1);
    const struct guest_entry *entry = &machine.entry;

    if (memory[at] != before[at] &&
        !(loaded && (range_overlaps(byte, entry->kernel) || range_overlaps(byte, entry->initrd) ||
                     range_overlaps(byte, entry->parameters))))
        fail_msg("byte %#llx was written", (unsigned long long)at);
}

static void check_only_places_were_written(bool loaded)
{
    for (uint64_t page = 0; page < TOP; page += PAGE_SIZE)
        if (memcmp(memory + page, before + page, PAGE_SIZE))
            for (uint64_t i = 0; i < PAGE_SIZE; i++)
                check_byte(page + i, loaded);
}

static void check_choice(void)
{
    struct range pref;

    if (may_stay(machine.entry.kernel))
        assert_int_equal(machine.entry.initrd.start, machine.source.initrd.start);
    if (at_pref(&pref) && may_stay(pref) &&
        machine.entry.parameters.start < MIB) /* else it may have had to make room */
        assert_int_equal(machine.entry.kernel.start, pref.start);
}

static struct {
    unsigned cases, loaded, moved_initrd, off_pref, no_kernel, no_initrd, no_parameters, tried, missed;
} count;

static void count_loaded(void)
{
    struct range pref;

    count.loaded++;
    count.moved_initrd += machine.entry.initrd.start != machine.source.initrd.start;
    count.off_pref += !at_pref(&pref) || machine.entry.kernel.start != pref.start;
}

/* A refusal of the kernel must be exact; for the initrd not every combination is tried, but nearly. */
static void check_refusal(void)
{
    bool with_initrd;

    if (strstr(machine.error.text, "zero page")) {
        count.no_parameters++;
    } else if (strstr(machine.error.text, "the initrd")) {
        count.no_initrd++;
        if (!one_in(16))
            return;
        assert_true(try_all_places(&with_initrd));
        count.tried++;
        count.missed += with_initrd;
    } else {
        count.no_kernel++;
        assert_non_null(strstr(machine.error.text, "pref_address"));
        if (one_in(32))
            assert_false(try_all_places(&with_initrd));
    }
}

static void one_case(void)
{
    const bool compare = one_in(32);
    bool loaded;

    if (!random_machine())
        return;
    count.cases++;
    if (compare)
        memcpy(before, memory, TOP);
    loaded = linux_load(&machine.source, &machine.entry, &machine.error);
    if (compare)
        check_only_places_were_written(loaded);
    if (!loaded) {
        check_refusal();
        return;
    }
    check_loaded();
    check_choice();
    count_loaded();
}

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 0) : otherwise;
}

static void random_machines(void **unused)
{
    const uint64_t cases = number("LINUX_CASES", 110000);

    (void)unused;
    state = number("LINUX_SEED", 20240601);
    for (uint64_t i = 0; i < cases; i++) {
        case_seed = state;
        one_case();
    }
    case_seed = 0;
    print_message(
        "    %u machines: %u loaded (%u kernels not at pref_address, %u initrds moved); refused: %u kernels, %u "
        "initrds, %u zero pages; %u of %u initrds tried had a place after all\n",
        count.cases, count.loaded, count.off_pref, count.moved_initrd, count.no_kernel, count.no_initrd,
        count.no_parameters, count.missed, count.tried);
    assert_true(count.missed * 50 <= count.tried); /* at most 2 % */
}

static int report(void **unused)
{
    if (case_seed)
        print_message("failed with LINUX_SEED=%llu LINUX_CASES=1\n", (unsigned long long)case_seed);
    return forget(unused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_machines)};

    return cmocka_run_group_tests_name("linux on random machines", tests, NULL, report);
}
