/* Control registers: every bit, from every privilege level and code size (row 10). */
#include "tests/guest/report.h"
#include "tests/guest/smp.h"
#include "tests/guest/tests.h"

typedef unsigned long long ull;

enum { NE = 1 << 5 };
enum { MOV_CR0 = 0xc0, MOV_CR2 = 0xd0, MOV_CR3 = 0xd8, MOV_CR4 = 0xe0 };

static uint64_t read_control(uint8_t modrm)
{
    switch (modrm) {
    case MOV_CR0:
        return read_cr0();
    case MOV_CR3:
        return read_cr3();
    default:
        return read_cr4();
    }
}

static void write_control(uint8_t modrm, uint64_t value)
{
    switch (modrm) {
    case MOV_CR0:
        write_cr0(value);
        return;
    case MOV_CR3:
        write_cr3(value);
        return;
    default:
        write_cr4(value);
    }
}

/* `mov %rax, %crN`, the value it then has, and back to what it was. */
static struct outcome write_outcome(enum ring ring, uint8_t modrm, uint64_t value, uint64_t *after)
{
    uint8_t code[] = {0x0f, 0x22, modrm};
    uint64_t before = read_control(modrm);
    struct exec exec;

    exec_prepare(&exec, ring, code, sizeof(code));
    exec.frame.rax = value;
    exec_run(&exec);
    *after = read_control(modrm);
    if (*after != before)
        write_control(modrm, before);
    return exec_outcome(&exec);
}

static void try_control(const char *name, enum ring ring, uint8_t modrm, uint64_t value)
{
    uint64_t before = read_control(modrm), after;
    struct outcome outcome = write_outcome(ring, modrm, value, &after);

    observe("%s %s = %llx: %s, now %llx", ring_names[ring], name, (ull)value, outcome.text, (ull)after);
    check(outcome.text[0] == 'd' || after == before, "%s: refused, and still changed", name);
}

static void try_cr0(void)
{
    uint64_t cr0 = read_cr0();

    for (unsigned bit = 0; bit < 34; bit++)
        try_control("cr0", RING0, MOV_CR0, cr0 ^ (uint64_t)1 << bit);
    try_control("cr0", RING0, MOV_CR0, cr0 | 1u << 30);              /* CD */
    try_control("cr0", RING0, MOV_CR0, cr0 | 3u << 29);              /* CD and NW */
    try_control("cr0", RING0, MOV_CR0, cr0 & ~(uint64_t)0x80000001); /* PE and PG off in 64-bit mode */
    try_control("cr0", RING0, MOV_CR0, cr0 | (uint64_t)1 << 63);
    try_control("cr0", RING0_32, MOV_CR0, cr0 ^ 1u << 5); /* NE, which VMX fixes */
    try_control("cr0", RING0_16, MOV_CR0, cr0 ^ 1u << 5);
    try_control("cr0", RING3, MOV_CR0, cr0);
    /* with NE, and refused: NE too stays what it was */
    try_control("cr0", RING0, MOV_CR0, (cr0 ^ NE) | 1u << 29);
    try_control("cr0", RING0, MOV_CR0, (cr0 ^ NE) & ~(uint64_t)0x80000000);
    try_control("cr0", RING0, MOV_CR0, (cr0 ^ NE) & ~(uint64_t)1);
    try_control("cr0", RING0_32, MOV_CR0, (cr0 ^ NE) | 1u << 29);
}

/* RF lets a breakpoint on the instruction pass once, also if it is executed twice because of an exit. */
static void try_breakpoint(void)
{
    static const uint8_t code[] = {0x0f, 0x22, 0xc0}; /* mov %rax, %cr0 */
    uint64_t cr0 = read_cr0();
    struct exec exec;

    for (unsigned i = 0; i < 2; i++) {
        exec_prepare(&exec, RING0, code, sizeof(code));
        exec.frame.rax = cr0 ^ NE;
        exec.frame.rflags |= i ? 1u << 16 : 0;
        write_dr0(exec.code);
        write_dr7(0x402);
        exec_run(&exec);
        write_dr7(0x400);
        observe("breakpoint on mov cr0, RF %u: %s, now %llx", i, exec_outcome(&exec).text, (ull)read_cr0());
        write_cr0(cr0);
    }
}

/* SMEP, SMAP: this kernel runs from pages that are open to CPL 3; LASS: in the lower half of the addresses. */
static bool ends_this_kernel(unsigned bit)
{
    return bit == 20 || bit == 21 || (bit == 27 && cpuid(7, 1).eax & 1 << 6);
}

static void try_cr4(void)
{
    uint64_t cr4 = read_cr4(), after;

    for (unsigned bit = 0; bit < 34; bit++)
        if (ends_this_kernel(bit)) {
            continue;
        } else if (bit == 13 || bit == 14) { /* VMXE, SMXE: hidden together with VMX and SMX */
            struct outcome outcome = write_outcome(RING0, MOV_CR4, cr4 | 1u << bit, &after);
            differ("cr4 = %llx: %s, now %llx", (ull)(cr4 | 1u << bit), outcome.text, (ull)after);
        } else {
            try_control("cr4", RING0, MOV_CR4, cr4 ^ (uint64_t)1 << bit);
        }
    try_control("cr4", RING0, MOV_CR4, cr4 | (uint64_t)1 << 63);
    try_control("cr4", RING0_32, MOV_CR4, cr4 | CR4_OSXSAVE);
    try_control("cr4", RING0_32, MOV_CR4, cr4 & ~(uint64_t)0x20); /* PAE off in long mode */
    try_control("cr4", RING0_16, MOV_CR4, cr4 | CR4_RESERVED);
    try_control("cr4", RING3, MOV_CR4, cr4);
}

static void try_cr3(void)
{
    uint64_t cr3 = read_cr3(), cr4 = read_cr4();

    for (unsigned bit = 0; bit < 12; bit++)
        try_control("cr3", RING0, MOV_CR3, cr3 ^ 1u << bit);
    for (unsigned bit = 36; bit < 64; bit++) {
        uint64_t after;
        struct outcome outcome;

        if (bit < (cpuid(0x80000008, 0).eax & 0xff))
            continue; /* there is no page table there */
        outcome = write_outcome(RING0, MOV_CR3, cr3 | (uint64_t)1 << bit, &after);
        observe("cr3 bit %u: %s, %s", bit, outcome.text, after == cr3 ? "unchanged" : "changed");
    }
    if (cpuid(1, 0).ecx & 1u << 17) { /* PCIDE */
        write_cr4(cr4 | 1u << 17);
        try_control("cr3 with pcide", RING0, MOV_CR3, cr3 | 5);
        try_control("cr3 with pcide", RING0, MOV_CR3, cr3 | 5 | (uint64_t)1 << 63);
        try_control("cr3 with pcide", RING0, MOV_CR3, cr3 | (uint64_t)1 << 62);
        try_control("cr4 pge", RING0, MOV_CR4, read_cr4() ^ 0x80);
        write_cr4(cr4);
        write_cr3(cr3 | 0x18); /* PCD, PWT: CR3[11:0] other than 0 forbids PCIDE */
        try_control("pcide after cr3 = 18", RING0, MOV_CR4, cr4 | 1u << 17);
        write_cr3(cr3);
    }
}

static void run(const char *name, enum ring ring, const uint8_t *code, size_t size, uint64_t rax)
{
    uint64_t cr0 = read_cr0(), after;
    struct exec exec;

    exec_prepare(&exec, ring, code, size);
    exec.frame.rax = rax;
    exec_run(&exec);
    after = read_cr0();
    write_cr0(cr0);
    observe("%s %s %llx: %s, rax %llx, cr0 %llx", ring_names[ring], name, (ull)rax, exec_outcome(&exec).text,
            (ull)exec.frame.rax, (ull)after);
}

void test_control(void)
{
    static const uint8_t clts[] = {0x0f, 0x06}, lmsw[] = {0x0f, 0x01, 0xf0}, smsw[] = {0x0f, 0x01, 0xe0};
    static const uint8_t read_cr8[] = {0x44, 0x0f, 0x20, 0xc0}, write_cr8[] = {0x44, 0x0f, 0x22, 0xc0};
    static const uint8_t cr1[] = {0x0f, 0x22, 0xc8}, cr5[] = {0x0f, 0x20, 0xe8}, cr9[] = {0x44, 0x0f, 0x22, 0xc8};
    static const uint8_t read_cr4_code[] = {0x0f, 0x20, 0xe0}, read_cr0_code[] = {0x0f, 0x20, 0xc0};
    static const uint8_t mod0[] = {0x0f, 0x22, 0x20}; /* the ModRM's mod field is ignored */
    uint64_t cr0 = read_cr0();

    try_cr0();
    try_breakpoint();
    try_cr4();
    try_cr3();
    for (enum ring ring = RING0; ring < RINGS; ring++) {
        write_cr0(cr0 | 8);
        run("clts", ring, clts, sizeof(clts), 0);
        for (unsigned value = 0; value < 16; value += 5)
            run("lmsw", ring, lmsw, sizeof(lmsw), value);
        run("lmsw", ring, lmsw, sizeof(lmsw), 0xfffe);
        run("smsw", ring, smsw, sizeof(smsw), UINT64_MAX);
        run("read cr0", ring, read_cr0_code, sizeof(read_cr0_code), UINT64_MAX);
        run("read cr4", ring, read_cr4_code, sizeof(read_cr4_code), UINT64_MAX);
        run("cr1", ring, cr1, sizeof(cr1), 0);
        run("cr5", ring, cr5, sizeof(cr5), 0);
        write_cr0(cr0);
    }
    run("cr9", RING0, cr9, sizeof(cr9), 0);
    run("mod 0 cr4", RING0, mod0, sizeof(mod0), read_cr4());
    run("write cr8", RING0, write_cr8, sizeof(write_cr8), 5);
    run("read cr8", RING0, read_cr8, sizeof(read_cr8), 0);
    run("write cr8", RING0, write_cr8, sizeof(write_cr8), 0x10);
    run("write cr8", RING0, write_cr8, sizeof(write_cr8), 0);
    run("write cr8", RING3, write_cr8, sizeof(write_cr8), 0);
}
