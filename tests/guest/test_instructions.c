/* Instructions that exit unconditionally under VMX: all must end as on a CPU without VMX and SMX (rows 1, 2, 3, 5). */
#include "tests/guest/report.h"
#include "tests/guest/smp.h"
#include "tests/guest/tests.h"

struct instruction {
    const char *name;
    uint8_t size, code[8];
    bool only64, only32;
};

/* SDM volume 3, chapter 30 "VMX Instruction Reference", and GETSEC */
static const struct instruction hidden[] = {
    {"vmcall", 3, {0x0f, 0x01, 0xc1}, false, false},
    {"vmlaunch", 3, {0x0f, 0x01, 0xc2}, false, false},
    {"vmresume", 3, {0x0f, 0x01, 0xc3}, false, false},
    {"vmxoff", 3, {0x0f, 0x01, 0xc4}, false, false},
    {"vmfunc", 3, {0x0f, 0x01, 0xd4}, false, false},
    {"vmxon", 4, {0xf3, 0x0f, 0xc7, 0x33}, false, false},
    {"vmclear", 4, {0x66, 0x0f, 0xc7, 0x33}, false, false},
    {"vmptrld", 3, {0x0f, 0xc7, 0x33}, false, false},
    {"vmptrst", 3, {0x0f, 0xc7, 0x3b}, false, false},
    {"vmread", 3, {0x0f, 0x78, 0xc3}, false, false},
    {"vmread mem", 3, {0x0f, 0x78, 0x03}, false, false},
    {"vmwrite", 3, {0x0f, 0x79, 0xc3}, false, false},
    {"invept", 5, {0x66, 0x0f, 0x38, 0x80, 0x03}, false, false},
    {"invvpid", 5, {0x66, 0x0f, 0x38, 0x81, 0x03}, false, false},
    {"getsec", 2, {0x0f, 0x37}, false, false},
    {"66 vmcall", 4, {0x66, 0x0f, 0x01, 0xc1}, false, false},
};

static void run_one(enum ring ring, const struct instruction *instruction, const char *when)
{
    struct exec exec;
    bool undefined;

    exec_prepare(&exec, ring, instruction->code, instruction->size);
    exec.frame.rbx = exec.frame.rsp - 256;
    exec_run(&exec);
    undefined = exec.frame.vector == VECTOR_UD && exec.frame.rip == exec.code;
    observe("%s %s%s: %s", ring_names[ring], instruction->name, when, exec_outcome(&exec).text);
    check(undefined, "%s %s%s: %s instead of #UD with RIP kept", ring_names[ring], instruction->name, when,
          exec_outcome(&exec).text);
}

/* What a fault pushes has RF set, so that the instruction can be executed again past a breakpoint (SDM 17.3.1.1). */
static void resume_flag(enum ring ring)
{
    static const struct {
        const char *name;
        uint8_t code[3];
    } faults[] = {{"ud2", {0x0f, 0x0b}},          {"vmcall", {0x0f, 0x01, 0xc1}}, {"vmxoff", {0x0f, 0x01, 0xc4}},
                  {"getsec", {0x0f, 0x37, 0x90}}, {"wrmsr", {0x0f, 0x30, 0x90}},  {"rdmsr", {0x0f, 0x32, 0x90}},
                  {"xsetbv", {0x0f, 0x01, 0xd1}}};
    const uint32_t rf = 0x10000;

    for (unsigned i = 0; i < ARRAY_SIZE(faults); i++) {
        struct exec exec;

        exec_prepare(&exec, ring, faults[i].code, sizeof(faults[i].code));
        exec.frame.rax = exec.frame.rdx = UINT64_MAX;
        exec.frame.rcx = 0x12345; /* no such MSR, no such XCR */
        exec_run(&exec);
        observe("%s %s: %s, rf %d", ring_names[ring], faults[i].name, exec_outcome(&exec).text,
                !!(exec.frame.rflags & rf));
        check(exec.frame.rflags & rf, "%s %s: the frame has no RF", ring_names[ring], faults[i].name);
    }
}

void test_vmx(void)
{
    resume_flag(RING0);
    resume_flag(RING3_32);
    struct exec exec;
    enum ring ring;

    for (ring = RING0; ring < RINGS; ring++)
        for (unsigned i = 0; i < ARRAY_SIZE(hidden); i++)
            run_one(ring, &hidden[i], "");

    for (ring = RING0; ring < RINGS; ring++) {
        static const uint8_t invd[] = {0x0f, 0x08};
        volatile uint64_t witness = 0;

        if (ring == RING0)
            witness = 0x5a5a5a5a12345678;
        exec_prepare(&exec, ring, invd, sizeof(invd));
        exec_run(&exec);
        observe("%s invd: %s", ring_names[ring], exec_outcome(&exec).text);
        if (ring == RING0) /* a real INVD may lose it on hardware; under a hypervisor it must not */
            differ("a store before invd is %s", witness == 0x5a5a5a5a12345678 ? "kept" : "lost");
    }
}

static void try_xsetbv(enum ring ring, uint32_t index, uint64_t value)
{
    struct exec exec;
    uint64_t now;
    static const uint8_t code[] = {0x0f, 0x01, 0xd1}, read[] = {0x0f, 0x01, 0xd0};

    exec_prepare(&exec, ring, code, sizeof(code));
    exec.frame.rcx = index;
    exec.frame.rax = (uint32_t)value;
    exec.frame.rdx = value >> 32;
    exec_run(&exec);
    observe("%s xsetbv %x = %llx: %s", ring_names[ring], index, (unsigned long long)value, exec_outcome(&exec).text);
    exec_prepare(&exec, RING0, read, sizeof(read));
    if (exec_run(&exec)) {
        now = exec.frame.rdx << 32 | (uint32_t)exec.frame.rax;
        observe("  xcr0 now %llx, save area %x", (unsigned long long)now, cpuid(0xd, 0).ebx);
    } else {
        observe("  xgetbv: %s", exec_outcome(&exec).text);
    }
}

void test_xsetbv(void)
{
    /* SDM 13.3 "Enabling the XSAVE Feature Set and XSAVE-Enabled Features" */
    static const uint64_t values[] = {
        1,
        3,
        7,
        5,
        0,
        2,
        6,
        4,
        0x1f,
        0x0b,
        0x13,
        0xe7,
        0x67,
        0xe3,
        0xa7,
        0xe5,
        0x207,
        0x200,
        0x60007,
        0x20007,
        0x40007,
        0x103,
        0x8000000000000001,
        0x4000000000000001,
        0x100000001,
        0xff,
        0xffffffffffffffff,
    };
    uint64_t cr4 = read_cr4();

    if (!(cpuid(1, 0).ecx & 1u << 26)) {
        skip("no XSAVE");
        return;
    }
    try_xsetbv(RING0, 0, 1); /* OSXSAVE is clear: #UD */
    try_xsetbv(RING3, 0, 1);
    write_cr4(cr4 | CR4_OSXSAVE);
    for (unsigned i = 0; i < ARRAY_SIZE(values); i++)
        try_xsetbv(RING0, 0, values[i]);
    try_xsetbv(RING0, 0, 3);
    try_xsetbv(RING0, 1, 3);
    try_xsetbv(RING0, 0xffffffff, 3);
    for (enum ring ring = RING0_32; ring < RINGS; ring++) {
        try_xsetbv(ring, 0, 7);
        try_xsetbv(ring, 0, 4);
        try_xsetbv(ring, 1, 7);
    }
    try_xsetbv(RING0, 0, 1);
    write_cr4(cr4);
}
