/*
 * The random test's dense step: up to sixteen instructions in a row that exit, picked and filled in by chance, with a
 * running hash of their results in R8. Most exits of the test are these (row 54).
 */
#include "lib/string.h"
#include "tests/guest/chance.h"

enum { ELEMENTS_MAX = 16, ELEMENT_SIZE = 40 };

struct burst {
    uint8_t code[ELEMENTS_MAX * ELEMENT_SIZE];
    size_t size;
};

static void put(struct burst *burst, const void *bytes, size_t size)
{
    memcpy(burst->code + burst->size, bytes, size);
    burst->size += size;
}

#define PUT(burst, ...)                                                                                                \
    do {                                                                                                               \
        static const uint8_t bytes[] = {__VA_ARGS__};                                                                  \
        put(burst, bytes, sizeof(bytes));                                                                              \
    } while (0)

static void put_immediate(struct burst *burst, uint8_t opcode, uint32_t value)
{
    put(burst, &opcode, 1);
    put(burst, &value, sizeof(value));
}

enum { MOV_EAX = 0xb8, MOV_ECX = 0xb9, MOV_EDX = 0xba };

/* add %rax, %r8; rol $7, %r8; add %rdx, %r8 */
static void put_hash(struct burst *burst)
{
    PUT(burst, 0x49, 0x01, 0xc0, 0x49, 0xc1, 0xc0, 0x07, 0x49, 0x01, 0xd0);
}

static void put_cpuid(struct chance *c, struct burst *burst)
{
    uint32_t leaf = (uint32_t)chance_below(c, 0x28);

    put_immediate(burst, MOV_EAX, leaf < 0x20 ? leaf : 0x80000000 + leaf - 0x20);
    put_immediate(burst, MOV_ECX, (uint32_t)chance_below(c, 4));
    if (chance_below(c, 4) == 0)
        PUT(burst, 0x66);
    PUT(burst, 0x0f, 0xa2);
    if (leaf == 1 || leaf == 0xb || leaf == 0xd || leaf == 0x1f) /* what a CPU has of its own, or a hypervisor hides */
        return;
    put_hash(burst);
    PUT(burst, 0x49, 0x01, 0xd8, 0x49, 0x01, 0xc8); /* add %rbx, %r8; add %rcx, %r8 */
}

static uint32_t random_mtrr(struct chance *c)
{
    static const uint16_t indices[] = {0x200, 0x201, 0x202, 0x205, 0x206, 0x207, 0x20e, 0x20f, 0x250,
                                       0x258, 0x259, 0x268, 0x269, 0x26c, 0x26f, 0x2ff, 0x2ff, 0x2ff};

    return indices[chance_below(c, ARRAY_SIZE(indices))];
}

static void put_rdmsr(struct chance *c, struct burst *burst)
{
    put_immediate(burst, MOV_ECX, random_mtrr(c));
    PUT(burst, 0x0f, 0x32);
    put_hash(burst);
    if (chance_below(c, 3) == 0)
        PUT(burst, 0x0f, 0x30); /* the same value back */
}

/* FEATURE_CONTROL, which exists only on a CPU with VMX, as every one here is. What it holds differs. */
static void put_feature_control(struct burst *burst)
{
    put_immediate(burst, MOV_ECX, MSR_FEATURE_CONTROL);
    PUT(burst, 0x0f, 0x32);
}

static void put_xsetbv(struct chance *c, struct burst *burst)
{
    static const uint8_t legal[] = {1, 3, 1, 3, 1, 7, 0};

    put_immediate(burst, MOV_EAX, legal[chance_below(c, ARRAY_SIZE(legal))]);
    PUT(burst, 0x31, 0xc9, 0x31, 0xd2, 0x0f, 0x01, 0xd1);
}

/* CR0.NE off and on again: mov %cr0, %rax; xor $0x20, %eax; mov %rax, %cr0; the last two once more. */
static void put_cr0(struct burst *burst)
{
    PUT(burst, 0x0f, 0x20, 0xc0, 0x83, 0xf0, 0x20, 0x0f, 0x22, 0xc0, 0x83, 0xf0, 0x20, 0x0f, 0x22, 0xc0);
}

static void put_element(struct chance *c, struct burst *burst)
{
    uint64_t kind = chance_below(c, 16);

    if (kind < 8)
        put_cpuid(c, burst);
    else if (kind < 12)
        put_rdmsr(c, burst);
    else if (kind < 13)
        put_feature_control(burst);
    else if (kind < 15)
        put_xsetbv(c, burst);
    else
        put_cr0(burst);
}

void chance_burst(struct chance *c)
{
    struct burst burst = {.size = 0};
    bool xsave = cpuid(1, 0).ecx & 1u << 26;
    uint64_t cr4 = read_cr4();

    if (xsave)
        write_cr4(cr4 | CR4_OSXSAVE);
    for (uint64_t left = chance_below(c, ELEMENTS_MAX) + 1; left; left--)
        put_element(c, &burst);
    chance_run(c, burst.code, burst.size, 0, 0, 0, false);
    chance_mix(c, c->last.frame.r8);
    write_cr4(cr4);
}
