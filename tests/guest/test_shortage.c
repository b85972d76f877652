/*
 * More different memory than Plinth has page tables for, touched by all CPUs at once: a page of each of 384 GiB, and
 * MTRRs by which every second page is uncached, so that no two pages next to each other can share an entry. Nobody may
 * notice: reads find an empty bus or what was written.
 */
#include "tests/guest/report.h"
#include "tests/guest/smp.h"
#include "tests/guest/tests.h"

enum { FAR = 256, EMPTY_BUS = 1 << 30, PIECES = 384, STRIDE = 2 << 20 };
enum { RAM = 0x5000000, RAM_PAGES = 3072 };        /* that nothing uses */
enum { WINDOW_GIB = 64, PRESENT_UNCACHED = 0x9b }; /* a page-directory entry: PS, PCD, PWT, R/W, P */

static uint64_t directory[512] aligned(4096);

struct visit {
    unsigned cpu;
    uint32_t unusual; /* what was read that shouldn't be there */
};

static uint32_t *ram_word(unsigned page, unsigned cpu)
{
    return at_address(RAM + page * 4096 + cpu * 64);
}

static uint32_t pattern(unsigned page, unsigned cpu)
{
    return 0x5a000000 + page * 16 + cpu;
}

/* Each CPU from a place of its own, and each its own words. */
static void visit(void *argument)
{
    struct visit *v = argument;

    write_cr3(read_cr3());
    for (unsigned i = 0; i < PIECES; i++) {
        unsigned piece = (i + v->cpu * 100) % PIECES, page = i * (RAM_PAGES / PIECES) + v->cpu;
        uint64_t offset = (uint64_t)piece * STRIDE + 8 * i;

        v->unusual += *(volatile uint32_t *)at_address(((uint64_t)WINDOW_GIB << 30) + offset) != UINT32_MAX;
        *ram_word(page, v->cpu) = pattern(page, v->cpu);
        v->unusual += *(volatile uint32_t *)at_address(EMPTY_BUS + offset) != UINT32_MAX;
    }
    for (unsigned i = 0; i < PIECES; i++) {
        unsigned page = i * (RAM_PAGES / PIECES) + v->cpu;

        v->unusual += *(volatile uint32_t *)ram_word(page, v->cpu) != pattern(page, v->cpu);
    }
}

static void visit_all(const char *name)
{
    struct visit visits[CPUS_MAX];
    uint32_t unusual = 0;

    for (unsigned i = 0; i < CPUS_MAX; i++)
        visits[i] = (struct visit){.cpu = i};
    smp_run_all(visit, visits, sizeof(visits[0]));
    for (unsigned i = 0; i < CPUS_MAX; i++)
        unusual += visits[i].unusual;
    observe("%s: %u reads are not what they should be", name, unusual);
}

void test_shortage(void)
{
    extern uint64_t page_tables[];
    struct mtrr_change change = {.index = mtrr_find_free(), .mask = 0x1000 | MTRR_VALID};

    if (!change.index) {
        skip("no variable MTRR is free");
        return;
    }
    for (unsigned i = 0; i < PIECES; i++)
        directory[i] = (uint64_t)(FAR + i) << 30 | PRESENT_UNCACHED;
    page_tables[512 + WINDOW_GIB] = (uintptr_t)directory | 3;
    visit_all("memory types as they were");
    mtrr_rewrite(&change);
    visit_all("every second page uncached");
    change.mask = 0;
    mtrr_rewrite(&change);
    visit_all("memory types as before");
    page_tables[512 + WINDOW_GIB] = 0;
    write_cr3(read_cr3());
}
