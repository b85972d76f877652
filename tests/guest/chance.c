/* The random test's steps at CPL 0, and its source of chance (row 54). */
#include "tests/guest/chance.h"
#include "lib/string.h"

/* xorshift64* */
uint64_t chance_next(struct chance *c)
{
    c->state ^= c->state >> 12;
    c->state ^= c->state << 25;
    c->state ^= c->state >> 27;
    return c->state * 0x2545f4914f6cdd1d;
}

uint64_t chance_below(struct chance *c, uint64_t limit)
{
    return (chance_next(c) >> 16) % limit;
}

void chance_mix(struct chance *c, uint64_t value)
{
    c->hash = (c->hash ^ value) * 0x9e3779b97f4a7c15;
    c->hash ^= c->hash >> 29;
}

void chance_run(struct chance *c, const uint8_t *code, size_t size, uint64_t rax, uint64_t rcx, uint64_t rdx,
                bool registers)
{
    struct exec exec;

    exec_prepare(&exec, RING0, code, size);
    exec.frame.rax = rax;
    exec.frame.rcx = rcx;
    exec.frame.rdx = rdx;
    exec.frame.rbx = exec.frame.rsp - 256;
    exec_run(&exec);
    c->last = exec;
    memcpy(c->last_code, (const void *)exec.code, sizeof(c->last_code));
    chance_mix(c, exec.frame.vector);
    chance_mix(c, exec.frame.error);
    chance_mix(c, exec.frame.rip - exec.code);
    if (registers) {
        chance_mix(c, exec.frame.rax);
        chance_mix(c, exec.frame.rdx);
    }
    c->vectors[exec.frame.vector & 31]++;
}

void chance_cpuid(struct chance *c)
{
    static const uint8_t code[] = {0x66, 0xf2, 0x0f, 0xa2};
    unsigned prefixes = (unsigned)chance_below(c, 3);
    uint32_t leaf = chance_below(c, 4) ? (uint32_t)chance_below(c, 0x20) : (uint32_t)chance_next(c);

    if (leaf >> 16 == 0x4000 || leaf > 0x20)
        leaf = 0x80000000 + (uint32_t)chance_below(c, 9);
    chance_run(c, code + prefixes, sizeof(code) - prefixes, leaf, chance_below(c, 8), 0,
               leaf != 1 && leaf != 0xb && leaf != 0xd);
}

static bool volatile_msr(uint32_t index)
{
    return index == 0x10 || index == 0x1b || index == MSR_FEATURE_CONTROL || index == 0x3b || index == 0x6e0 ||
           (index >= MSR_VMX_BASIC && index <= 0x491) || (index >= 0x800 && index < 0x900);
}

void chance_rdmsr(struct chance *c)
{
    static const uint8_t code[] = {0x0f, 0x32};
    static const uint32_t bases[] = {0, 0x170, 0x1d0, 0x200, 0x240, 0x1000, 0xc0000080, 0xc0000100, 0x40000000};
    uint32_t index = chance_below(c, 8) ? bases[chance_below(c, ARRAY_SIZE(bases))] + (uint32_t)chance_below(c, 64)
                                        : (uint32_t)chance_next(c);

    if (!volatile_msr(index))
        chance_run(c, code, sizeof(code), chance_next(c), (chance_next(c) << 32) | index, chance_next(c), true);
}

static uint64_t random_value(struct chance *c, uint64_t near)
{
    switch (chance_below(c, 4)) {
    case 0:
        return near ^ (uint64_t)1 << chance_below(c, 64);
    case 1:
        return chance_next(c);
    case 2:
        return chance_next(c) & 0x0707070707070707;
    default:
        return (uint64_t)((int64_t)chance_next(c) >> (16 + chance_below(c, 40)));
    }
}

void chance_wrmsr(struct chance *c)
{
    static const uint32_t targets[] = {
        MSR_PAT,
        MSR_SYSENTER_CS,
        MSR_SYSENTER_ESP,
        MSR_SYSENTER_EIP,
        MSR_LSTAR,
        0xc0000083,
        MSR_FMASK,
        MSR_STAR,
        MSR_FS_BASE,
        MSR_GS_BASE,
        MSR_KERNEL_GS_BASE,
        MSR_EFER,
        0x206,
        0x207,
        0x20e,
        0x8b,
        0x1a0,
        0x1d9,
        0x186,
        0x38f,
        MSR_FEATURE_CONTROL,
        MSR_MTRRCAP,
        0x482,
        0xda0,
        0xc0000103,
        0x12345678,
    };
    uint32_t index = targets[chance_below(c, ARRAY_SIZE(targets))];
    uint64_t before = 0, after = 0, value;
    bool known = rdmsr_safe(index, &before);

    value = random_value(c, before);
    chance_mix(c, wrmsr_safe(index, value));
    if (known && !volatile_msr(index)) {
        rdmsr_safe(index, &after);
        chance_mix(c, after);
    }
    if (known)
        wrmsr_safe(index, before);
}

/* Bits whose loss ends this kernel stay; VMXE and SMXE are documented differences. */
void chance_control(struct chance *c)
{
    static const uint8_t cr0_code[] = {0x0f, 0x22, 0xc0}, cr4_code[] = {0x0f, 0x22, 0xe0};
    bool four = chance_below(c, 2);
    uint64_t before = four ? read_cr4() : read_cr0();
    uint64_t keep = four ? 0x306020u | CR4_OSXSAVE : 0x80010021u;
    uint64_t value = before ^ (~keep & ((uint64_t)1 << chance_below(c, 33) | (uint64_t)1 << chance_below(c, 33)));

    chance_run(c, four ? cr4_code : cr0_code, 3, value, 0, 0, false);
    chance_mix(c, four ? read_cr4() : read_cr0());
    if (four)
        write_cr4(before);
    else
        write_cr0(before);
}

void chance_xsetbv(struct chance *c)
{
    static const uint8_t code[] = {0x0f, 0x01, 0xd1};
    uint64_t cr4 = read_cr4();

    if (!(cpuid(1, 0).ecx & 1u << 26))
        return;
    write_cr4(cr4 | CR4_OSXSAVE);
    chance_run(c, code, sizeof(code), chance_below(c, 4) ? chance_below(c, 0x400) : chance_next(c),
               chance_below(c, 8) ? 0 : chance_next(c), chance_below(c, 8) ? 0 : chance_next(c), false);
    chance_mix(c, cpuid(0xd, 0).ebx);
    chance_run(c, code, sizeof(code), 1, 0, 0, false);
    write_cr4(cr4);
}

void chance_exit(struct chance *c)
{
    static const uint8_t codes[][5] = {
        {0x0f, 0x01, 0xc1, 0x90, 0x90}, {0x0f, 0x01, 0xc2, 0x90, 0x90}, {0x0f, 0x01, 0xc3, 0x90, 0x90},
        {0x0f, 0x01, 0xc4, 0x90, 0x90}, {0x0f, 0x01, 0xd4, 0x90, 0x90}, {0xf3, 0x0f, 0xc7, 0x33, 0x90},
        {0x66, 0x0f, 0xc7, 0x33, 0x90}, {0x0f, 0xc7, 0x33, 0x90, 0x90}, {0x0f, 0x78, 0xc3, 0x90, 0x90},
        {0x0f, 0x79, 0x03, 0x90, 0x90}, {0x66, 0x0f, 0x38, 0x80, 0x03}, {0x66, 0x0f, 0x38, 0x81, 0x03},
        {0x0f, 0x37, 0x90, 0x90, 0x90}, {0x0f, 0x08, 0x90, 0x90, 0x90}, {0x0f, 0x09, 0x90, 0x90, 0x90},
        {0xe4, 0x21, 0x90, 0x90, 0x90}, {0x0f, 0x06, 0x90, 0x90, 0x90}, {0xf3, 0x90, 0x90, 0x90, 0x90},
    };
    const uint8_t *code = codes[chance_below(c, ARRAY_SIZE(codes))];

    chance_run(c, code, 5, 0, 0, 0, false);
}
