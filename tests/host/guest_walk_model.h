/*
 * A second opinion on translations: each paging mode written out as the SDM's figures 4-2 to 4-11 draw it, without
 * accessed and dirty flags. Used by the unit test and the fuzz target.
 */
#pragma once

#include "arch/x86/guest_walk.h"
#include "tests/host/guest_world.h"

struct model_walk {
    enum guest_walk_result result;
    uint64_t physical;
    uint32_t error;
};

struct model_rights {
    bool w, u, x;
    unsigned key;
};

static inline struct model_walk model_fault(uint32_t error)
{
    return (struct model_walk){GUEST_WALK_FAULT, 0, error};
}

/* The bits of the error code that the access decides. */
static inline uint32_t model_access(const struct guest_paging *p, unsigned access)
{
    bool id = (access & GUEST_FETCH) && ((p->cr4 >> 20 & 1) || ((p->cr4 >> 5 & 1) && (p->efer >> 11 & 1)));

    return (access & GUEST_WRITE ? 2 : 0) | (access & GUEST_USER ? 4 : 0) | (id ? 16 : 0);
}

/* AD and WD of the page's key, as far as they count. */
static inline uint32_t model_key(const struct guest_paging *p, unsigned access, struct model_rights r)
{
    bool pke = p->cr4 >> 22 & 1, pks = p->cr4 >> 24 & 1, lma = p->efer >> 10 & 1, wp = p->cr0 >> 16 & 1;
    bool user = access & GUEST_USER, write = access & GUEST_WRITE;
    uint32_t ad, wd;

    if (!lma || access & (GUEST_FETCH | GUEST_ANY))
        return 0;
    if (r.u ? !pke : !pks || user)
        return 0;
    ad = (r.u ? p->pkru : p->pkrs) >> 2 * r.key & 1;
    wd = (r.u ? p->pkru : p->pkrs) >> (2 * r.key + 1) & 1;
    return ad | (wd && write && (user || wp));
}

static inline struct model_walk model_end(const struct guest_paging *p, unsigned access, struct model_rights r,
                                          uint64_t physical)
{
    uint32_t ad_wd = model_key(p, access, r);
    bool wp = p->cr0 >> 16 & 1, smep = p->cr4 >> 20 & 1, smap = p->cr4 >> 21 & 1;
    bool ok;

    if (access & GUEST_ANY)
        ok = true;
    else if (access & GUEST_USER)
        ok = r.u && (!(access & GUEST_WRITE) || r.w) && (!(access & GUEST_FETCH) || r.x);
    else if (access & GUEST_FETCH)
        ok = r.x && !(smep && r.u);
    else if (r.u && smap && (!p->ac || access & GUEST_IMPLICIT))
        ok = false;
    else
        ok = !(access & GUEST_WRITE) || !wp || r.w;
    if (ad_wd)
        return model_fault(0x21 | model_access(p, access));
    if (!ok)
        return model_fault(1 | model_access(p, access));
    return (struct model_walk){GUEST_WALK_OK, physical, 0};
}

static inline struct model_walk model_32(const struct guest_paging *p, uint64_t linear, unsigned access)
{
    uint32_t pde = (uint32_t)guest_world_get((p->cr3 & 0xfffff000) + (linear >> 22 & 0x3ff) * 4, 4), pte;
    struct model_rights r = {pde & 2, pde & 4, true, 0};

    if (!(pde & 1))
        return model_fault(model_access(p, access));
    if (pde & 0x80 && p->cr4 & 0x10) {
        uint64_t high = pde >> 13 & 0xff;

        if (pde >> 21 & 1 || (p->physical_bits < 40 && high >> (p->physical_bits > 32 ? p->physical_bits - 32 : 0)))
            return model_fault(9 | model_access(p, access));
        return model_end(p, access, r, high << 32 | (pde & 0xffc00000) | (linear & 0x3fffff));
    }
    pte = (uint32_t)guest_world_get((pde & 0xfffff000) + (linear >> 12 & 0x3ff) * 4, 4);
    if (!(pte & 1))
        return model_fault(model_access(p, access));
    r.w = r.w && pte & 2;
    r.u = r.u && pte & 4;
    return model_end(p, access, r, (pte & 0xfffff000) | (linear & 0xfff));
}

/* Levels from `level` down, with 8-byte entries; the table at `table`. `top`: highest reserved address bit. */
static inline struct model_walk model_64(const struct guest_paging *p, uint64_t linear, unsigned access, unsigned level,
                                         uint64_t table, unsigned top)
{
    struct model_rights r = {true, true, true, 0};

    for (;; level--) {
        unsigned shift = 12 + 9 * (level - 1);
        uint64_t e = guest_world_get(table + (linear >> shift & 511) * 8, 8), frame;
        bool large = level == 1 || (e & 0x80 && (level == 2 || (level == 3 && p->gib_pages))), bad = false;

        if (!(e & 1))
            return model_fault(model_access(p, access));
        for (unsigned bit = p->physical_bits; bit <= top; bit++)
            bad |= e >> bit & 1;
        bad |= e >> 63 && !(p->efer >> 11 & 1);
        for (unsigned bit = 13; level > 1 && large && bit < shift; bit++)
            bad |= e >> bit & 1;
        bad |= level >= 3 && !large && e & 0x80;
        if (bad)
            return model_fault(9 | model_access(p, access));
        r.w = r.w && e & 2;
        r.u = r.u && e & 4;
        r.x = r.x && !(e >> 63);
        r.key = e >> 59 & 15;
        frame = e & 0x000ffffffffff000;
        if (large)
            return model_end(p, access, r, (frame >> shift << shift) | (linear & ((UINT64_C(1) << shift) - 1)));
        table = frame;
    }
}

static inline struct model_walk model_walk(const struct guest_paging *p, uint64_t linear, unsigned access)
{
    bool pg = p->cr0 >> 31 & 1, pae = p->cr4 >> 5 & 1, lma = p->efer >> 10 & 1, la57 = p->cr4 >> 12 & 1;
    uint64_t pdpte = p->pdpte[linear >> 30 & 3];

    if (!pg)
        return (struct model_walk){GUEST_WALK_OK, (uint32_t)linear, 0};
    if (!pae)
        return model_32(p, (uint32_t)linear, access);
    if (!lma && !(pdpte & 1))
        return model_fault(model_access(p, access));
    if (!lma)
        return model_64(p, (uint32_t)linear, access, 2, pdpte & 0x000ffffffffff000, 62);
    for (unsigned bit = la57 ? 56 : 47; bit < 63; bit++)
        if ((linear >> bit & 1) != linear >> 63)
            return (struct model_walk){GUEST_WALK_NON_CANONICAL, 0, 0};
    return model_64(p, linear, access, la57 ? 5 : 4, p->cr3 & 0x000ffffffffff000, 51);
}
