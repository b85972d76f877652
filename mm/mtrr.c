/*
 * Memory types by the MTRRs. The address space falls into pieces in which no register's answer changes; each register
 * says how far from an address its own answer reaches, for any mask, also one with holes.
 */
#include "mm/mtrr.h"

/* SDM 11.11.2: which MSR is which. */
enum {
    MSR_MTRRCAP = 0xfe,
    MSR_PHYSBASE0 = 0x200,
    MSR_FIX64K_00000 = 0x250,
    MSR_FIX16K_80000 = 0x258,
    MSR_FIX4K_C0000 = 0x268,
    MSR_DEF_TYPE = 0x2ff,
};

#define CAPABILITY_COUNT    0xff
#define CAPABILITY_FIX      ((uint64_t)1 << 8)
#define CAPABILITY_WC       ((uint64_t)1 << 10)
#define CAPABILITY_SMRR     ((uint64_t)1 << 11)
#define DEF_TYPE_FIX_ENABLE ((uint64_t)1 << 10)
#define DEF_TYPE_ENABLE     ((uint64_t)1 << 11)
#define MASK_VALID          ((uint64_t)1 << 11)
#define TYPE_BITS           0xff

#define TYPES_LEGAL (1u << MEMORY_UC | 1u << MEMORY_WC | 1u << MEMORY_WT | 1u << MEMORY_WP | 1u << MEMORY_WB)

static bool type_legal(uint64_t type)
{
    return type < 8 && (TYPES_LEGAL >> type & 1);
}

/* Whatever a register holds, no type leaves here that the EPT couldn't hold. */
static enum memory_type type_of(uint64_t field)
{
    return type_legal(field & TYPE_BITS) ? (enum memory_type)(field & TYPE_BITS) : MEMORY_UC;
}

static uint64_t limit_of(const struct mtrr_state *mtrr)
{
    return (uint64_t)1 << mtrr->physical_bits;
}

static unsigned variable_count(const struct mtrr_state *mtrr)
{
    unsigned count = mtrr->capability & CAPABILITY_COUNT;

    return count < MTRR_VARIABLE_MAX ? count : MTRR_VARIABLE_MAX;
}

/* The fixed ranges: 8 of 64 KiB, 16 of 16 KiB, 64 of 4 KiB, eight to a register (SDM 11.11.2.2, table 11-9). */
static enum memory_type fixed_type(const struct mtrr_state *mtrr, uint64_t address, uint64_t *end)
{
    unsigned shift = address < 0x80000 ? 16 : address < 0xc0000 ? 14 : 12;
    uint64_t base = address < 0x80000 ? 0 : address < 0xc0000 ? 0x80000 : 0xc0000;
    unsigned first = address < 0x80000 ? 0 : address < 0xc0000 ? 1 : 3;
    uint64_t index = (address - base) >> shift;

    *end = base + ((index + 1) << shift);
    return type_of(mtrr->fixed[first + index / 8] >> index % 8 * 8);
}

static uint64_t lowest_bit(uint64_t bits)
{
    return bits & -bits;
}

/*
 * The first address after `address` (in no match now) that has `base` in the bits of `mask`, or `limit`. The highest
 * bit that differs decides: if it must rise, what lies below restarts at its lowest; if it would have to fall, a free
 * bit above it has to rise first.
 */
static uint64_t next_match(uint64_t address, uint64_t base, uint64_t mask, uint64_t limit)
{
    uint64_t differs = (address ^ base) & mask;
    uint64_t top = (uint64_t)1 << (63 - __builtin_clzll(differs));

    if (!(base & top)) {
        uint64_t free = ~mask & ~address & ~(top | (top - 1));

        top = lowest_bit(free);
        if (!top || top >= limit)
            return limit;
    }
    return (address & ~(top | (top - 1))) | (top & ~mask) | (base & (top | (top - 1)));
}

/* A base and a mask as registers hold them. */
struct pair {
    uint64_t base, mask;
};

static struct pair variable_pair(const struct mtrr_state *mtrr, unsigned n)
{
    return (struct pair){mtrr->variable[n].base, mtrr->variable[n].mask};
}

/* The SMRR has 32 bits, and is about what lies below 4 GiB. Not valid where there is none. */
static struct pair smrr_pair(const struct mtrr_state *mtrr)
{
    const uint64_t low = 0xffffffff;

    if (!(mtrr->capability & CAPABILITY_SMRR))
        return (struct pair){0, 0};
    return (struct pair){mtrr->smrr_base & low, mtrr->smrr_mask | ~low};
}

/* Does the range cover `address`, and up to where is the answer the same? (SDM 11.11.2.3) */
static bool covers(const struct mtrr_state *mtrr, struct pair pair, uint64_t address, uint64_t *end)
{
    uint64_t limit = limit_of(mtrr);
    uint64_t mask = pair.mask & (limit - 1) & ~(PAGE_SIZE - 1);
    uint64_t base = pair.base & mask;

    *end = limit;
    if (!(pair.mask & MASK_VALID))
        return false;
    if ((address & mask) != base) {
        *end = next_match(address, base, mask, limit);
        return false;
    }
    if (mask) /* counting up flips the mask's lowest bit first */
        *end = (address | (lowest_bit(mask) - 1)) + 1;
    return true;
}

/* What several ranges make of a page (SDM 11.11.4.1): `types` is the set of theirs. Where UC is among several, it wins;
 * what the manual leaves undefined becomes UC as well, the strictest. */
static enum memory_type combine(unsigned types)
{
    if (types == (1u << MEMORY_WT | 1u << MEMORY_WB))
        return MEMORY_WT;
    if (types & (types - 1))
        return MEMORY_UC;
    return (enum memory_type)__builtin_ctz(types);
}

/* The same without the SMRR. */
static enum memory_type piece_of_mtrrs(const struct mtrr_state *mtrr, uint64_t address, uint64_t *end)
{
    unsigned types = 0;

    *end = limit_of(mtrr);
    if (address < MIB && (mtrr->capability & CAPABILITY_FIX) && (mtrr->default_type & DEF_TYPE_FIX_ENABLE))
        return fixed_type(mtrr, address, end);

    for (unsigned n = 0; n < variable_count(mtrr); n++) {
        uint64_t reach;

        if (covers(mtrr, variable_pair(mtrr, n), address, &reach))
            types |= 1u << type_of(mtrr->variable[n].base);
        if (reach < *end)
            *end = reach;
    }
    return types ? combine(types) : type_of(mtrr->default_type);
}

/* The type at `address`, and an end up to where no register's answer changes. */
static enum memory_type piece(const struct mtrr_state *mtrr, uint64_t address, uint64_t *end)
{
    enum memory_type type;
    uint64_t reach;

    *end = limit_of(mtrr);
    if (!(mtrr->default_type & DEF_TYPE_ENABLE))
        return MEMORY_UC;
    if (covers(mtrr, smrr_pair(mtrr), address, &reach)) {
        *end = reach;
        return MEMORY_UC;
    }
    type = piece_of_mtrrs(mtrr, address, end);
    if (reach < *end)
        *end = reach;
    return type;
}

/*
 * Neighbouring pieces of one type count as one. All ranges with masks without holes have 2 * 33 ends and the fixed ones
 * 88, so that many pieces find every end; a mask with holes has ends without number, and there the bound may cut a run
 * in two.
 */
enum { PIECES_MAX = 2 * (MTRR_VARIABLE_MAX + 1) + 88 + 1 };

enum memory_type mtrr_type(const struct mtrr_state *mtrr, uint64_t address, uint64_t *end)
{
    return mtrr_type_until(mtrr, address, limit_of(mtrr), end);
}

enum memory_type mtrr_type_until(const struct mtrr_state *mtrr, uint64_t address, uint64_t enough, uint64_t *end)
{
    enum memory_type type = piece(mtrr, address, end);

    for (unsigned pieces = 1; pieces < PIECES_MAX && *end < enough && *end < limit_of(mtrr); pieces++) {
        uint64_t next;

        if (piece(mtrr, *end, &next) != type)
            break;
        *end = next;
    }
    return type;
}

/* What mtrr_uniform() can't see at a glance. */
static bool uniform_slowly(const struct mtrr_state *mtrr, uint64_t start, uint64_t size, enum memory_type *type)
{
    uint64_t end;

    *type = mtrr_type_until(mtrr, start, start + size, &end);
    return end - start >= size;
}

bool mtrr_uniform(const struct mtrr_state *mtrr, uint64_t start, uint64_t size, enum memory_type *type)
{
    uint64_t pages = (limit_of(mtrr) - 1) & ~(PAGE_SIZE - 1), inside = pages & (size - 1), around = pages & ~inside;
    struct pair smrr = smrr_pair(mtrr);
    unsigned types = 0;

    if ((smrr.mask & MASK_VALID) && !((start ^ smrr.base) & smrr.mask & around))
        return uniform_slowly(mtrr, start, size, type);
    if (start < MIB || !(mtrr->default_type & DEF_TYPE_ENABLE))
        return uniform_slowly(mtrr, start, size, type);
    for (unsigned n = variable_count(mtrr); n-- > 0;) {
        uint64_t mask = mtrr->variable[n].mask;

        if (!(mask & MASK_VALID) || ((start ^ mtrr->variable[n].base) & mask & around))
            continue; /* no page of the range is in this one */
        if (mask & inside)
            return uniform_slowly(mtrr, start, size, type); /* some are */
        types |= 1u << type_of(mtrr->variable[n].base);
    }
    *type = types ? combine(types) : type_of(mtrr->default_type);
    return true;
}

static void raise(uint64_t *from, uint64_t last)
{
    if (last + PAGE_SIZE > *from)
        *from = last + PAGE_SIZE;
}

uint64_t mtrr_plain_from(const struct mtrr_state *mtrr, enum memory_type *type)
{
    uint64_t pages = (limit_of(mtrr) - 1) & ~(PAGE_SIZE - 1), from = MIB;
    struct pair smrr = smrr_pair(mtrr);

    *type = MEMORY_UC;
    if (!(mtrr->default_type & DEF_TYPE_ENABLE))
        return 0;
    *type = type_of(mtrr->default_type);
    for (unsigned n = variable_count(mtrr); n-- > 0;) {
        uint64_t mask = mtrr->variable[n].mask;

        if (mask & MASK_VALID)
            raise(&from, (mtrr->variable[n].base | ~mask) & pages); /* the highest page that matches */
    }
    if (smrr.mask & MASK_VALID)
        raise(&from, (smrr.base | ~smrr.mask) & pages);
    return from;
}

static bool type_writable(const struct mtrr_state *mtrr, uint64_t type)
{
    return type_legal(type) && (type != MEMORY_WC || (mtrr->capability & CAPABILITY_WC));
}

static bool fixed_writable(const struct mtrr_state *mtrr, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) {
        if (!type_writable(mtrr, value >> 8 * i & TYPE_BITS))
            return false;
    }
    return true;
}

/* Index of a fixed-range MSR in `fixed`, or -1. */
static int fixed_index(uint32_t msr)
{
    if (msr == MSR_FIX64K_00000)
        return 0;
    if (msr == MSR_FIX16K_80000 || msr == MSR_FIX16K_80000 + 1)
        return (int)(1 + msr - MSR_FIX16K_80000);
    if (msr >= MSR_FIX4K_C0000 && msr < MSR_FIX4K_C0000 + 8)
        return (int)(3 + msr - MSR_FIX4K_C0000);
    return -1;
}

static bool is_variable(const struct mtrr_state *mtrr, uint32_t msr)
{
    return msr >= MSR_PHYSBASE0 && msr < MSR_PHYSBASE0 + 2 * variable_count(mtrr);
}

uint64_t *mtrr_field(struct mtrr_state *mtrr, uint32_t msr)
{
    int fixed = fixed_index(msr);

    if (msr == MSR_MTRRCAP)
        return &mtrr->capability;
    if (msr == MSR_DEF_TYPE)
        return &mtrr->default_type;
    if (fixed >= 0)
        return mtrr->capability & CAPABILITY_FIX ? &mtrr->fixed[fixed] : NULL;
    if (!is_variable(mtrr, msr))
        return NULL;
    if (msr & 1)
        return &mtrr->variable[(msr - MSR_PHYSBASE0) / 2].mask;
    return &mtrr->variable[(msr - MSR_PHYSBASE0) / 2].base;
}

bool mtrr_write_valid(const struct mtrr_state *mtrr, uint32_t msr, uint64_t value)
{
    uint64_t address = (limit_of(mtrr) - 1) & ~(PAGE_SIZE - 1);

    if (msr == MSR_DEF_TYPE)
        return !(value & ~(TYPE_BITS | DEF_TYPE_FIX_ENABLE | DEF_TYPE_ENABLE)) &&
               type_writable(mtrr, value & TYPE_BITS);
    if (fixed_index(msr) >= 0)
        return (mtrr->capability & CAPABILITY_FIX) && fixed_writable(mtrr, value);
    if (!is_variable(mtrr, msr))
        return false;
    if (msr & 1)
        return !(value & ~(address | MASK_VALID));
    return !(value & ~(address | TYPE_BITS)) && type_writable(mtrr, value & TYPE_BITS);
}
