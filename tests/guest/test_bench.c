/*
 * What round trips cost, in TSC ticks (tests/bench/run makes the table). A round is timed with and without the
 * instruction of interest, and the difference is printed. After the rounds one more runs between two XCHG BX, BX, where
 * tests/bench/trace_exit starts and stops Bochs' debugger. On request only: INVD throws real caches away.
 */
#include "lib/string.h"
#include "tests/guest/report.h"
#include "tests/guest/smp.h"
#include "tests/guest/tests.h"

enum { ROUNDS = 1000, TOUCHES = 200, STARTS = 20, EXECUTIONS = 16, FIRST_CODE = 0x5000000 };
enum { IPI_VECTOR = 0x60, START_PAGE = 0xc000 };

#define MARKER    "xchgw %%bx, %%bx\n\t"
#define NO_MARKER ""
#define NOW       "rdtsc"

/* ESI holds the start; `setup` prepares RAX, RCX, RDX, RDI, R8 or R9; `end` leaves the end's time in EAX. */
#define TIMED(marker, setup, instruction, end)                                                                         \
    ({                                                                                                                 \
        uint32_t ticks;                                                                                                \
        __asm__ volatile("rdtsc\n\tmovl %%eax, %%esi\n\t" setup "\n\t" marker instruction "\n\t" marker end            \
                         "\n\tsubl %%esi, %%eax"                                                                       \
                         : "=&a"(ticks)                                                                                \
                         : [value] "m"(value)                                                                          \
                         : "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "cc", "memory");                             \
        ticks;                                                                                                         \
    })

#define OPERATION(name, setup, instruction, end)                                                                       \
    static uint32_t name##_round(void)                                                                                 \
    {                                                                                                                  \
        return TIMED(NO_MARKER, setup, instruction, end);                                                              \
    }                                                                                                                  \
    static uint32_t name##_empty(void)                                                                                 \
    {                                                                                                                  \
        return TIMED(NO_MARKER, setup, "", NOW);                                                                       \
    }                                                                                                                  \
    static uint32_t name##_marked(void)                                                                                \
    {                                                                                                                  \
        return TIMED(MARKER, setup, instruction, end);                                                                 \
    }

struct operation {
    const char *name;
    uint32_t (*round)(void), (*empty)(void), (*marked)(void);
};
#define ENTRY(name)                                                                                                    \
    {                                                                                                                  \
#name, name##_round, name##_empty, name##_marked                                                               \
    }

static uint64_t value; /* what is written, or the address that is touched */

#define LEAF(number)  "movl $" #number ", %%eax\n\txorl %%ecx, %%ecx"
#define MSR(number)   "movl $" #number ", %%ecx"
#define VALUE(number) MSR(number) "\n\tmovl %[value], %%eax\n\tmovl 4+%[value], %%edx"
#define TPR           "movl $0xfee00080, %%edi\n\txorl %%eax, %%eax"

OPERATION(nothing, "", "", NOW)
OPERATION(cpuid_0, LEAF(0), "cpuid", NOW)
OPERATION(cpuid_1, LEAF(1), "cpuid", NOW)
OPERATION(cpuid_7, LEAF(7), "cpuid", NOW)
OPERATION(cpuid_0x40000000, LEAF(0x40000000), "cpuid", NOW)
OPERATION(rdmsr_feature_control, MSR(0x3a), "rdmsr", NOW)
OPERATION(rdmsr_apic_base, MSR(0x1b), "rdmsr", NOW)
OPERATION(rdmsr_mtrr_def_type, MSR(0x2ff), "rdmsr", NOW)
OPERATION(wrmsr_mtrr_def_type, VALUE(0x2ff), "wrmsr", NOW)
OPERATION(wrmsr_apic_base, VALUE(0x1b), "wrmsr", NOW)
OPERATION(xsetbv, VALUE(0), "xsetbv", NOW)
OPERATION(vmcall_ud, "", "vmcall", NOW)
OPERATION(invd, "", "invd", NOW)
OPERATION(lapic_read, TPR, "movl (%%rdi), %%eax", NOW)
OPERATION(lapic_write, TPR, "movl %%eax, (%%rdi)", NOW)
OPERATION(self_ipi, "movl $0xfee00300, %%edi\n\tmovl $0x44060, %%r8d\n\txorl %%r9d, %%r9d\n\tsti",
          "movl %%r8d, (%%rdi)\n1:\ttestl %%r9d, %%r9d\n\tjz 1b\n\tcli", "movl %%r8d, %%eax")
OPERATION(first_touch, "movq %[value], %%rdi", "movl (%%rdi), %%eax", NOW)

OPERATION(first_execute, "movq %[value], %%rdi", "call *%%rdi", NOW)

/* Handlers as short as they can be. VMCALL has three bytes; the interrupt's time is taken by its handler. */
void bench_ud(void);
void bench_ipi(void);
__asm__("    .text\n"
        "bench_ud:\n"
        "    addq $3, (%rsp)\n"
        "    iretq\n"
        "bench_ipi:\n"
        "    rdtsc\n"
        "    movl %eax, %r8d\n"
        "    movl $0xfee000b0, %ecx\n"
        "    movl $0, (%rcx)\n"
        "    movl $1, %r9d\n"
        "    iretq\n");

/* A started CPU's first instruction reads the TSC. */
extern const uint8_t trap_stubs[256][16];
extern const uint8_t bench_start[], bench_start_end[];
__asm__("    .section .rodata\n"
        "    .code16\n"
        "bench_start:\n"
        "    rdtsc\n"
        "    movl %eax, %cs:bench_stamp - bench_start\n"
        "    incl %cs:bench_count - bench_start\n"
        "1:  hlt\n"
        "    jmp 1b\n"
        "    .balign 4\n"
        "bench_stamp: .long 0\n"
        "bench_count: .long 0\n"
        "bench_start_end:\n"
        "    .code64\n"
        "    .text\n");

struct summary {
    uint32_t least, most, rounds;
    uint64_t sum;
};

static void add(struct summary *s, uint32_t ticks)
{
    if (!s->rounds || ticks < s->least)
        s->least = ticks;
    if (ticks > s->most)
        s->most = ticks;
    s->sum += ticks;
    s->rounds++;
}

/* The loop's own cost is the same in every round, but for what other CPUs' turns in an emulator add to it. */
static void print(const char *name, const struct summary *s, const struct summary *empty)
{
    uint32_t own = empty->rounds ? empty->least : 0;

    differ("measure=%s least=%u average=%u most=%u rounds=%u own=%u", name, s->least - own,
           (uint32_t)(s->sum / s->rounds) - own, s->most - own, s->rounds, own);
}

static void measure(const struct operation *o)
{
    struct summary empty = {0}, all = {0};

    for (unsigned i = 0; i < ROUNDS; i++) {
        add(&empty, o->empty());
        add(&all, o->round());
    }
    print(o->name, &all, &empty);
    o->marked();
}

/* Above RAM and the hole below 4 GiB there is one page of 1 GiB a touch: every one is the first in its GiB. */
static void map_gib(uint64_t *directory_pointers, unsigned gib)
{
    directory_pointers[gib] = (uint64_t)gib << 30 | 0x9b; /* PS, PCD, PWT, R/W, P */
    value = (uint64_t)gib << 30;
}

static void measure_first_touch(void)
{
    extern uint64_t page_tables[];
    const struct operation touch = ENTRY(first_touch);
    struct summary empty = {0}, all = {0};

    if (!(cpuid(0x80000001, 0).edx & 1u << 26)) {
        differ("measure=first_touch skipped: no 1 GiB pages");
        return;
    }
    for (unsigned i = 0; i < TOUCHES; i++) {
        map_gib(page_tables + 512, 8 + i);
        add(&all, touch.round());
        add(&empty, touch.empty());
    }
    print(touch.name, &all, &empty);
    map_gib(page_tables + 512, 8 + TOUCHES);
    touch.marked();
}

/* Every 2 MiB once: with itlb_multihit=on the first execution splits them. */
static void measure_first_execute(void)
{
    const struct operation execute = ENTRY(first_execute);
    struct summary empty = {0}, all = {0};

    for (unsigned i = 0; i < EXECUTIONS; i++) {
        value = FIRST_CODE + ((uint64_t)i << 21);
        *(volatile uint8_t *)at_address(value) = 0xc3; /* ret */
        add(&all, execute.round());
        add(&empty, execute.empty());
    }
    print(execute.name, &all, &empty);
}

struct packed idt_gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
};

static void set_gate(unsigned vector, uint64_t handler)
{
    struct packed {
        uint16_t limit;
        uint64_t base;
    } idt;
    struct idt_gate *gate;

    __asm__ volatile("sidt %0" : "=m"(idt));
    gate = (struct idt_gate *)(uintptr_t)idt.base + vector;
    gate->offset_low = (uint16_t)handler;
    gate->offset_middle = (uint16_t)(handler >> 16);
    gate->offset_high = (uint32_t)(handler >> 32);
}

static void measure_xsetbv(void)
{
    const struct operation operation = ENTRY(xsetbv);
    uint32_t low, high;

    if (!(cpuid(1, 0).ecx & 1u << 26))
        return;
    write_cr4(read_cr4() | CR4_OSXSAVE);
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    value = (uint64_t)high << 32 | low;
    measure(&operation);
    write_cr4(read_cr4() & ~(uint64_t)CR4_OSXSAVE);
}

static void measure_write(const struct operation *operation, uint32_t index)
{
    value = rdmsr(index);
    measure(operation);
}

static void measure_exits(void)
{
    static const struct operation plain[] = {
        ENTRY(nothing),
        ENTRY(cpuid_0),
        ENTRY(cpuid_1),
        ENTRY(cpuid_7),
        ENTRY(cpuid_0x40000000),
        ENTRY(rdmsr_feature_control),
        ENTRY(rdmsr_mtrr_def_type),
        ENTRY(rdmsr_apic_base),
        ENTRY(vmcall_ud),
        ENTRY(invd),
    };
    static const struct operation write_mtrr = ENTRY(wrmsr_mtrr_def_type), write_base = ENTRY(wrmsr_apic_base);

    for (unsigned i = 0; i < ARRAY_SIZE(plain); i++)
        measure(&plain[i]);
    measure_write(&write_mtrr, MSR_MTRR_DEF_TYPE);
    measure_write(&write_base, MSR_APIC_BASE);
    measure_xsetbv();
    measure_first_touch();
    measure_first_execute();
}

static void measure_apic(void)
{
    static const struct operation operations[] = {ENTRY(lapic_read), ENTRY(lapic_write), ENTRY(self_ipi)};

    for (unsigned i = 0; i < ARRAY_SIZE(operations); i++)
        measure(&operations[i]);
}

static void mark(bool wanted)
{
    if (wanted)
        __asm__ volatile(MARKER ::: "memory");
}

/* INIT, a pause, then from the start-up IPI's store to the CPU's first instruction. False if it doesn't come. */
static bool start_once(struct summary *all, bool marked)
{
    const size_t size = (size_t)(bench_start_end - bench_start);
    volatile uint32_t *stamp = at_address(START_PAGE + size - 8), *count = stamp + 1;
    uint32_t before, start, spins = 0;

    memcpy(at_address(START_PAGE), bench_start, size);
    before = *count;
    apic_send(cpu_at(1)->apic_id, ICR_INIT);
    delay_us(1000);
    mark(marked);
    start = (uint32_t)rdtsc();
    apic_send(cpu_at(1)->apic_id, ICR_STARTUP | START_PAGE >> 12);
    while (*count == before && spins++ < 10000)
        pause();
    mark(marked);
    delay_us(1000);
    add(all, *stamp - start);
    return *count == before + 1;
}

static void measure_starts(const char *name, unsigned rounds)
{
    struct summary all = {0}, none = {0};

    for (unsigned i = 0; i < rounds; i++) {
        if (!start_once(&all, i == 0)) {
            differ("failed=%s in round %u", name, i);
            return;
        }
    }
    print(name, &all, &none);
}

/* One CPU: exits. More: the local APIC before another CPU has been started, the start, the local APIC after. */
void test_bench(void)
{
    set_gate(VECTOR_UD, (uintptr_t)bench_ud);
    set_gate(IPI_VECTOR, (uintptr_t)bench_ipi);
    if (cpu_count == 1)
        measure_exits();
    measure_apic();
    if (cpu_count > 1) {
        measure_starts("first_sipi", 1);
        differ("from here on cpu1 has been started");
        measure_apic();
        measure_starts("sipi", STARTS);
    }
    set_gate(VECTOR_UD, (uintptr_t)trap_stubs[VECTOR_UD]);
    set_gate(IPI_VECTOR, (uintptr_t)trap_stubs[IPI_VECTOR]);
}
