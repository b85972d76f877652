/*
 * Memory that Plinth watches (option watch=, see tests/boot/test_guest.py for the ranges): the guest notices nothing
 * but exits, and a right that is withdrawn while another CPU uses it is gone when the withdrawal is over (row 28). On
 * request only.
 */
#include "lib/string.h"
#include "tests/guest/report.h"
#include "tests/guest/smp.h"
#include "tests/guest/tests.h"

/* WRITTEN: the first 16 bytes may not be written. EXECUTED: not executed. HOT: not written, and pauses. TRIGGER: not
 * written. UNREADABLE: nothing at all. */
enum {
    WRITTEN = 0x5200000,
    EXECUTED = 0x5202000,
    HOT = 0x5204000,
    TRIGGER = 0x5205000,
    UNREADABLE = 0x5206000,
};
enum { SOFTWARE_VECTOR = 0x81, UNWATCHED_STACK = 0x5208000 };
enum { VIOLATIONS = 0x40010000 + 48, HOT_TURNS = 100000, ROUNDS = 3 };

typedef unsigned long long ull;

static uint32_t violations(const struct cpu *cpu)
{
    return under_plinth() ? cpuid(VIOLATIONS, cpu->index).eax : 0;
}

static volatile uint64_t *word(uint64_t address)
{
    return at_address(address);
}

/* Reading it costs nothing, writing it one exit and the step's. */
static void written(void)
{
    uint32_t before = violations(this_cpu()), after;

    for (unsigned i = 0; i < 4; i++)
        word(WRITTEN)[i] = 0x1111 * i;
    after = violations(this_cpu());
    for (unsigned i = 0; i < 4; i++)
        observe("written %u: %llx", i, (ull)word(WRITTEN)[i]);
    differ("violations: %u for 4 writes, %u for 4 reads", after - before, violations(this_cpu()) - after);
    check(!under_plinth() || after - before == 4, "%u violations for 4 writes", after - before);
    check(violations(this_cpu()) == after, "%u violations for 4 reads", violations(this_cpu()) - after);
}

/* What a read-modify-write, a string instruction and an unaligned access leave behind. */
static void every_access(uint64_t address)
{
    static const struct {
        const char *name;
        uint8_t size, code[8];
    } accesses[] = {
        {"mov (rbx), rax", 3, {0x48, 0x89, 0x03}},
        {"xchg eax, (rbx)", 2, {0x87, 0x03}},
        {"lock xadd eax, (rbx)", 4, {0xf0, 0x0f, 0xc1, 0x03}},
        {"rep stosb", 2, {0xf3, 0xaa}},
        {"rep movsq", 3, {0xf3, 0x48, 0xa5}},
        {"push (rbx)", 2, {0xff, 0x33}},
        {"mov eax, (rbx)", 2, {0x8b, 0x03}},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(accesses); i++) {
        struct exec exec;

        *word(address) = 0x0123456789abcdef;
        exec_prepare(&exec, i & 1 ? RING3 : RING0, accesses[i].code, accesses[i].size);
        exec.frame.rbx = exec.frame.rdi = address;
        exec.frame.rsi = address + 64;
        exec.frame.rax = 0x1122334455667788;
        exec.frame.rcx = 4;
        exec_run(&exec);
        observe("%s at +%llx: %s rax %llx rcx %llx, now %llx", accesses[i].name, (ull)(address & 0xffff),
                exec_outcome(&exec).text, (ull)exec.frame.rax, (ull)exec.frame.rcx, (ull)*word(address));
    }
}

/* Runs code that lies in a page that may not be executed, from a call and back. */
static uint64_t run_inside(uint64_t at, const uint8_t *code, size_t size)
{
    uint64_t (*function)(void) = (uint64_t(*)(void))at;

    memcpy(at_address(at), code, size);
    return function();
}

static void executed(void)
{
    /* 20 times nop; pushf; pop rax; ret */
    static const uint8_t nops[] = {[0 ... 19] = 0x90, 0x9c, 0x58, 0xc3};
    /* sti; nop; pushf; pop rax; cli; ret */
    static const uint8_t interrupts_on[] = {0xfb, 0x90, 0x9c, 0x58, 0xfa, 0xc3};
    /* xor eax, eax; push rbx; cpuid; pop rbx; mov eax, 5; ret */
    static const uint8_t leaf[] = {0x31, 0xc0, 0x53, 0x0f, 0xa2, 0x5b, 0xb8, 5, 0, 0, 0, 0xc3};
    /* mov eax, 7; ret */
    static const uint8_t seven[] = {0xb8, 7, 0, 0, 0, 0xc3};
    uint32_t before = violations(this_cpu()), after;

    observe("flags inside: %llx", (ull)run_inside(EXECUTED, nops, sizeof(nops)) & 0x300);
    after = violations(this_cpu());
    differ("violations: %u for 23 instructions", after - before);
    check(!under_plinth() || (after - before > 0 && after - before < 5), "%u violations for one call", after - before);
    observe("sti inside: %llx", (ull)run_inside(EXECUTED, interrupts_on, sizeof(interrupts_on)) & 0x300);
    observe("cpuid inside: %llx", (ull)run_inside(EXECUTED, leaf, sizeof(leaf)));
    for (unsigned i = 0; i < sizeof(seven); i++) {
        observe("into the page at %u: %llx", i, (ull)run_inside(EXECUTED - i, seven, sizeof(seven)));
        observe("out of the page at %u: %llx", i, (ull)run_inside(EXECUTED + 4096 - i, seven, sizeof(seven)));
    }
}

/* A page of which all is watched may still be a stack, a page table, code and data at once. */
static void unreadable(void)
{
    extern uint64_t page_tables[];
    static const uint8_t push_pop[] = {0x50, 0x59}, copy[] = {0x48, 0xa5, 0xc3}; /* push rax, pop rcx; movsq, ret */
    struct exec exec;

    exec_prepare(&exec, RING0, push_pop, sizeof(push_pop));
    exec.frame.rsp = UNREADABLE + 64;
    exec.frame.rax = 0x77;
    exec_run(&exec);
    observe("stack inside: %s rcx %llx", exec_outcome(&exec).text, (ull)exec.frame.rcx);
    memcpy(at_address(UNREADABLE), copy, sizeof(copy));
    *word(UNREADABLE + 128) = 0xabcd;
    __asm__ volatile("call *%%rax"
                     :
                     : "a"((uint64_t)UNREADABLE), "S"((uint64_t)UNREADABLE + 128), "D"((uint64_t)WRITTEN)
                     : "memory");
    observe("copied by code inside: %llx", (ull)*word(WRITTEN));
    memset(at_address(UNREADABLE), 0, 4096);
    word(UNREADABLE)[0] = 0x83; /* the first GiB */
    page_tables[1] = UNREADABLE | 7;
    observe("through a table inside: %llx", (ull)*word(((uint64_t)512 << 30) + WRITTEN));
    observe("its accessed bits: %llx %llx", (ull)page_tables[1], (ull)word(UNREADABLE)[0]);
    page_tables[1] = 0;
    write_cr3(read_cr3());
}

/* Under the guest's own breakpoint and single step a watched access ends in the #DB that it ends in anywhere. */
static void debugged(void)
{
    static const uint8_t store[] = {0x48, 0x89, 0x03, 0x90}; /* mov rax, (rbx); nop */
    struct exec exec;

    for (unsigned i = 0; i < 4; i++) {
        exec_prepare(&exec, RING0, store, sizeof(store));
        exec.frame.rbx = WRITTEN;
        exec.frame.rflags |= i & 1 ? (uint64_t)RFLAGS_TF : 0;
        write_dr6(0xffff0ff0);
        write_dr1(WRITTEN);
        write_dr7(i & 2 ? 0x900408 : 0x900400); /* G1 or not; 4 bytes, written */
        exec_run(&exec);
        write_dr7(0x400);
        observe("breakpoint %u, TF %u: %s dr6 %llx", i >> 1, i & 1, exec_outcome(&exec).text, (ull)read_dr6());
    }
}

/* PUSHF to a watched stack stores the flags as they are. */
static void pushed_flags(void)
{
    static const struct {
        uint8_t size, code[3];
        enum ring ring;
    } forms[] = {{2, {0x9c, 0x90}, RING0},
                 {3, {0x66, 0x48, 0x9c}, RING0},
                 {2, {0x66, 0x9c}, RING0_32},
                 {1, {0x9c}, RING3},
                 {1, {0x9c}, RING3_32}};

    for (unsigned i = 0; i < 4 * ARRAY_SIZE(forms); i++) {
        uint64_t flags = (i & 1 ? RFLAGS_TF : 0) | (i & 2 ? RFLAGS_IF : 0);
        struct exec exec;

        exec_prepare(&exec, forms[i / 4].ring, forms[i / 4].code, forms[i / 4].size);
        exec.frame.rsp = WRITTEN + 16;
        exec.frame.rflags |= flags;
        memset(at_address(WRITTEN), 0, 16);
        exec_run(&exec);
        observe("pushf %u, flags %llx: %s rsp -%llx, %llx %llx", i / 4, (ull)flags, exec_outcome(&exec).text,
                (ull)(WRITTEN + 16 - exec.frame.rsp), (ull)word(WRITTEN)[0], (ull)word(WRITTEN)[1]);
    }
}

/* Instructions that change TF and IF or save them, over the end of the watched page; INT3 behind them. Not with TF: the
 * emulator saves a single step as pending when the first fetch after an IRET that sets TF faults, so that the next
 * entry delivers it before the instruction, in a page that nothing is stepped in as well. */
static void straddling_flags(void)
{
    static const struct {
        const char *name;
        uint8_t code[3];
    } forms[] = {{"cli", {0x2e, 0xfa, 0xcc}},
                 {"sti", {0x2e, 0xfb, 0xcc}},
                 {"int", {0xcd, SOFTWARE_VECTOR, 0xcc}},
                 {"pushf", {0x2e, 0x9c, 0xcc}}};

    for (unsigned i = 0; i < 2 * ARRAY_SIZE(forms); i++) {
        uint64_t flags = i & 1 ? RFLAGS_IF : 0;
        uint32_t taken = this_cpu()->interrupts[SOFTWARE_VECTOR];
        struct exec exec;

        exec_prepare(&exec, RING0, forms[i / 2].code, sizeof(forms[i / 2].code));
        exec.code = exec.frame.rip = EXECUTED + 4095;
        memcpy(at_address(exec.code), forms[i / 2].code, sizeof(forms[i / 2].code));
        exec.frame.rsp = UNWATCHED_STACK;
        exec.frame.rflags |= flags;
        exec_run(&exec);
        observe("%s out of the page, flags %llx: %s, flags %llx, %u taken, pushed %llx", forms[i / 2].name, (ull)flags,
                exec_outcome(&exec).text, (ull)(exec.frame.rflags & (RFLAGS_TF | RFLAGS_IF)),
                this_cpu()->interrupts[SOFTWARE_VECTOR] - taken, (ull)*word(UNWATCHED_STACK - 8) & 0x300);
    }
}

/* Instructions that raise an exception of their own, whose last byte lies outside of the page that is watched. */
static void straddling(void)
{
    static const struct {
        const char *name;
        uint8_t code[2];
    } forms[] = {{"int3", {0x2e, 0xcc}}, {"int1", {0x2e, 0xf1}}, {"ud0", {0x0f, 0xff}}, {"into", {0x2e, 0xce}}};
    struct exec exec;

    for (unsigned i = 0; i < ARRAY_SIZE(forms); i++) {
        exec_prepare(&exec, RING0, forms[i].code, sizeof(forms[i].code));
        exec.code = exec.frame.rip = EXECUTED + 4095;
        exec.size = 0;
        memcpy(at_address(exec.code), forms[i].code, sizeof(forms[i].code));
        write_dr6(0xffff0ff0);
        exec_run(&exec);
        observe("%s out of the page: %s at +%llx dr6 %llx", forms[i].name, exec_outcome(&exec).text,
                (ull)(exec.frame.rip - exec.code), (ull)read_dr6());
    }
}

static volatile uint64_t turns;
static volatile bool enough;

static void write_on(void *unused)
{
    (void)unused;
    while (!enough) {
        *word(HOT) = turns;
        turns++;
    }
}

static bool wait_turns(uint64_t count)
{
    uint64_t target = turns + count;

    for (unsigned ms = 0; turns < target && ms < 5000; ms++)
        delay_us(1000);
    return turns >= target;
}

/*
 * The other CPU writes to a page without a pause. Watched, it exits each time, until the watch pauses; then it runs
 * with the right in its TLB. The write to TRIGGER, a second later, ends the pause, and returns when that is so on all
 * CPUs: from then on no write may go unseen.
 */
static void withdrawn(void)
{
    struct cpu *other = cpu_at(1);
    uint32_t before, paused[ROUNDS], at_once[ROUNDS], later[ROUNDS];

    enough = false;
    other->job_argument = NULL;
    other->job = write_on;
    check(wait_turns(HOT_TURNS), "the other cpu doesn't get on: %llu turns", (ull)turns);
    for (unsigned round = 0; round < ROUNDS; round++) {
        before = violations(other);
        check(wait_turns(1000), "the other cpu hangs");
        paused[round] = violations(other) - before;
        delay_us(1100000);
        before = violations(other);
        *word(TRIGGER) = round;
        at_once[round] = violations(other) - before;
        check(wait_turns(2), "the other cpu hangs");
        later[round] = violations(other) - before;
        check(wait_turns(1000), "the other cpu hangs");
    }
    enough = true;
    while (other->job)
        pause();
    for (unsigned round = 0; round < ROUNDS; round++) { /* not before: the other CPU's reports come on the same line */
        differ("round %u: violations in a pause %u, right after it %u, two turns later %u", round, paused[round],
               at_once[round], later[round]);
        check(!paused[round], "round %u: the watch doesn't pause", round);
        check(!under_plinth() || later[round], "round %u: writes to a watched page go unseen", round);
    }
    observe("the last value is the last written: %u", *word(HOT) == turns - 1);
}

void test_watch(void)
{
    written();
    every_access(WRITTEN);
    every_access(WRITTEN + 13); /* and a part of it in the range */
    every_access(WRITTEN + 4096 - 4);
    every_access(UNREADABLE);
    every_access(UNREADABLE + 4096 - 4);
    debugged();
    executed();
    pushed_flags();
    straddling();
    straddling_flags();
    unreadable();
    if (cpu_count > 1 && (cpu_at(1)->starts || smp_start(cpu_at(1))))
        withdrawn();
}
