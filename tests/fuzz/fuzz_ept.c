/*
 * Any MTRRs, any block, any sequence of operations on the EPT, in a small pool: no leaf meets the block, nothing is
 * misconfigured, no page is lost, and memory types are what the page-by-page model says.
 */
#include "mm/ept_dump.h"
#include "mm/ept_evict.h"
#include "mm/ept_execute.h"
#include "mm/ept_retype.h"
#include "mm/ept_track.h"
#include "mm/ept_view.h"
#include "mm/pgtable_merge.h"
#include "tests/host/ept_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *data;
    size_t size;
};

static void take(struct input *input, void *to, size_t size)
{
    size_t have = input->size < size ? input->size : size;

    memset(to, 0, size);
    memcpy(to, input->data, have);
    input->data += have;
    input->size -= have;
}

static uint64_t take64(struct input *input, unsigned bytes)
{
    uint64_t value = 0;

    take(input, &value, bytes);
    return value;
}

static void take_mtrr(struct input *input, struct mtrr_state *mtrr)
{
    memset(mtrr, 0, sizeof(*mtrr));
    mtrr->capability = take64(input, 2) & 0xf0f;
    if (mtrr->capability & 0x800)
        take(input, &mtrr->smrr_base, 2 * sizeof(uint64_t));
    mtrr->default_type = take64(input, 2);
    mtrr->physical_bits = 32 + (unsigned)take64(input, 1) % 21;
    take(input, mtrr->fixed, sizeof(mtrr->fixed));
    take(input, mtrr->variable, (mtrr->capability & 15) * sizeof(mtrr->variable[0]));
}

/* An address anywhere, or near the block, or near 4 GiB; whole pages if asked. */
static uint64_t take_address(struct input *input, const struct ept *ept)
{
    uint8_t how = (uint8_t)take64(input, 1);
    uint64_t value = take64(input, how & 1 ? 6 : 2) * (how & 1 ? 1 : PAGE_SIZE);

    if (how & 2)
        value += ept->block.start;
    if (how & 4)
        value += 4 * GIB;
    return value & ((1ull << 48) - 1) & ~(PAGE_SIZE - 1);
}

struct machine {
    struct ept_world world;
    struct mtrr_state other; /* the MTRRs not in force */
    struct ept_view view;
    struct ept_track track;
    uint64_t withheld; /* a page that was protected */
};

/* As vmm/table_pool.c does it. */
static bool make_room(struct ept *ept, uint64_t keep)
{
    if (!pool_free_pages(ept->table.pool) && pgtable_merge_but(&ept->table, 0, ept_limit(ept), keep))
        pgtable_reclaim(&ept->table);
    if (!pool_free_pages(ept->table.pool) && ept_evict(ept, keep, 3))
        pgtable_reclaim(&ept->table);
    return pool_free_pages(ept->table.pool) != 0;
}

static void fill(struct ept *ept, uint64_t address)
{
    struct pgtable_leaf leaf;
    enum ept_fill filled;
    unsigned type;

    while ((filled = ept_fill(ept, address)) == EPT_NO_MEMORY)
        if (!make_room(ept, address)) {
            (void)ept_fill_coarse(ept, address);
            return;
        }
    if (filled != EPT_FILLED)
        return;
    leaf = pgtable_lookup(&ept->table, address);
    type = leaf.entry >> 3 & 7;
    require(type == model_type(ept->mtrr, address) &&
            type == model_type(ept->mtrr, leaf.start + pgtable_size(leaf.level) - 1));
}

/* What is withheld stays so, whatever gives way. */
static void give_way(struct machine *machine, uint64_t keep, unsigned wanted)
{
    struct ept *ept = &machine->world.ept;
    uint64_t page = machine->withheld;
    uint64_t before = translate(ept, ept->table.root, page);

    ept_evict(ept, keep, wanted);
    require(ept_is_expendable(ept, before) || translate(ept, ept->table.root, page) == before);
}

/* Tables have gone and come: the view is made afresh, and shows what the shared tree shows. */
static void look(struct machine *machine, uint64_t address)
{
    struct ept *ept = &machine->world.ept;
    struct range range = {ALIGN_DOWN(address, PAGE_SIZE), ALIGN_DOWN(address, PAGE_SIZE) + PAGE_SIZE};

    pgtable_reclaim(&ept->table);
    ept_view_aim(&machine->view, ept, range, 0x5000);
    for (unsigned i = 0; i < 8 && address < 1ull << 48; address += PAGE_SIZE << 5 * i++)
        require(address < range.end ||
                translate(ept, machine->view.tables[4], address) == translate(ept, ept->table.root, address));
}

static void track(struct machine *machine, unsigned step, uint64_t address)
{
    uint64_t at = machine->track.range.start;
    struct range written;

    if (step == 0)
        (void)!ept_track_start(&machine->track);
    else if (step == 1)
        (void)!ept_track_stop(&machine->track);
    else if (step == 2)
        ept_track_write(&machine->track, address);
    else
        while (ept_track_harvest(&machine->track, &at, &written))
            require(range_overlaps(written, machine->track.range));
}

static void retype(struct machine *machine)
{
    struct ept *ept = &machine->world.ept;

    ept_retype(ept, ept->mtrr == &machine->other ? &machine->world.mtrr : &machine->other);
}

static void dump(const struct ept *ept)
{
    char text[EPT_LINE_MAX];

    for (uint64_t at = 0; ept_dump_line(ept, &at, text);)
        require(strlen(text) < EPT_LINE_MAX - 1);
}

static void operate(struct input *input, struct machine *machine)
{
    struct ept *ept = &machine->world.ept;
    uint8_t what = (uint8_t)take64(input, 1);
    uint64_t address = take_address(input, ept);
    uint64_t end = address + (take64(input, 1) + 1) * (what & 0x80 ? 2 * MIB : PAGE_SIZE);

    switch (what % 8) {
    case 0:
        return fill(ept, address);
    case 1:
        machine->withheld = address;
        if (ept_protect(ept, address, end, what >> 4))
            require(!(pgtable_lookup(&ept->table, address).entry & EPT_ALL & ~(uint64_t)(what >> 4)));
        return;
    case 2:
        if (end < ept_limit(ept) && !range_overlaps((struct range){end, end + PAGE_SIZE}, ept->block))
            (void)!ept_redirect(ept, address, end, what >> 4);
        return;
    case 3:
        return what & 8 ? give_way(machine, address, what >> 4) : look(machine, address);
    case 4:
        if (what & 8)
            ept_execute(ept, address);
        else
            pgtable_merge(&ept->table, address, end);
        return;
    case 5:
        return retype(machine);
    case 6:
        return track(machine, what / 8 % 4, address);
    default:
        return dump(ept);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct machine machine;
    struct mtrr_state mtrr;
    struct range block;
    unsigned flags = (unsigned)take64(&input, 1);

    take_mtrr(&input, &mtrr);
    take_mtrr(&input, &machine.other);
    machine.other.physical_bits = mtrr.physical_bits;
    block.start = take64(&input, 2) % 2048 * 2 * MIB;
    block.end = block.start + (take64(&input, 1) + 1) * 64 * KIB;
    if (block.end > 4 * GIB)
        block.end = 4 * GIB;
    if (ept_world_init(&machine.world, mtrr, block, flags & 1, 24 + flags / 4) &&
        ept_view_init(&machine.view, &machine.world.ept)) {
        machine.withheld = 0;
        machine.track = (struct ept_track){
            .ept = &machine.world.ept, .range = {block.end, block.end + 4 * MIB}, .flags = flags & 2};
        if (flags & 0x80)
            ept_execute_small_only(&machine.world.ept);
        look(&machine, 0);
        while (input.size)
            operate(&input, &machine);
        check_ept(&machine.world.ept);
        check_no_page_is_lost(&machine.world.ept.table, 4);
    }
    ept_world_fini(&machine.world);
    return 0;
}
