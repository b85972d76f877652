/*
 * Any MTRRs, any block, any sequence of operations on the EPT, in a small pool: no leaf meets the block, nothing is
 * misconfigured, no page is lost, and memory types are what the page-by-page model says.
 */
#include "mm/ept_view.h"
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

static void operate(struct input *input, struct ept *ept, struct ept_view *view)
{
    uint8_t what = (uint8_t)take64(input, 1);
    uint64_t address = take_address(input, ept);
    uint64_t end = address + (take64(input, 1) + 1) * (what & 0x80 ? 2 * MIB : PAGE_SIZE);
    struct pgtable_leaf leaf;

    switch (what % 5) {
    case 0:
        if (ept_fill(ept, address) == EPT_FILLED) {
            leaf = pgtable_lookup(&ept->table, address);
            require((leaf.entry >> 3 & 7) == model_type(ept->mtrr, address));
            require((leaf.entry >> 3 & 7) == model_type(ept->mtrr, leaf.start + pgtable_size(leaf.level) - 1));
        }
        break;
    case 1:
        if (ept_protect(ept, address, end, what >> 4)) {
            leaf = pgtable_lookup(&ept->table, address);
            require(!(leaf.entry & EPT_ALL & ~(uint64_t)(what >> 4)));
        }
        break;
    case 2:
        if (!range_overlaps((struct range){end, end + 1}, ept->block) && end < 1ull << ept->physical_bits &&
            end < 1ull << 48)
            (void)!ept_redirect(ept, address, end, what >> 4);
        break;
    case 3:
        ept_view_sync(view, address);
        break;
    default:
        pgtable_reclaim(&ept->table);
        ept_view_refresh(view);
        for (unsigned i = 0; i < 8; i++, address += PAGE_SIZE << 5 * i)
            require(address >= 1ull << 48 || address == view->page ||
                    translate(ept, view->tables[4], address) == translate(ept, ept->table.root, address));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct ept_world world;
    struct ept_view view;
    struct mtrr_state mtrr;
    struct range block;

    take_mtrr(&input, &mtrr);
    block.start = take64(&input, 2) % 2048 * 2 * MIB;
    block.end = block.start + (take64(&input, 1) + 1) * 64 * KIB;
    if (block.end > 4 * GIB)
        block.end = 4 * GIB;
    if (ept_world_init(&world, mtrr, block, size & 1, 64)) {
        if (ept_view_init(&view, &world.ept, (take64(&input, 6) & ((1ull << 48) - 1)) & ~0xfffull)) {
            while (input.size)
                operate(&input, &world.ept, &view);
            check_ept(&world.ept);
            check_no_page_is_lost(&world.ept.table, 4);
        }
    }
    ept_world_fini(&world);
    return 0;
}
