#include "arch/x86/guest_walk.h"

#include "arch/x86/regs.h"

/* Entries of all paging modes (SDM vol. 3, tables 4-4 to 4-20) */
#define ENTRY_PRESENT    BIT(0)
#define ENTRY_WRITABLE   BIT(1)
#define ENTRY_USER       BIT(2)
#define ENTRY_ACCESSED   BIT(5)
#define ENTRY_DIRTY      BIT(6)
#define ENTRY_LARGE      BIT(7)
#define ENTRY_NO_EXECUTE BIT(63)

enum { ENTRY_KEY_SHIFT = 59, KEY_NO_ACCESS = 1, KEY_NO_WRITE = 2 };

/* Another CPU that changes an entry all the time may delay a walk, but not for ever. */
enum { PSE36_BITS_MAX = 40, MARK_TRIES_MAX = 16 };

struct mode {
    unsigned levels, index_bits, entry_size; /* levels 0: paging is off */
};

/* [0, bits) */
static uint64_t low_bits(unsigned bits)
{
    return bits >= 64 ? ~(uint64_t)0 : BIT(bits) - 1;
}

static struct mode mode_of(const struct guest_paging *p)
{
    if (!(p->cr0 & CR0_PG))
        return (struct mode){0, 0, 0};
    if (!(p->cr4 & CR4_PAE))
        return (struct mode){2, 10, 4};
    if (!(p->efer & EFER_LMA))
        return (struct mode){2, 9, 8}; /* below the PDPTE registers */
    return (struct mode){p->cr4 & CR4_LA57 ? 5 : 4, 9, 8};
}

static bool is_canonical(struct mode mode, uint64_t linear)
{
    unsigned shift = 64 - (12 + 9 * mode.levels);

    return (uint64_t)((int64_t)(linear << shift) >> shift) == linear;
}

/* Does the entry at `level` map a page? Level 1 always; above by bit 7, where that isn't reserved or ignored. */
static bool is_leaf(const struct guest_paging *p, struct mode mode, unsigned level, uint64_t entry)
{
    if (level == 1)
        return true;
    if (!(entry & ENTRY_LARGE) || level > 3 || (level == 3 && !p->gib_pages))
        return false;
    return mode.entry_size == 8 || p->cr4 & CR4_PSE;
}

/* The bits that must be 0 in an entry of 32-bit paging: only a 4 MiB page has such (table 4-4, PSE-36). */
static uint64_t reserved_32(const struct guest_paging *p, unsigned level, bool leaf)
{
    unsigned bits = p->physical_bits < PSE36_BITS_MAX ? p->physical_bits : PSE36_BITS_MAX;

    if (!leaf || level == 1)
        return 0;
    return low_bits(22) & ~low_bits(bits > 32 ? bits - 19 : 13);
}

static uint64_t reserved(const struct guest_paging *p, struct mode mode, unsigned level, bool leaf)
{
    bool long_mode = p->efer & EFER_LMA;
    uint64_t bits;

    if (mode.entry_size == 4)
        return reserved_32(p, level, leaf);
    bits = low_bits(long_mode ? 52 : 63) & ~low_bits(p->physical_bits);
    if (!(p->efer & EFER_NXE))
        bits |= ENTRY_NO_EXECUTE;
    if (leaf && level > 1)
        bits |= low_bits(12 + 9 * (level - 1)) & ~low_bits(13); /* bit 12 is PAT */
    else if (!leaf && level > 2)
        bits |= ENTRY_LARGE;
    return bits;
}

static uint64_t table_address(struct mode mode, uint64_t entry)
{
    return mode.entry_size == 4 ? entry & 0xfffff000 : entry & low_bits(52) & ~low_bits(12);
}

static unsigned level_shift(struct mode mode, unsigned level)
{
    return 12 + mode.index_bits * (level - 1);
}

/* Bits 20:13 of a 4 MiB page's entry are bits 39:32 of its address. */
static uint64_t leaf_address(struct mode mode, unsigned level, uint64_t entry)
{
    uint64_t offset = low_bits(level_shift(mode, level));

    if (mode.entry_size == 4 && level == 2)
        return (entry & 0xffc00000) | (entry >> 13 & 0xff) << 32;
    return table_address(mode, entry) & ~offset;
}

static void note(struct guest_path *path, uint64_t address, uint64_t entry)
{
    path->address[path->count] = address;
    path->entry[path->count++] = entry;
    path->writable = path->writable && entry & ENTRY_WRITABLE;
    path->user = path->user && entry & ENTRY_USER;
    path->no_execute = path->no_execute || entry & ENTRY_NO_EXECUTE;
    path->key = entry >> ENTRY_KEY_SHIFT & 0xf;
}

/* The table that the walk begins with; false: its PDPTE register is absent. */
static bool first_table(const struct guest_paging *p, struct mode mode, uint64_t linear, uint64_t *table)
{
    bool pae = mode.levels == 2 && mode.entry_size == 8;
    uint64_t pdpte = p->pdpte[linear >> 30 & 3];

    *table = table_address(mode, pae ? pdpte : p->cr3);
    return !pae || pdpte & ENTRY_PRESENT;
}

/* False with the error code's P and RSVD bits in *error. */
static bool descend(const struct guest_paging *p, struct mode mode, uint64_t linear, struct guest_path *path,
                    struct guest_walk *walk)
{
    uint64_t table;

    *path = (struct guest_path){.levels = mode.levels, .writable = true, .user = true};
    walk->error = 0;
    if (!first_table(p, mode, linear, &table))
        return false;
    for (unsigned level = mode.levels;; level--) {
        uint64_t index = linear >> level_shift(mode, level) & low_bits(mode.index_bits);
        uint64_t address = table + index * mode.entry_size;
        uint64_t entry = guest_entry_read(address, mode.entry_size);
        bool leaf = is_leaf(p, mode, level, entry);

        note(path, address, entry);
        if (!(entry & ENTRY_PRESENT))
            return false;
        if (entry & reserved(p, mode, level, leaf)) {
            walk->error = FAULT_PRESENT | FAULT_RESERVED;
            return false;
        }
        if (leaf) {
            walk->page_size = BIT(level_shift(mode, level));
            walk->physical = leaf_address(mode, level, entry) | (linear & (walk->page_size - 1));
            return true;
        }
        table = table_address(mode, entry);
    }
}

/* 4.6 "Access Rights" */
static bool supervisor_may(const struct guest_paging *p, const struct guest_path *path, unsigned access)
{
    if (access & GUEST_FETCH)
        return !path->no_execute && !(path->user && p->cr4 & CR4_SMEP);
    if (path->user && p->cr4 & CR4_SMAP && (access & GUEST_IMPLICIT || !p->ac))
        return false;
    return !(access & GUEST_WRITE) || path->writable || !(p->cr0 & CR0_WP);
}

static bool user_may(const struct guest_path *path, unsigned access)
{
    if (!path->user)
        return false;
    return !(access & GUEST_FETCH && path->no_execute) && !(access & GUEST_WRITE && !path->writable);
}

/* 4.6.2 "Protection Keys": only data, only in IA-32e mode; by PKRU for user-mode addresses, by PKRS for the others. */
static bool key_forbids(const struct guest_paging *p, const struct guest_path *path, unsigned access)
{
    uint32_t rights = (path->user ? p->pkru : p->pkrs) >> 2 * path->key;

    if (!(p->efer & EFER_LMA) || !(p->cr4 & (path->user ? CR4_PKE : CR4_PKS)) || access & (GUEST_FETCH | GUEST_ANY) ||
        (access & GUEST_USER && !path->user))
        return false;
    if (rights & KEY_NO_ACCESS)
        return true;
    return rights & KEY_NO_WRITE && access & GUEST_WRITE && (access & GUEST_USER || p->cr0 & CR0_WP);
}

static bool permitted(const struct guest_paging *p, const struct guest_path *path, unsigned access)
{
    if (access & GUEST_ANY)
        return true;
    return access & GUEST_USER ? user_may(path, access) : supervisor_may(p, path, access);
}

/* I/D is only there where instruction fetches can be forbidden (4.7). */
static uint32_t access_error(const struct guest_paging *p, unsigned access)
{
    bool fetches = (p->cr4 & CR4_PAE && p->efer & EFER_NXE) || p->cr4 & CR4_SMEP;

    return access & (GUEST_WRITE | GUEST_USER | (fetches ? (unsigned)GUEST_FETCH : 0));
}

/* 4.8: accessed in every entry, dirty in the last. False: another CPU changed an entry meanwhile. */
static bool mark(const struct guest_path *path, unsigned entry_size, unsigned access)
{
    for (unsigned i = 0; i < path->count; i++) {
        uint64_t old = path->entry[i], new = old | ENTRY_ACCESSED;

        if (i + 1 == path->count && access & GUEST_WRITE)
            new |= ENTRY_DIRTY;
        if (new != old && !guest_entry_replace(path->address[i], entry_size, old, new))
            return false;
    }
    return true;
}

static enum guest_walk_result walk_tables(const struct guest_paging *p, struct mode mode, uint64_t linear,
                                          unsigned access, struct guest_path *path, struct guest_walk *walk)
{
    for (unsigned tries = 0; tries < MARK_TRIES_MAX; tries++) {
        bool there = descend(p, mode, linear, path, walk), key = there && key_forbids(p, path, access);

        if (!there || key || !permitted(p, path, access)) {
            walk->error |=
                access_error(p, access) | (there ? (uint32_t)FAULT_PRESENT : 0) | (key ? (uint32_t)FAULT_KEY : 0);
            return GUEST_WALK_FAULT;
        }
        if (!(access & GUEST_MARK) || mark(path, mode.entry_size, access))
            break;
    }
    return GUEST_WALK_OK;
}

enum guest_walk_result guest_walk_path(const struct guest_paging *p, uint64_t linear, unsigned access,
                                       struct guest_path *path, struct guest_walk *walk)
{
    struct mode mode = mode_of(p);

    *path = (struct guest_path){.levels = mode.levels};
    *walk = (struct guest_walk){.page_size = PAGE_SIZE};
    if (mode.levels > 2 && !is_canonical(mode, linear))
        return GUEST_WALK_NON_CANONICAL;
    if (mode.levels <= 2)
        linear = (uint32_t)linear;
    if (mode.levels)
        return walk_tables(p, mode, linear, access, path, walk);
    walk->physical = linear;
    return GUEST_WALK_OK;
}

enum guest_walk_result guest_walk(const struct guest_paging *p, uint64_t linear, unsigned access,
                                  struct guest_walk *walk)
{
    struct guest_path path;

    return guest_walk_path(p, linear, access, &path, walk);
}

bool guest_walk_load_pdptes(struct guest_paging *p)
{
    const uint64_t must_be_0 = 0x1e6 | ~low_bits(p->physical_bits); /* table 4-8 */
    const uint64_t table = p->cr3 & 0xffffffe0;
    uint64_t entries[ARRAY_SIZE(p->pdpte)];

    for (unsigned i = 0; i < ARRAY_SIZE(entries); i++) {
        entries[i] = guest_entry_read(table + 8 * i, 8);
        if (entries[i] & ENTRY_PRESENT && entries[i] & must_be_0)
            return false;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(entries); i++)
        p->pdpte[i] = entries[i];
    return true;
}
