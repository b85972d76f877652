/* The same stimuli outside of long mode, and what only exists there: PDPTE loads, task switches (rows 14, 27, 47). */
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

void test_legacy(void)
{
    for (enum legacy_mode mode = LEGACY_FLAT; mode < LEGACY_MODES; mode++)
        for (unsigned i = 0; i < ARRAY_SIZE(stimuli); i++) {
            struct legacy legacy;
            const struct legacy_frame *f = &legacy.frame;

            legacy_prepare(&legacy, mode, stimuli[i].code, stimuli[i].size);
            legacy.frame.esi = CR4_RESERVED;
            legacy.frame.ebx = 0x80000030;
            legacy.frame.edi = mode == LEGACY_REAL || mode == LEGACY_VM86 ? 0xb000 : legacy.frame.esp - 1024;
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

static struct tss32 tss_b;
static struct packed {
    uint16_t link, sp0, ss0, sp1, ss1, sp2, ss2, ip, flags, ax, cx, dx, bx, sp, bp, si, di, es, cs, ss, ds, ldt;
} tss_c; /* 16-bit */
static uint8_t task_stack[1024], task_code[16];

static uint64_t tss_at(const void *tss, uint32_t limit, uint8_t type)
{
    uint64_t base = (uint32_t)(uintptr_t)tss;
    return limit | (base & 0xffffff) << 16 | (uint64_t)type << 40 | (base >> 24) << 56;
}

static void prepare_task(struct legacy *legacy, const uint8_t *code, size_t size, const uint8_t *task, size_t task_size)
{
    legacy_prepare(legacy, LEGACY_PAE, code, size);
    memcpy(task_code, task, task_size);
    memset(&tss_b, 0, sizeof(tss_b));
    tss_b.cr3 = legacy->cr3;
    tss_b.eip = (uint32_t)(uintptr_t)task_code;
    tss_b.eflags = 2;
    tss_b.eax = 0xb0b0b0b0;
    tss_b.ebx = 0xb1b1b1b1;
    tss_b.esp = (uint32_t)(uintptr_t)task_stack + sizeof(task_stack);
    tss_b.cs = SELECTOR_CODE32;
    tss_b.ss = tss_b.ds = tss_b.es = tss_b.fs = tss_b.gs = SELECTOR_DATA;
    tss_b.io_map = sizeof(tss_b);
    *legacy_gdt_entry(LEGACY_TSS_B) = tss_at(&tss_b, sizeof(tss_b) - 1, 0x89);
    *legacy_gdt_entry(LEGACY_TASK_GATE) = (uint64_t)LEGACY_TSS_B << 16 | (uint64_t)0x8500 << 32;
    legacy->frame.eax = 0xa0a0a0a0;
    legacy->frame.ecx = 0xa1a1a1a1;
    legacy->cr0 &= ~8u;
}

/* What the SDM demands (7.3 "Task Switching"), by way of the frame at the end. */
struct task_result {
    uint32_t vector, error, tr;
    int in_task; /* EIP within the task's code, or -1: the code that switched stands at `eip` */
    int eip;     /* ... or what TSS A holds */
    uint32_t eflags, link, type_a, type_b, eax;
};

static void take_result(const struct legacy *legacy, struct task_result *r)
{
    const struct legacy_frame *f = &legacy->frame;
    uint32_t in_task = f->eip - (uint32_t)(uintptr_t)task_code;

    *r = (struct task_result){
        .vector = f->vector,
        .error = f->error,
        .tr = legacy->tr,
        .in_task = in_task < sizeof(task_code) ? (int)in_task : -1,
        .eip = legacy_tss.eip ? (int)(legacy_tss.eip - legacy->code) : (int)(f->eip - legacy->code),
        .eflags = f->eflags & ~(RFLAGS_ARITHMETIC | 0x10000u), /* RF: emulators differ */
        .link = tss_b.link & 0xffff,
        .type_a = legacy->tss_type,
        .type_b = (uint32_t)(*legacy_gdt_entry(LEGACY_TSS_B) >> 40 & 0xff),
        .eax = f->eax,
    };
}

static void show_result(const char *name, const char *who, const struct task_result *r)
{
    differ("%s%s: #%u(%x) tr %x at +%d of the task, eip +%d, eflags %x link %x types %x %x eax %x", name, who,
           r->vector, r->error, r->tr, r->in_task, r->eip, r->eflags, r->link, r->type_a, r->type_b, r->eax);
}

/* Plinth may refuse: #GP(0) at the instruction, and nothing has changed. */
static bool refused(const struct legacy *legacy, const struct task_result *r)
{
    return r->vector == VECTOR_GP && !r->error && legacy->frame.eip == legacy->code && r->tr == LEGACY_TSS_A &&
           r->type_a == 0x8b && r->eax == 0xa0a0a0a0 && !legacy_tss.eip && tss_b.eip == (uint32_t)(uintptr_t)task_code;
}

static void run_task(const char *name, struct legacy *legacy, struct task_result right)
{
    struct task_result r;
    bool same;

    legacy_run(legacy);
    take_result(legacy, &r);
    show_result(name, "", &r);
    same = !memcmp(&r, &right, sizeof(r));
    if (!same)
        show_result(name, " (right)", &right);
    observe("%s: as the SDM says or refused: %d", name, same || refused(legacy, &r));
    check(same || refused(legacy, &r), "%s: see the two lines above", name);
}

/* TSS A left by a jump, by a call, and returned to. */
#define JUMPED(vector, at, eax)                                                                                        \
    {                                                                                                                  \
        vector, 0, LEGACY_TSS_B, at, 7, 2, 0, 0x89, 0x8b, eax                                                          \
    }
#define CALLED(eip)                                                                                                    \
    {                                                                                                                  \
        VECTOR_BP, 0, LEGACY_TSS_B, 8, eip, 0x4002, LEGACY_TSS_A, 0x8b, 0x8b, 0x55                                     \
    }
#define RETURNED(eip)                                                                                                  \
    {                                                                                                                  \
        VECTOR_BP, 0, LEGACY_TSS_A, -1, eip, 2, LEGACY_TSS_A, 0x8b, 0x89, 0xa0a0a0a0                                   \
    }

void test_task(void)
{
    static const uint8_t jump[] = {0xea, 0, 0, 0, 0, LEGACY_TSS_B, 0}, call[] = {0x9a, 0, 0, 0, 0, LEGACY_TSS_B, 0};
    static const uint8_t through_gate[] = {0x9a, 0, 0, 0, 0, LEGACY_TASK_GATE, 0}, undefined[] = {0x0f, 0x0b};
    static const uint8_t self[] = {0xea, 0, 0, 0, 0, LEGACY_TSS_A, 0}, jump16[] = {0xea, 0, 0, 0, 0, LEGACY_TSS_C, 0};
    static const uint8_t stop[] = {0x0f, 0xa2, 0xb8, 0x55, 0, 0, 0, 0xcc}, back[] = {0xb8, 0x77, 0, 0, 0, 0xcf, 0xcc};
    static const uint8_t interrupt[] = {0xcd, 0x06};
    struct legacy legacy;

    prepare_task(&legacy, jump, sizeof(jump), stop, sizeof(stop));
    run_task("jmp", &legacy, (struct task_result)JUMPED(VECTOR_BP, 8, 0x55));
    prepare_task(&legacy, call, sizeof(call), stop, sizeof(stop));
    run_task("call", &legacy, (struct task_result)CALLED(7));
    prepare_task(&legacy, call, sizeof(call), back, sizeof(back));
    run_task("call and iret", &legacy, (struct task_result)RETURNED(7));
    prepare_task(&legacy, through_gate, sizeof(through_gate), back, sizeof(back));
    run_task("task gate", &legacy, (struct task_result)RETURNED(7));
    prepare_task(&legacy, self, sizeof(self), stop, sizeof(stop));
    run_task("jmp to busy", &legacy,
             (struct task_result){VECTOR_GP, LEGACY_TSS_A, LEGACY_TSS_A, -1, 0, 2, 0, 0x8b, 0x89, 0xa0a0a0a0});
    prepare_task(&legacy, jump, sizeof(jump), stop, sizeof(stop));
    *legacy_gdt_entry(LEGACY_TSS_B) &= ~((uint64_t)0x80 << 40);
    run_task("jmp to absent", &legacy,
             (struct task_result){11, LEGACY_TSS_B, LEGACY_TSS_A, -1, 0, 2, 0, 0x8b, 0x09, 0xa0a0a0a0});
    prepare_task(&legacy, jump, sizeof(jump), stop, sizeof(stop));
    tss_b.cs = SELECTOR_DATA;
    run_task("jmp to bad cs", &legacy,
             (struct task_result){10, SELECTOR_DATA, LEGACY_TSS_B, 0, 7, 2, 0, 0x89, 0x8b, 0xb0b0b0b0});
    prepare_task(&legacy, jump, sizeof(jump), stop, sizeof(stop));
    tss_b.trap = 1;
    run_task("jmp with T", &legacy, (struct task_result)JUMPED(VECTOR_DB, 0, 0xb0b0b0b0));
    prepare_task(&legacy, undefined, sizeof(undefined), stop, sizeof(stop));
    *legacy_idt_entry(VECTOR_UD) = *legacy_gdt_entry(LEGACY_TASK_GATE);
    run_task("#UD through a task gate", &legacy, (struct task_result)CALLED(0));
    prepare_task(&legacy, interrupt, sizeof(interrupt), back, sizeof(back));
    *legacy_idt_entry(VECTOR_UD) = *legacy_gdt_entry(LEGACY_TASK_GATE);
    run_task("int through a task gate", &legacy, (struct task_result)RETURNED(2));
    prepare_task(&legacy, jump16, sizeof(jump16), stop, sizeof(stop));
    memset(&tss_c, 0, sizeof(tss_c));
    memcpy(at_address(LEGACY_LOW_CODE), stop, sizeof(stop));
    tss_c.ip = LEGACY_LOW_CODE;
    tss_c.flags = 2;
    tss_c.cs = SELECTOR_CODE32;
    tss_c.sp = LEGACY_LOW_STACK;
    tss_c.ss = SELECTOR_DATA16; /* the upper half of ESP comes out of a 16-bit TSS undefined */
    tss_c.ds = tss_c.es = SELECTOR_DATA;
    *legacy_gdt_entry(LEGACY_TSS_C) = tss_at(&tss_c, sizeof(tss_c) - 1, 0x81);
    run_task("jmp to a 16-bit task", &legacy,
             (struct task_result){VECTOR_BP, 0, LEGACY_TSS_C, -1, 7, 2, 0, 0x89, 0x89, 0x55});
}
