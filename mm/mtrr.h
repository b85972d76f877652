/*
 * Memory types by the MTRRs (SDM vol. 3, "Memory Type Range Registers (MTRRs)", 11.11). Pure.
 */
#pragma once

#include "lib/compiler.h"

enum memory_type { MEMORY_UC = 0, MEMORY_WC = 1, MEMORY_WT = 4, MEMORY_WP = 5, MEMORY_WB = 6 };

enum { MTRR_FIXED_COUNT = 11, MTRR_VARIABLE_MAX = 32 };

struct mtrr_state {
    uint64_t capability;              /* IA32_MTRRCAP */
    uint64_t default_type;            /* IA32_MTRR_DEF_TYPE */
    uint64_t fixed[MTRR_FIXED_COUNT]; /* 64K_00000, 16K_80000, 16K_A0000, 4K_C0000 ... 4K_F8000 */
    struct {
        uint64_t base, mask;
    } variable[MTRR_VARIABLE_MAX]; /* IA32_MTRR_PHYSBASEn, IA32_MTRR_PHYSMASKn; MTRRCAP.VCNT of them count */
    uint64_t smrr_base, smrr_mask; /* IA32_SMRR_PHYSBASE, IA32_SMRR_PHYSMASK, where MTRRCAP has SMRR */
    unsigned physical_bits;        /* MAXPHYADDR */
};

/*
 * The type of the page at `address` (4 KiB granularity), and in *end the first address after it where the type may
 * differ (everything in [address, *end) has this type; page aligned, at most 1 << physical_bits; where practical as
 * large as possible). Precedence and undefined combinations as in SDM 11.11.4.1 (UC wins; WT over WB; anything else
 * undefined: UC). The SMRR goes before them all: outside of SMM its range is uncached (11.11.2.4).
 */
enum memory_type mtrr_type(const struct mtrr_state *mtrr, uint64_t address, uint64_t *end);

/* The same for one who only wants to know whether *end reaches `enough`: no work is done for what lies beyond. */
enum memory_type mtrr_type_until(const struct mtrr_state *mtrr, uint64_t address, uint64_t enough, uint64_t *end);

/* The lowest page-aligned address from which on no range register applies, so that all pages have the type *type. */
uint64_t mtrr_plain_from(const struct mtrr_state *mtrr, enum memory_type *type);

/* Has all of [start, start + size) one type, and which? `size` is a power of two, `start` a multiple of it. Fast: this
 * is what a first touch asks. */
bool mtrr_uniform(const struct mtrr_state *mtrr, uint64_t start, uint64_t size, enum memory_type *type);

/* May `value` be written to the MTRR with this index? False: WRMSR raises #GP (reserved bits, types 2, 3, >= 7, bits
 * above MAXPHYADDR, WC without MTRRCAP.WC, fixed MTRRs without MTRRCAP.FIX, variable index beyond VCNT, MTRRCAP itself)
 */
bool mtrr_write_valid(const struct mtrr_state *mtrr, uint32_t msr, uint64_t value);

/* The field of *mtrr that the MSR with this index names, or NULL if it is no MTRR that this CPU has. */
uint64_t *mtrr_field(struct mtrr_state *mtrr, uint32_t msr);
