/* INS and OUTS at COM1 in loopback, its own or the one that Plinth shows: what goes out, what comes in, where the
 * registers stand, and the faults. Each line is printed when the port is the terminal's again. */
#include "lib/string.h"
#include "tests/guest/cpu.h"
#include "tests/guest/legacy.h"
#include "tests/guest/report.h"
#include "tests/guest/smp.h"
#include "tests/guest/tests.h"

enum { COM1 = 0x3f8, RBR = COM1, FCR = COM1 + 2, MCR = COM1 + 4, LSR = COM1 + 5 };
enum { DATA_READY = 1, EMPTY = 0x60, LOOP = 0x10, FIFO_CLEARED = 0x07, CHARACTER_US = 200, BYTES = 8 };
enum { DF = 0x400, IOPL3 = 0x3000, AC = 0x40000, LOW_BUFFER = 0xb800 };

static uint8_t mcr;
static uint8_t buffer[2 * BYTES] aligned(16);

/* The bytes that are there, as text: they are cut off, not printed, where there are more. */
struct bytes {
    char text[2 * 2 * BYTES + 1];
};

static struct bytes hexadecimal(const uint8_t *bytes, unsigned count)
{
    struct bytes b = {""};

    for (unsigned i = 0; i < count && i < 2 * BYTES; i++) {
        b.text[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        b.text[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    return b;
}

/* The line is looped, and what INS would read is in the receiver. */
static void loop(void)
{
    for (unsigned i = 0; i < 100000 && (in8(LSR) & EMPTY) != EMPTY; i++)
        delay_us(10);
    delay_us(CHARACTER_US);
    out8(MCR, LOOP);
    out8(FCR, FIFO_CLEARED);
}

static void fill(void)
{
    for (unsigned i = 0; i < BYTES; i++) {
        out8(RBR, (uint8_t)(0xa1 + i));
        delay_us(CHARACTER_US);
    }
    memset(buffer, 0x11, sizeof(buffer));
    memset(at_address(LOW_BUFFER), 0x11, sizeof(buffer));
}

/* What came in and wasn't read. */
static struct bytes unloop(void)
{
    uint8_t bytes[2 * BYTES];
    unsigned count = 0;

    delay_us((BYTES + 2) * CHARACTER_US);
    while (count < sizeof(bytes) && in8(LSR) & DATA_READY)
        bytes[count++] = in8(RBR);
    out8(FCR, FIFO_CLEARED);
    out8(MCR, mcr);
    return hexadecimal(bytes, count);
}

/* ---- in long mode ---- */

static const struct long_case {
    const char *name;
    uint8_t code[4], size;
    bool in;
    int32_t offset; /* of RSI or RDI from the buffer */
    uint64_t rcx, flags;
} long_cases[] = {
    {"outsb", {0x6e}, 1, false, 0, 5, 0},
    {"insb", {0x6c}, 1, true, 0, 5, 0},
    {"rep outsb", {0xf3, 0x6e}, 2, false, 0, 5, 0},
    {"repne outsb", {0xf2, 0x6e}, 2, false, 3, 2, 0},
    {"rep insb", {0xf3, 0x6c}, 2, true, 0, 5, 0},
    {"rep outsb of none", {0xf3, 0x6e}, 2, false, 0, 0, 0},
    {"rep outsb downwards", {0xf3, 0x6e}, 2, false, 5, 5, DF},
    {"rep insb downwards", {0xf3, 0x6c}, 2, true, 5, 5, DF},
    {"rep outsb, other address size", {0x67, 0xf3, 0x6e}, 3, false, 0, 0x700000005, 0},
    {"rep insb, other address size", {0x67, 0xf3, 0x6c}, 3, true, 0, 0x700000005, 0},
    {"rep outsb from fs", {0x64, 0xf3, 0x6e}, 3, false, 0, 3, 0},
    {"rep outsb with tf", {0xf3, 0x6e}, 2, false, 0, 5, RFLAGS_TF},
    {"insb with tf", {0x6c}, 1, true, 0, 5, RFLAGS_TF},
    {"outsb with ac", {0x6e}, 1, false, 1, 0, AC},
};

/* RF after an iteration of REP, but the last, is 1 by the SDM (17.3.1.1), not in Bochs: left out. */
static void run_long(const struct long_case *c, enum ring ring, const char *where, uint64_t address)
{
    struct exec exec;
    struct bytes left;

    loop();
    if (c->in)
        fill();
    exec_prepare(&exec, ring, c->code, c->size);
    exec.frame.rdx = COM1;
    exec.frame.rcx = c->rcx;
    exec.frame.rsi = exec.frame.rdi = address;
    exec.frame.rflags |= c->flags | IOPL3;
    exec_run(&exec);
    left = unloop();
    observe("%s %s%s: %s rcx %llx rsi %lld rdi %lld cr2 %llx%s, port %s, memory %s", ring_names[ring], c->name, where,
            exec_outcome(&exec).text, (unsigned long long)exec.frame.rcx, (long long)(exec.frame.rsi - address),
            (long long)(exec.frame.rdi - address),
            (unsigned long long)(exec.frame.vector == VECTOR_PF ? read_cr2() : 0),
            exec.frame.rflags >> 16 & 1 && !(c->flags & RFLAGS_TF) ? " rf" : "", left.text,
            hexadecimal(buffer, BYTES).text);
}

static void long_mode(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(long_cases); i++) {
        for (enum ring ring = RING0; ring < RINGS; ring++) {
            for (unsigned n = 0; n < sizeof(buffer); n++)
                buffer[n] = (uint8_t)(0x41 + n);
            run_long(&long_cases[i], ring, "", (uintptr_t)buffer + (uint64_t)long_cases[i].offset);
        }
    }
}

/* Where memory ends, and where none can be: the first bytes go out before the fault. */
static void faults(void)
{
    const struct long_case out = {"rep outsb", {0xf3, 0x6e}, 2, false, 0, 4, 0};
    const struct long_case in = {"rep insb", {0xf3, 0x6c}, 2, true, 0, 4, 0};

    for (enum ring ring = RING0; ring <= RING3; ring += RING3) {
        run_long(&out, ring, " at the end of what is mapped", 0xfffffffe);
        run_long(&in, ring, " where nothing is mapped", 0x7000000000);
        run_long(&out, ring, " at the canonical hole", 0x7fffffffffff);
        run_long(&in, ring, " in the canonical hole", 0x800000000000);
    }
}

/* ---- elsewhere, with segments ---- */

static const struct legacy_case {
    const char *name;
    uint8_t code[8], size;
    bool in;
    uint32_t index, ecx;
} legacy_cases[] = {
    {"rep outsb", {0xf3, 0x6e}, 2, false, 0, 4},
    {"rep insb", {0xf3, 0x6c}, 2, true, 0, 4},
    {"rep outsb, other address size", {0x67, 0xf3, 0x6e}, 3, false, 0, 0x10004},
    {"rep insb, other address size", {0x67, 0xf3, 0x6c}, 3, true, 0, 0x10004},
    {"cs: outsb", {0x2e, 0x6e}, 2, false, 0, 0},
    {"ss: outsb at the limit", {0x36, 0x67, 0x6e}, 3, false, 0xffff, 0},
    {"ss: outsb beyond 64 KiB", {0x36, 0x67, 0x6e}, 3, false, 0x10000, 0},
    {"outsb beyond 64 KiB", {0x67, 0x6e}, 2, false, 0x10000, 0},
    {"insb beyond 64 KiB", {0x67, 0x6c}, 2, true, 0x10000, 0},
    /* XOR EBX, EBX; MOV DS or ES, BX */
    {"outsb by a null selector", {0x31, 0xdb, 0x8e, 0xdb, 0x6e}, 5, false, 0, 0},
    {"insb by a null selector", {0x31, 0xdb, 0x8e, 0xc3, 0x6c}, 5, true, 0, 0},
};

static bool is_low(enum legacy_mode mode)
{
    return mode == LEGACY_VM86 || mode == LEGACY_REAL || mode == LEGACY_UNREAL;
}

static void run_legacy(const struct legacy_case *c, enum legacy_mode mode)
{
    uint8_t *data = is_low(mode) ? at_address(LOW_BUFFER) : buffer;
    uint32_t index = c->index ? c->index : (uint32_t)(uintptr_t)data;
    struct legacy legacy;
    struct bytes left;

    for (unsigned n = 0; n < BYTES; n++)
        data[n] = (uint8_t)(0x61 + n);
    *(uint8_t *)at_address(0xffff) = 0x31;
    *(uint8_t *)at_address(0x10000) = 0x32;
    *(uint8_t *)at_address(LEGACY_LOW_CODE + LOW_BUFFER) = 0x33;
    loop();
    if (c->in)
        fill();
    legacy_prepare(&legacy, mode, c->code, c->size);
    legacy.frame.edx = COM1;
    legacy.frame.ecx = c->ecx;
    legacy.frame.esi = legacy.frame.edi = index;
    legacy.frame.eflags |= IOPL3;
    legacy_run(&legacy);
    left = unloop();
    observe("%s %s: %s ecx %x esi %d edi %d, port %s, memory %s", legacy_names[mode], c->name,
            legacy_outcome(&legacy).text, legacy.frame.ecx, (int)(legacy.frame.esi - index),
            (int)(legacy.frame.edi - index), left.text, hexadecimal(data, BYTES).text);
}

void test_strings(void)
{
    mcr = in8(MCR);
    long_mode();
    faults();
    for (unsigned i = 0; i < ARRAY_SIZE(legacy_cases); i++)
        for (enum legacy_mode mode = LEGACY_FLAT; mode < LEGACY_MODES; mode++)
            run_legacy(&legacy_cases[i], mode);
}
