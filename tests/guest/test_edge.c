/*
 * CPUID as the last instruction before an edge: the end of a 64 KiB segment, 4 GiB, the canonical hole (row 22). A
 * hypervisor that adds the length carelessly enters the guest with an illegal RIP there.
 */
#include "lib/string.h"
#include "tests/guest/cpu.h"
#include "tests/guest/legacy.h"
#include "tests/guest/report.h"
#include "tests/guest/tests.h"

extern uint64_t page_tables[];

static uint64_t edge_pdpt[512] aligned(4096), edge_pd[512] aligned(4096), edge_pt[512] aligned(4096);
static uint8_t edge_page[4096] aligned(4096);

/* Makes the last page below `end` (a multiple of 2 MiB) the edge page; returns what to put back. */
static uint64_t map_below(uint64_t end, uint64_t **entry)
{
    uint64_t before;

    edge_pt[511] = (uintptr_t)edge_page | 7;
    if (end == (uint64_t)1 << 32) {
        *entry = &page_tables[512 * 5 + 511]; /* the fourth page directory */
        before = **entry;
        **entry = (uintptr_t)edge_pt | 7;
    } else {
        *entry = &page_tables[(end - 1) >> 39 & 511];
        before = **entry;
        edge_pd[511] = (uintptr_t)edge_pt | 7;
        edge_pdpt[511] = (uintptr_t)edge_pd | 7;
        **entry = (uintptr_t)edge_pdpt | 7;
    }
    write_cr3(read_cr3());
    return before;
}

static void run_at_edge(const char *name, enum ring ring, uint64_t end, const uint8_t *code, size_t size,
                        uint64_t flags)
{
    uint64_t *entry, before = map_below(end, &entry);
    struct exec exec;

    memset(edge_page, 0x90, sizeof(edge_page));
    memcpy(edge_page + sizeof(edge_page) - size, code, size);
    exec_prepare(&exec, ring, code, 0);
    exec.code = exec.frame.rip = end - size;
    exec.frame.rflags |= flags;
    exec_run(&exec);
    *entry = before;
    write_cr3(read_cr3());
    observe("%s %s: #%llu(%llx) rip %llx rbx %llx", ring_names[ring], name, (unsigned long long)exec.frame.vector,
            (unsigned long long)exec.frame.error,
            (unsigned long long)(ring == RING0 || ring == RING3 ? exec.frame.rip : (uint32_t)exec.frame.rip),
            (unsigned long long)exec.frame.rbx);
}

static const uint8_t cpuid_code[] = {0x0f, 0xa2}, prefixed[] = {0x66, 0x0f, 0xa2}, nop[] = {0x90};
static const uint8_t rdmsr_code[] = {0x0f, 0x32}, vmcall[] = {0x0f, 0x01, 0xc1};

static void canonical_edge(void)
{
    uint64_t end = (uint64_t)1 << 47;

    for (enum ring ring = RING0; ring <= RING3; ring += RING3) {
        run_at_edge("nop below the canonical hole", ring, end, nop, sizeof(nop), 0);
        run_at_edge("cpuid below the canonical hole", ring, end, cpuid_code, sizeof(cpuid_code), 0);
        run_at_edge("66 cpuid below the canonical hole", ring, end, prefixed, sizeof(prefixed), 0);
        run_at_edge("vmcall below the canonical hole", ring, end, vmcall, sizeof(vmcall), 0);
        run_at_edge("cpuid with TF below the canonical hole", ring, end, cpuid_code, sizeof(cpuid_code), RFLAGS_TF);
    }
}

/* In 64-bit mode 4 GiB is no edge (but there is no page behind it); in 32-bit code EIP comes back to 0. */
static void four_gib_edge(void)
{
    static const enum ring rings[] = {RING0, RING0_32, RING3_32};
    uint8_t kept[16];

    memcpy(kept, at_address(0), sizeof(kept));
    memset(at_address(0), 0xcc, sizeof(kept));
    for (unsigned i = 0; i < ARRAY_SIZE(rings); i++) {
        run_at_edge("cpuid below 4 GiB", rings[i], (uint64_t)1 << 32, cpuid_code, sizeof(cpuid_code), 0);
        run_at_edge("66 cpuid below 4 GiB", rings[i], (uint64_t)1 << 32, prefixed, sizeof(prefixed), 0);
        run_at_edge("cpuid with TF below 4 GiB", rings[i], (uint64_t)1 << 32, cpuid_code, sizeof(cpuid_code),
                    RFLAGS_TF);
    }
    run_at_edge("rdmsr below 4 GiB", RING0_32, (uint64_t)1 << 32, rdmsr_code, sizeof(rdmsr_code), 0);
    memcpy(at_address(0), kept, sizeof(kept));
}

/* Real and virtual-8086 mode: what follows offset 0xffff. */
static void segment_edge(enum legacy_mode mode, const char *name, const uint8_t *code, size_t size)
{
    enum { SEGMENT = 0x1000 };
    uint8_t *start = at_address(SEGMENT << 4), *end = start + 0x10000;
    struct legacy legacy;

    legacy_prepare(&legacy, mode, nop, sizeof(nop));
    memset(start, 0xcc, 16);
    memset(end, 0xcc, 16);
    memset(end - 16, 0x90, 16);
    memcpy(end - size, code, size);
    legacy.frame.cs = SEGMENT;
    legacy.frame.eip = 0x10000 - (uint32_t)size;
    legacy_run(&legacy);
    observe("%s %s at a segment's end: #%u(%x) cs:eip %x:%x ebx %x", legacy_names[mode], name, legacy.frame.vector,
            legacy.frame.error, legacy.frame.cs, legacy.frame.eip, legacy.frame.ebx);
}

void test_edge(void)
{
    canonical_edge();
    four_gib_edge();
    for (enum legacy_mode mode = LEGACY_VM86; mode <= LEGACY_REAL; mode++) {
        segment_edge(mode, "nop", nop, sizeof(nop));
        segment_edge(mode, "cpuid", cpuid_code, sizeof(cpuid_code));
        segment_edge(mode, "66 cpuid", prefixed, sizeof(prefixed));
    }
}
