/* The same stimuli outside of long mode, and PDPTE loads, which only exist there (rows 14, 47). */
#include "lib/string.h"
#include "tests/guest/cpu.h"
#include "tests/guest/legacy.h"
#include "tests/guest/report.h"
#include "tests/guest/tests.h"

struct stimulus {
    const char *name;
    uint8_t size, code[14];
};

/* Bytes that mean the same in 16-bit and 32-bit code. */
static const struct stimulus stimuli[] = {
    {"nop", 1, {0x90}},
    {"cpuid", 2, {0x0f, 0xa2}},
    {"66 cpuid", 3, {0x66, 0x0f, 0xa2}},
    {"f3 67 cpuid", 4, {0xf3, 0x67, 0x0f, 0xa2}},
    {"rdmsr 0", 2, {0x0f, 0x32}},
    {"wrmsr 0", 2, {0x0f, 0x30}},
    {"invd", 2, {0x0f, 0x08}},
    {"wbinvd", 2, {0x0f, 0x09}},
    {"xsetbv", 3, {0x0f, 0x01, 0xd1}},
    {"vmcall", 3, {0x0f, 0x01, 0xc1}},
    {"vmlaunch", 3, {0x0f, 0x01, 0xc2}},
    {"vmxoff", 3, {0x0f, 0x01, 0xc4}},
    {"vmfunc", 3, {0x0f, 0x01, 0xd4}},
    {"vmptrld", 3, {0x0f, 0xc7, 0x37}},
    {"vmxon", 4, {0xf3, 0x0f, 0xc7, 0x37}},
    {"vmread", 3, {0x0f, 0x78, 0xc0}},
    {"vmwrite", 3, {0x0f, 0x79, 0xc0}},
    {"invept", 5, {0x66, 0x0f, 0x38, 0x80, 0x07}},
    {"getsec", 2, {0x0f, 0x37}},
    {"clts", 2, {0x0f, 0x06}},
    {"smsw", 3, {0x0f, 0x01, 0xe0}},
    {"read cr4", 3, {0x0f, 0x20, 0xe0}},
    {"cr0 to and fro", 6, {0x0f, 0x20, 0xc0, 0x0f, 0x22, 0xc0}},
    {"cr4 reserved", 3, {0x0f, 0x22, 0xe6}}, /* ESI */
    {"cr0 = ebx", 3, {0x0f, 0x22, 0xc3}},    /* PG without PE */
    {"int3 twice", 1, {0xcc}},
    {"in 21", 2, {0xe4, 0x21}},
    {"sgdt", 3, {0x0f, 0x01, 0x07}},
    {"cli", 1, {0xfa}},
    {"int 0d", 2, {0xcd, 0x0d}},
    {"pushf popf", 2, {0x9c, 0x9d}},
    {"ud2", 2, {0x0f, 0x0b}},
};

/* A limit that real mode can't set and keeps nevertheless, across an exit too. */
static void beyond_64k(void)
{
    static const uint8_t read[] = {0x0f, 0xa2, 0x67, 0x66, 0x8b, 0x06}; /* cpuid; mov (%esi), %eax */
    static const uint32_t word = 0x12345678;

    for (enum legacy_mode mode = LEGACY_REAL; mode <= LEGACY_UNREAL; mode++) {
        struct legacy legacy;

        legacy_prepare(&legacy, mode, read, sizeof(read));
        legacy.frame.esi = (uint32_t)(uintptr_t)&word;
        legacy_run(&legacy);
        observe("%s beyond 64 KiB: %s, eax %x", legacy_names[mode], legacy_outcome(&legacy).text, legacy.frame.eax);
        check((legacy.frame.eax == word) == (mode == LEGACY_UNREAL), "%s: the limit is wrong", legacy_names[mode]);
    }
}

void test_legacy(void)
{
    beyond_64k();
    for (enum legacy_mode mode = LEGACY_FLAT; mode < LEGACY_MODES; mode++)
        for (unsigned i = 0; i < ARRAY_SIZE(stimuli); i++) {
            struct legacy legacy;
            const struct legacy_frame *f = &legacy.frame;

            legacy_prepare(&legacy, mode, stimuli[i].code, stimuli[i].size);
            legacy.frame.esi = CR4_RESERVED;
            legacy.frame.ebx = 0x80000030;
            legacy.frame.edi = mode >= LEGACY_VM86 ? 0xb000 : legacy.frame.esp - 1024;
            legacy_run(&legacy);
            observe("%s %s: %s; eax %x ebx %x ecx %x edx %x, cr0 %x cr4 %x", legacy_names[mode], stimuli[i].name,
                    legacy_outcome(&legacy).text, f->eax, f->ebx, f->ecx, f->edx, legacy.cr0, legacy.cr4);
        }
}

enum load_by { BY_CR0, BY_CR3, BY_CR4, LOADS };

/* Loads the table at EBX by one of three ways; to begin with another, good table is in use (or paging is off). */
static void load_pdptes(enum load_by by, uint64_t entry, const char *name)
{
    static const uint8_t codes[LOADS][3] = {{0x0f, 0x22, 0xc0}, {0x0f, 0x22, 0xd8}, {0x0f, 0x22, 0xe0}};
    static const char *const names[LOADS] = {"cr0", "cr3", "cr4"};
    static uint64_t other[4] aligned(32);
    struct legacy legacy;
    bool bad, fault;

    legacy_prepare(&legacy, by == BY_CR0 ? LEGACY_FLAT : LEGACY_PAE, codes[by], 3);
    memcpy(other, legacy_pdpt, sizeof(other));
    other[2] = entry;
    if (by == BY_CR0) {
        legacy.cr4 = 0x20;
        legacy.cr3 = (uint32_t)(uintptr_t)other;
        legacy.frame.eax = legacy.cr0 | 0x80000000u;
    } else if (by == BY_CR3) {
        legacy.frame.eax = (uint32_t)(uintptr_t)other;
    } else {
        /* the code under test spoils the table that is in use, and after an exit turns PSE on, which loads it */
        static const uint8_t spoil_then_load[] = {0x89, 0x37, 0x89, 0x6f, 0x04, 0x0f, 0xa2, 0xb8,
                                                  0x30, 0,    0,    0,    0x0f, 0x22, 0xe0};
        legacy_prepare(&legacy, LEGACY_PAE, spoil_then_load, sizeof(spoil_then_load));
        memcpy(other, legacy_pdpt, sizeof(other));
        legacy.cr3 = (uint32_t)(uintptr_t)other;
        legacy.frame.edi = (uint32_t)(uintptr_t)&other[2];
        legacy.frame.esi = (uint32_t)entry;
        legacy.frame.ebp = (uint32_t)(entry >> 32);
    }
    legacy_run(&legacy);
    fault = legacy.frame.vector == VECTOR_GP;
    bad = (entry & 1) && (entry & 0xffffff00000001e6);
    observe("%s with pdpte %s: %s, cr0 %x cr4 %x", names[by], name, legacy_outcome(&legacy).text, legacy.cr0,
            legacy.cr4);
    check(fault == bad, "%s with pdpte %s (%llx): %s", names[by], name, (unsigned long long)entry,
          legacy_outcome(&legacy).text);
}

/* The registers keep what was loaded, across exits too, until the next load (SDM 4.4.1 "PDPTE Registers"). */
static void stale_pdptes(void)
{
    static const uint8_t code[] = {
        0xc7, 0x07, 0,    0,    0,    0,    /* movl $0, (%edi): the entry is gone in memory */
        0x31, 0xc0, 0x0f, 0xa2,             /* cpuid */
        0x8b, 0x06,                         /* mov (%esi), %eax: still mapped */
        0x0f, 0x20, 0xda, 0x0f, 0x22, 0xda, /* CR3 to and fro: loads the entries */
        0x8b, 0x06,                         /* now #PF */
    };
    struct legacy legacy;

    legacy_prepare(&legacy, LEGACY_PAE, code, sizeof(code));
    legacy.frame.edi = (uint32_t)(uintptr_t)&legacy_pdpt[3];
    legacy.frame.esi = 0xfee00020;
    legacy_run(&legacy);
    observe("stale pdpte: %s cr2 %x", legacy_outcome(&legacy).text, legacy.cr2);
    check(legacy.frame.vector == VECTOR_PF && legacy.frame.eip == legacy.code + 18, "PDPTEs are not kept: %s",
          legacy_outcome(&legacy).text);
}

void test_pae(void)
{
    uint64_t good = (uintptr_t)legacy_pdpt & ~(uint64_t)0xfff;

    stale_pdptes();
    for (enum load_by by = BY_CR0; by < LOADS; by++) {
        load_pdptes(by, good | 1, "good");
        load_pdptes(by, good | 0x19, "with PWT, PCD");
        load_pdptes(by, good | 0xe01, "with available bits");
        load_pdptes(by, good | 0x1e6, "bad but absent");
        load_pdptes(by, good | 0x3, "bit 1");
        load_pdptes(by, good | 0x5, "bit 2");
        load_pdptes(by, good | 0x21, "bit 5");
        load_pdptes(by, good | 0x81, "bit 7");
        load_pdptes(by, good | 0x101, "bit 8");
        load_pdptes(by, good | 1 | (uint64_t)1 << 40, "bit 40");
        load_pdptes(by, good | 1 | (uint64_t)1 << 52, "bit 52");
        load_pdptes(by, good | 1 | (uint64_t)1 << 63, "bit 63");
    }
}
