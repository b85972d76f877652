/*
 * What entries of Plinth's own page tables look like: 4-level paging (SDM vol. 3, "4-Level Paging and
 * 5-Level Paging", 4.5, tables 4-15 to 4-20). For pgtable_init(). Pure.
 */
#pragma once

#include "mm/pgtable.h"

#define HOST_PRESENT    ((uint64_t)1 << 0)
#define HOST_WRITABLE   ((uint64_t)1 << 1)
#define HOST_PWT        ((uint64_t)1 << 3)
#define HOST_PCD        ((uint64_t)1 << 4)
#define HOST_ACCESSED   ((uint64_t)1 << 5)
#define HOST_DIRTY      ((uint64_t)1 << 6)
#define HOST_LARGE      ((uint64_t)1 << 7)
#define HOST_GLOBAL     ((uint64_t)1 << 8)
#define HOST_NO_EXECUTE ((uint64_t)1 << 63)

/* `largest_leaf`: 3 where the CPU has 1 GiB pages (CPUID 0x80000001 EDX bit 26), else 2. */
static inline struct pgtable_format host_format(unsigned largest_leaf)
{
    return (struct pgtable_format){
        .present = HOST_PRESENT,
        .leaf = HOST_LARGE,
        .table = HOST_PRESENT | HOST_WRITABLE | HOST_ACCESSED,
        .address = 0x000ffffffffff000,
        .rights = HOST_PRESENT | HOST_WRITABLE | HOST_NO_EXECUTE,
        .volatile_bits = HOST_ACCESSED | HOST_DIRTY,
        .largest_leaf = largest_leaf,
    };
}
