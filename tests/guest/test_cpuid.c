/* CPUID: every leaf on every CPU, prefixed forms, and single-stepping across it (test-plan rows 21, 22, 33). */
#include "lib/string.h"
#include "tests/guest/report.h"
#include "tests/guest/smp.h"
#include "tests/guest/tests.h"

enum { LEAVES_MAX = 192 };

struct leaf {
    uint32_t leaf, subleaf;
    struct cpuid value;
};

struct leaves {
    unsigned count;
    struct leaf leaf[LEAVES_MAX];
};

static unsigned subleaves(uint32_t leaf)
{
    switch (leaf) {
    case 0x4:
    case 0xb:
        return 5;
    case 0x7:
        return 2;
    case 0xd:
        return 16;
    case 0xf:
    case 0x10:
    case 0x12:
    case 0x14:
        return 4;
    }
    return 1;
}

static void add_leaf(struct leaves *all, uint32_t leaf)
{
    for (unsigned sub = 0; sub < subleaves(leaf) && all->count < LEAVES_MAX; sub++)
        all->leaf[all->count++] = (struct leaf){leaf, sub, cpuid(leaf, sub)};
}

static void collect(void *argument)
{
    struct leaves *all = argument;
    uint32_t highest = cpuid(0, 0).eax, highest_extended = cpuid(0x80000000, 0).eax;

    all->count = 0;
    for (uint32_t leaf = 0; leaf <= highest && leaf < 0x40; leaf++)
        add_leaf(all, leaf);
    for (uint32_t leaf = 0x80000000; leaf <= highest_extended && leaf < 0x80000040; leaf++)
        add_leaf(all, leaf);
    add_leaf(all, highest + 1); /* SDM: as the highest basic leaf */
    add_leaf(all, highest_extended + 1);
    add_leaf(all, 0xffffffff);
}

enum { LEAF1_ECX_VMX = 1 << 5, LEAF1_ECX_SMX = 1 << 6 };
#define LEAF1_ECX_HYPERVISOR (1u << 31)

/* What Plinth hides or adds, on the documented list: not part of the comparison. */
static void set_aside(struct leaf *leaf)
{
    if (leaf->leaf == 1) {
        differ("vmx %d smx %d hypervisor %d", !!(leaf->value.ecx & LEAF1_ECX_VMX), !!(leaf->value.ecx & LEAF1_ECX_SMX),
               !!(leaf->value.ecx & LEAF1_ECX_HYPERVISOR));
        check(!under_plinth() || !(leaf->value.ecx & (LEAF1_ECX_VMX | LEAF1_ECX_SMX)), "VMX and SMX are hidden");
        leaf->value.ecx &= ~(LEAF1_ECX_VMX | LEAF1_ECX_SMX | LEAF1_ECX_HYPERVISOR);
    }
}

static void show(unsigned cpu, struct leaf *leaf)
{
    set_aside(leaf);
    observe("cpu%u leaf %x.%x: %08x %08x %08x %08x", cpu, leaf->leaf, leaf->subleaf, leaf->value.eax, leaf->value.ebx,
            leaf->value.ecx, leaf->value.edx);
}

static void show_hypervisor_leaves(void)
{
    for (uint32_t leaf = 0x40000000; leaf < 0x40000003; leaf++) {
        struct cpuid r = cpuid(leaf, 0);
        differ("leaf %x: %08x %08x %08x %08x", leaf, r.eax, r.ebx, r.ecx, r.edx);
    }
}

/* Leaf 80000001's SYSCALL is there in 64-bit mode only; nothing else depends on the mode. */
static void in_every_mode(void)
{
    static const uint8_t code[] = {0x0f, 0xa2};
    struct exec exec;

    for (enum ring ring = RING0; ring < RINGS; ring++) {
        exec_prepare(&exec, ring, code, sizeof(code));
        exec.frame.rax = 0x80000001;
        exec_run(&exec);
        observe("%s leaf 80000001: %08x %08x", ring_names[ring], (uint32_t)exec.frame.rcx, (uint32_t)exec.frame.rdx);
    }
}

static void check_osxsave(void *argument)
{
    bool *follows = argument;
    uint64_t cr4 = read_cr4();

    write_cr4(cr4 & ~(uint64_t)CR4_OSXSAVE);
    follows[0] = !(cpuid(1, 0).ecx & 1u << 27);
    write_cr4(cr4 | CR4_OSXSAVE);
    follows[1] = cpuid(1, 0).ecx & 1u << 27;
    write_cr4(cr4);
}

/* With PKRU at 0 keys forbid nothing. */
static void check_ospke(void *argument)
{
    bool *follows = argument;
    uint64_t cr4 = read_cr4();

    write_cr4(cr4 & ~(uint64_t)CR4_PKE);
    follows[0] = !(cpuid(7, 0).ecx & 1u << 4);
    write_cr4(cr4 | CR4_PKE);
    follows[1] = cpuid(7, 0).ecx & 1u << 4;
    write_cr4(cr4);
}

/* Bits that mirror the CPU's own CR4. */
static void mirrored_bits(unsigned cpu)
{
    bool follows[2];

    if (cpuid(1, 0).ecx & 1u << 26) {
        smp_run(cpu_at(cpu), check_osxsave, follows);
        observe("cpu%u: OSXSAVE follows CR4: %d %d", cpu, follows[0], follows[1]);
        check(follows[0] && follows[1], "cpu%u: CPUID.1:ECX.OSXSAVE does not mirror CR4", cpu);
    }
    if (cpuid(0, 0).eax >= 7 && cpuid(7, 0).ecx & 1u << 3) {
        smp_run(cpu_at(cpu), check_ospke, follows);
        observe("cpu%u: OSPKE follows CR4: %d %d", cpu, follows[0], follows[1]);
        check(follows[0] && follows[1], "cpu%u: CPUID.7:ECX.OSPKE does not mirror CR4", cpu);
    }
}

void test_cpuid(void)
{
    static struct leaves first, other;

    show_hypervisor_leaves();
    in_every_mode();
    collect(&first);
    for (unsigned i = 0; i < first.count; i++) {
        struct leaf leaf = first.leaf[i];
        show(0, &leaf);
    }
    for (unsigned cpu = 0; cpu < cpu_count; cpu++) {
        if (cpu && !cpu_at(cpu)->starts && !smp_start(cpu_at(cpu)))
            continue;
        if (cpu) {
            smp_run(cpu_at(cpu), collect, &other);
            for (unsigned i = 0; i < other.count; i++)
                if (memcmp(&other.leaf[i], &first.leaf[i], sizeof(struct leaf)))
                    show(cpu, &other.leaf[i]);
        }
        mirrored_bits(cpu);
    }
}

static bool ran_and_answered(struct exec *exec)
{
    struct cpuid zero = cpuid(0, 0);
    const struct frame *f = &exec->frame;

    return f->vector == VECTOR_BP && f->rbx == zero.ebx && f->rcx == zero.ecx && f->rdx == zero.edx;
}

/* CPUID leaf 0 behind prefixes; all general registers' upper halves must come back zero in 64-bit mode. */
void test_prefix(void)
{
    static const struct {
        const char *name;
        uint8_t size, code[16];
    } forms[] = {
        {"plain", 2, {0x0f, 0xa2}},
        {"66", 3, {0x66, 0x0f, 0xa2}},
        {"67", 3, {0x67, 0x0f, 0xa2}},
        {"f2", 3, {0xf2, 0x0f, 0xa2}},
        {"f3", 3, {0xf3, 0x0f, 0xa2}},
        {"2e", 3, {0x2e, 0x0f, 0xa2}},
        {"64", 3, {0x64, 0x0f, 0xa2}},
        {"rex.w", 3, {0x48, 0x0f, 0xa2}},
        {"66 f2 rex", 5, {0x66, 0xf2, 0x4f, 0x0f, 0xa2}},
        {"15 bytes", 15, {0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x0f, 0xa2}},
        {"16 bytes",
         16,
         {0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x0f, 0xa2}},
        {"lock", 3, {0xf0, 0x0f, 0xa2}},
    };

    for (unsigned ring = 0; ring < RINGS; ring++)
        for (unsigned i = 0; i < ARRAY_SIZE(forms); i++) {
            struct exec exec;

            if (forms[i].code[0] >= 0x40 && forms[i].code[0] < 0x50 && ring != RING0 && ring != RING3)
                continue; /* REX is INC or DEC there */
            exec_prepare(&exec, ring, forms[i].code, forms[i].size);
            exec.frame.rbx = exec.frame.rcx = exec.frame.rdx = 0xffffffff00000000;
            exec_run(&exec);
            observe("%s %s: %s, %d", ring_names[ring], forms[i].name, exec_outcome(&exec).text,
                    ran_and_answered(&exec));
        }
}

/* Steps through the code and lists where each #DB came, with DR6. */
static void step(enum ring ring, const char *name, const uint8_t *code, size_t size)
{
    struct exec exec;

    exec_prepare(&exec, ring, code, size);
    exec.frame.rbx = ring < RING3 ? SELECTOR_DATA : SELECTOR_USER_DATA;
    exec.frame.rflags |= RFLAGS_TF;
    for (unsigned i = 0; i < 20; i++) {
        write_dr6(0xffff0ff0);
        if (exec_run(&exec) || exec.frame.vector != VECTOR_DB) {
            observe("%s %s: end: %s", ring_names[ring], name, exec_outcome(&exec).text);
            return;
        }
        observe("%s %s: #DB at +%d dr6 %llx rf %d", ring_names[ring], name, (int)(exec.frame.rip - exec.code),
                (unsigned long long)read_dr6(), (int)(exec.frame.rflags >> 16 & 1));
    }
    check(false, "%s: no end after 20 steps", name);
}

void test_step(void)
{
    static const uint8_t plain[] = {0x90, 0x0f, 0xa2, 0x90};
    static const uint8_t two[] = {0x0f, 0xa2, 0x0f, 0xa2, 0x90};
    static const uint8_t after_ss[] = {0x8e, 0xd3, 0x0f, 0xa2, 0x90, 0x90};      /* mov %ebx, %ss */
    static const uint8_t after_sti[] = {0xfb, 0x0f, 0xa2, 0x90, 0xfa, 0x90};     /* sti ... cli */
    static const uint8_t pop_ss[] = {0x53, 0x17, 0x0f, 0xa2, 0x90};              /* push %ebx; pop %ss */
    static const uint8_t rdmsr_apic[] = {0xb9, 0x1b, 0, 0, 0, 0x0f, 0x32, 0x90}; /* may exit */
    static const uint8_t popf[] = {0x9c, 0x81, 0x24, 0x24, 0xff, 0xfe, 0xff, 0xff, 0x9d, 0x0f, 0xa2, 0x90};
    static const uint8_t set_tf[] = {0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d, 0x0f, 0xa2, 0x90};
    struct exec exec;

    for (enum ring ring = RING0; ring < RINGS; ring++) {
        step(ring, "cpuid", plain, sizeof(plain));
        step(ring, "two", two, sizeof(two));
    }
    step(RING0, "mov ss", after_ss, sizeof(after_ss));
    step(RING0_32, "mov ss", after_ss, sizeof(after_ss));
    step(RING3, "mov ss", after_ss, sizeof(after_ss));
    step(RING0_32, "pop ss", pop_ss, sizeof(pop_ss));
    step(RING3_32, "pop ss", pop_ss, sizeof(pop_ss));
    step(RING0, "sti", after_sti, sizeof(after_sti));
    step(RING0, "rdmsr", rdmsr_apic, sizeof(rdmsr_apic));
    step(RING0, "popf clears", popf, sizeof(popf));
    write_dr6(0xffff0ff0);
    exec_prepare(&exec, RING0, set_tf, sizeof(set_tf));
    exec_run(&exec);
    observe("popf sets: %s dr6 %llx", exec_outcome(&exec).text, (unsigned long long)read_dr6());
}
