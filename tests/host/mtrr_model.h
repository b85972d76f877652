/*
 * The MTRR rules once more, page by page and as naively as the manual tells them (SDM 11.11), as an oracle for
 * mm/mtrr.c; and random register sets, from tidy to absurd. Also a small random number generator that can be replayed
 * by seed.
 */
#pragma once

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mm/mtrr.h"

static uint64_t random_state = 1;

static inline uint64_t random64(void)
{
    /* splitmix64 */
    uint64_t z = random_state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static inline uint64_t below(uint64_t n)
{
    return random64() % n;
}

static inline bool one_in(unsigned n)
{
    return below(n) == 0;
}

static inline unsigned model_legal(unsigned type)
{
    return type == 0 || type == 1 || type == 4 || type == 5 || type == 6 ? type : 0;
}

/* The 88 fixed ranges in a plain list (table 11-9). */
static inline bool model_fixed(const struct mtrr_state *mtrr, uint64_t page, unsigned *type)
{
    uint64_t start = 0;

    for (unsigned n = 0; n < 88; n++) {
        uint64_t size = n < 8 ? 0x10000 : n < 24 ? 0x4000 : 0x1000;
        const unsigned char *bytes = (const unsigned char *)mtrr->fixed;

        if (page >= start && page < start + size) {
            *type = model_legal(bytes[n]);
            return true;
        }
        start += size;
    }
    return false;
}

static inline unsigned model_type(const struct mtrr_state *mtrr, uint64_t page)
{
    bool seen[8] = {false};
    unsigned type, kinds = 0, last = 0;
    uint64_t implemented = 0;

    if ((mtrr->capability & 0x800) && (mtrr->smrr_mask & 0x800) && page < 4 * GIB &&
        (page & mtrr->smrr_mask & 0xfffff000) == (mtrr->smrr_base & mtrr->smrr_mask & 0xfffff000))
        return 0; /* 11.11.2.4 */
    if (!(mtrr->default_type & 0x800))
        return 0;
    if ((mtrr->capability & 0x100) && (mtrr->default_type & 0x400) && model_fixed(mtrr, page, &type))
        return type;
    for (unsigned bit = 12; bit < mtrr->physical_bits; bit++)
        implemented |= 1ull << bit;
    for (unsigned n = 0; n < (mtrr->capability & 0xff) && n < MTRR_VARIABLE_MAX; n++) {
        uint64_t mask = mtrr->variable[n].mask & implemented, base = mtrr->variable[n].base & implemented;

        if ((mtrr->variable[n].mask & 0x800) && (mask & base) == (mask & page))
            seen[model_legal(mtrr->variable[n].base & 0xff)] = true;
    }
    for (unsigned t = 0; t < 8; t++) {
        if (seen[t]) {
            kinds++;
            last = t;
        }
    }
    if (kinds == 0)
        return model_legal(mtrr->default_type & 0xff);
    if (kinds == 1)
        return last;
    if (kinds == 2 && seen[4] && seen[6])
        return 4;
    return 0;
}

static inline uint64_t random_type(bool legal)
{
    static const unsigned char types[] = {0, 1, 4, 5, 6, 6, 6, 0};

    return legal || !one_in(8) ? types[below(8)] : below(256);
}

/* `tidy`: legal types and masks without holes, as firmware writes them; else anything that fits in a register. */
static inline void random_mtrr(struct mtrr_state *mtrr, bool tidy, unsigned address_bits)
{
    memset(mtrr, 0, sizeof(*mtrr));
    mtrr->physical_bits = tidy ? 36 + (unsigned)below(13) : 32 + (unsigned)below(21);
    mtrr->capability = below(tidy ? 11 : 40) | 0x500;
    if (one_in(8))
        mtrr->capability &= ~(uint64_t)0x100;
    mtrr->default_type = (one_in(16) ? 0 : 0x800) | (one_in(4) ? 0 : 0x400) | random_type(tidy);
    for (unsigned i = 0; i < MTRR_FIXED_COUNT; i++) {
        uint64_t same = random_type(tidy);

        for (unsigned byte = 0; byte < 8; byte++)
            mtrr->fixed[i] |= (one_in(4) ? random_type(tidy) : same) << 8 * byte;
    }
    if (one_in(2)) {
        unsigned bits = address_bits < 32 ? address_bits : 32;
        uint64_t size = 1ull << (12 + below(bits - 12));

        mtrr->capability |= one_in(4) ? 0 : 0x800;
        mtrr->smrr_mask = (0x100000000 - size) | (one_in(4) ? 0 : 0x800);
        mtrr->smrr_base = (below(1ull << bits) & ~0xfffull) | random_type(tidy);
        if (!tidy && one_in(3))
            mtrr->smrr_mask ^= random64() & 0xfffffffffffff000;
    }
    for (unsigned i = 0; i < MTRR_VARIABLE_MAX; i++) {
        unsigned size_bits = 12 + (unsigned)below(address_bits - 11);
        uint64_t limit = 1ull << mtrr->physical_bits;
        uint64_t mask = (limit - 1) & ~((1ull << size_bits) - 1);

        if (!tidy && one_in(3))
            mask ^= random64() & ((1ull << address_bits) - 1) & ~0xfffull;
        if (!tidy && one_in(16))
            mask = random64() & ~0x800ull;
        mtrr->variable[i].mask = mask | (one_in(4) ? 0 : 0x800);
        mtrr->variable[i].base = (below(1ull << address_bits) & ~0xfffull) | random_type(tidy);
        if (tidy)
            mtrr->variable[i].base &= mask | 0xff;
    }
}
