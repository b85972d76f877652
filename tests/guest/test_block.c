/*
 * Plinth's block, given as block=START-END, probed from every angle: an empty bus, and nothing else breaks (rows 11,
 * 12, 13, 15). On request only. The bare machine's counterpart is a range right above its RAM.
 */
#include "lib/string.h"
#include "tests/guest/legacy.h"
#include "tests/guest/report.h"
#include "tests/guest/smp.h"
#include "tests/guest/tests.h"

typedef unsigned long long ull;

void exec_enter(const struct frame *frame, void **host_stack);

static struct range block;

static const struct access {
    const char *name;
    uint8_t size, bytes, code[8];
    bool writes;
} accesses[] = {
    {"mov al, (rbx)", 2, 1, {0x8a, 0x03}, false},
    {"mov ax, (rbx)", 3, 2, {0x66, 0x8b, 0x03}, false},
    {"mov eax, (rbx)", 2, 4, {0x8b, 0x03}, false},
    {"mov rax, (rbx)", 3, 8, {0x48, 0x8b, 0x03}, false},
    {"xchg eax, (rbx)", 2, 4, {0x87, 0x03}, true},
    {"lock xadd eax, (rbx)", 4, 4, {0xf0, 0x0f, 0xc1, 0x03}, true},
    {"mov (rbx), al", 2, 1, {0x88, 0x03}, true},
    {"mov (rbx), rax", 3, 8, {0x48, 0x89, 0x03}, true},
    {"movnti (rbx), eax", 3, 4, {0x0f, 0xc3, 0x03}, true},
    {"rep stosb", 2, 1, {0xf3, 0xaa}, true},
    {"rep movsq", 3, 8, {0xf3, 0x48, 0xa5}, true},
    {"rep lodsq", 3, 8, {0xf3, 0x48, 0xad}, false},
    {"bts rax, (rbx)", 4, 8, {0x48, 0x0f, 0xab, 0x03}, true},
    {"fxsave (rbx)", 3, 16, {0x0f, 0xae, 0x03}, true},
    {"movups xmm0, (rbx)", 3, 16, {0x0f, 0x10, 0x03}, false},
    {"movups (rbx), xmm0", 3, 16, {0x0f, 0x11, 0x03}, true},
    {"sgdt (rbx)", 3, 10, {0x0f, 0x01, 0x03}, true},
    {"clflush (rbx)", 3, 1, {0x0f, 0xae, 0x3b}, false},
    {"prefetcht0 (rbx)", 3, 1, {0x0f, 0x18, 0x0b}, false},
    {"push (rbx)", 2, 8, {0xff, 0x33}, false},
    {"pop (rbx)", 2, 8, {0x8f, 0x03}, true},
    {"call (rbx)", 2, 8, {0xff, 0x13}, false},
};

static struct exec *run_access(struct exec *exec, enum ring ring, const struct access *access, uint64_t address)
{
    static uint8_t elsewhere[64];

    exec_prepare(exec, ring, access->code, access->size);
    exec->frame.rbx = exec->frame.rdi = exec->frame.rsi = address;
    exec->frame.rax = 0x1122334455667788;
    exec->frame.rcx = 4;
    if (access->name[4] == 'm') /* rep movs: from ordinary memory */
        exec->frame.rsi = (uintptr_t)elsewhere;
    exec_run(exec);
    return exec;
}

static uint64_t read64(uint64_t address)
{
    return *(volatile uint64_t *)address;
}

static void probe(uint64_t address)
{
    for (unsigned ring = RING0; ring <= RING3; ring += RING3)
        for (unsigned i = 0; i < ARRAY_SIZE(accesses); i++) {
            struct exec exec;

            run_access(&exec, ring, &accesses[i], address);
            observe("+%llx %s %s: %s rax %llx", (ull)(address - block.start), ring_names[ring], accesses[i].name,
                    exec_outcome(&exec).text, (ull)exec.frame.rax);
            if (i < 4)
                check(exec.frame.vector == VECTOR_BP &&
                          (exec.frame.rax & (UINT64_MAX >> (64 - 8 * accesses[i].bytes))) ==
                              UINT64_MAX >> (64 - 8 * accesses[i].bytes),
                      "%s at %llx: %s, rax %llx instead of all-ones", accesses[i].name, (ull)address,
                      exec_outcome(&exec).text, (ull)exec.frame.rax);
            if (accesses[i].writes)
                check(read64(address & ~(uint64_t)7) == UINT64_MAX, "%s at %llx was not dropped", accesses[i].name,
                      (ull)address);
        }
}

/* Half in the block, half in the RAM before it. */
static void straddle(void)
{
    volatile uint32_t *before = (volatile uint32_t *)(block.start - 4);
    uint32_t kept = *before;
    struct exec exec;

    *before = 0x12345678;
    run_access(&exec, RING0, &accesses[3], block.start - 4);
    observe("straddling read: %s rax %llx", exec_outcome(&exec).text, (ull)exec.frame.rax);
    check(exec.frame.rax == 0xffffffff12345678, "straddling read: rax %llx", (ull)exec.frame.rax);
    run_access(&exec, RING0, &accesses[7], block.start - 4);
    observe("straddling write: %s, the RAM is %x now", exec_outcome(&exec).text, *before);
    check(*before == 0x55667788 || *before == 0x12345678, "straddling write leaves %x in RAM", *before);
    *before = kept;
}

static void execute(uint64_t address)
{
    static const uint8_t jump[] = {0xff, 0xe3}; /* jmp *%rbx */

    for (unsigned ring = RING0; ring <= RING3; ring += RING3) {
        struct exec exec;

        exec_prepare(&exec, ring, jump, sizeof(jump));
        exec.frame.rbx = address;
        exec_run(&exec);
        observe("%s execute +%llx: vector %llu at +%llx", ring_names[ring], (ull)(address - block.start),
                (ull)exec.frame.vector, (ull)(exec.frame.rip - address));
        check(exec.frame.rip == address && exec.frame.vector == VECTOR_UD,
              "execute %llx: %s; an empty bus reads FF FF, which is #UD there", (ull)address, exec_outcome(&exec).text);
    }
}

/* A page-directory-pointer table in the block: all-ones entries have reserved bits set. */
static void walk_through(void)
{
    extern uint64_t page_tables[];
    struct exec exec;

    page_tables[1] = block.start | 7;
    run_access(&exec, RING0, &accesses[3], (uint64_t)512 << 30);
    observe("page walk through the block: %s cr2 %llx", exec_outcome(&exec).text, (ull)exec.cr2);
    check(exec.frame.vector == VECTOR_PF && exec.cr2 == (uint64_t)512 << 30, "page walk through the block: %s",
          exec_outcome(&exec).text);
    page_tables[1] = 0;
    write_cr3(read_cr3());
}

/*
 * CR3 in the block: with PAE paging MOV to CR3 reads the PDPTEs, which are all-ones there (26.3.1.6). Outside of long
 * mode a page table of all-ones is a good one: it leads to the last page below 4 GiB, the firmware's, with accessed and
 * dirty set everywhere, so that nothing is ever written to it.
 */
static void tables_inside(void)
{
    static const uint8_t load_cr3[] = {0x0f, 0x22, 0xd8};
    static const uint8_t through[] = {0x8b, 0x06, 0x89, 0x06,
                                      0x8b, 0x1e}; /* mov eax, (esi); mov (esi), eax; mov ebx,
                                                      (esi) */
    enum { WINDOW = 0xf8000000, PLACE = 0xff0, LAST_PAGE = 0xfffff000 };
    struct legacy legacy;
    uint32_t *directory, kept;

    legacy_prepare(&legacy, LEGACY_PAE, load_cr3, sizeof(load_cr3));
    legacy.frame.eax = (uint32_t)block.start;
    legacy_run(&legacy);
    observe("PDPTEs in the block: %s", legacy_outcome(&legacy).text);
    check(legacy.frame.vector == VECTOR_GP, "PDPTEs in the block: %s", legacy_outcome(&legacy).text);
    legacy_prepare(&legacy, LEGACY_PAGED, through, sizeof(through));
    directory = at_address(legacy.cr3);
    kept = directory[(uint32_t)WINDOW >> 22];
    directory[(uint32_t)WINDOW >> 22] = (uint32_t)block.start | 7;
    legacy.frame.esi = (uint32_t)WINDOW + PLACE;
    legacy_run(&legacy);
    observe("a page table in the block: %s eax %x ebx %x", legacy_outcome(&legacy).text, legacy.frame.eax,
            legacy.frame.ebx);
    check(legacy.frame.ebx == *(volatile uint32_t *)at_address((uint32_t)LAST_PAGE + PLACE),
          "a page table in the block leads to %x", legacy.frame.ebx);
    directory[(uint32_t)WINDOW >> 22] = kept;
}

/* Exception delivery whose stack lies in the block: pushes are dropped, so only the road there is looked at. */
static void stack_inside(void)
{
    static const uint8_t push_pop[] = {0x50, 0x59}; /* push %rax; pop %rcx */
    struct exec exec;

    exec_prepare(&exec, RING0, push_pop, sizeof(push_pop));
    exec.frame.rsp = block.start + 64;
    exec.frame.rax = 1;
    exec_run(&exec);
    observe("push and pop in the block: %s rcx %llx", exec_outcome(&exec).text, (ull)exec.frame.rcx);
}

/*
 * Events whose frame is pushed into the block: the EPT violation comes in the middle of the delivery, which must be
 * completed once, its pushes lost (row 12).
 */
static void deliver(const char *name, uint8_t vector, const uint8_t *code, size_t size)
{
    struct cpu *cpu = this_cpu();
    uint32_t before = lost_stack_hits;
    struct exec exec;

    cpu_lose_stack(vector, block.start + 4096);
    exec_prepare(&exec, RING0, code, size);
    exec.frame.rbx = 0xfee00300; /* ICR */
    *(volatile uint32_t *)at_address(0xfee00310) = cpu->apic_id << 24;
    exec.frame.rax = vector == VECTOR_NMI ? (uint64_t)ICR_NMI : (uint64_t)ICR_FIXED | vector;
    cpu->exec = NULL; /* another exception is an error */
    exec_enter(&exec.frame, &lost_stack_host);
    if (vector == VECTOR_NMI)
        unblock_nmis();
    if (vector >= 32)
        apic_end_of_interrupt();
    cpu_keep_stack(vector);
    observe("%s with its stack in the block: %u delivered", name, lost_stack_hits - before);
    check(lost_stack_hits == before + 1, "%s with its stack in the block: %u delivered", name,
          lost_stack_hits - before);
}

static void stack_of_events_inside(void)
{
    static const uint8_t ud2[] = {0x0f, 0x0b}, int6[] = {0xcd, 0x06}, int60[] = {0xcd, 0x60}, divide[] = {0xf7, 0xf1};
    static const uint8_t load[] = {0x48, 0xb8, 0, 0, 0, 0, 0, 1, 0, 0, 0x8a, 0x00};
    static const uint8_t send[] = {0x89, 0x03, 0xfb, 0x90, 0x90, 0x90, 0xeb, 0xfe}; /* mov, sti, nop..., jmp here */
    static const uint8_t icebp[] = {0xf1}, vmcall[] = {0x0f, 0x01, 0xc1};

    for (unsigned i = 0; i < 3; i++) {
        deliver("ud2", VECTOR_UD, ud2, sizeof(ud2));
        deliver("vmcall", VECTOR_UD, vmcall, sizeof(vmcall));
        deliver("int 6", VECTOR_UD, int6, sizeof(int6));
        deliver("int 60", 0x60, int60, sizeof(int60));
        deliver("div", VECTOR_DE, divide, sizeof(divide));
        deliver("icebp", VECTOR_DB, icebp, sizeof(icebp));
        deliver("page fault", VECTOR_PF, load, sizeof(load));
        deliver("NMI", VECTOR_NMI, send, sizeof(send));
        deliver("interrupt", 0x61, send, sizeof(send));
    }
}

static void apic_base_onto_block(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE);

    differ("apic base onto the block: %s", wrmsr_outcome(MSR_APIC_BASE, block.start | (base & 0xfff)).text);
    check(rdmsr(MSR_APIC_BASE) == base, "the LAPIC moved onto the block");
    wrmsr_safe(MSR_APIC_BASE, base);
}

struct hammering {
    uint64_t wrong;
};

static void hammer(void *argument)
{
    struct hammering *hammering = argument;

    for (unsigned i = 0; i < 200; i++) {
        uint64_t address = block.start + (i * 4099 * 8) % (range_size(block) - 8);
        *(volatile uint32_t *)address = i;
        hammering->wrong += *(volatile uint32_t *)address != UINT32_MAX;
    }
}

static void from_all_cpus(void)
{
    static struct hammering results[CPUS_MAX];

    for (unsigned i = 1; i < cpu_count; i++)
        if (cpu_at(i)->starts || smp_start(cpu_at(i))) {
            cpu_at(i)->job_argument = &results[i];
            cpu_at(i)->job = hammer;
        }
    hammer(&results[0]);
    for (unsigned i = 0; i < cpu_count; i++) {
        while (cpu_at(i)->job)
            pause();
        check(!results[i].wrong, "cpu%u: %llu reads were not all-ones", i, (ull)results[i].wrong);
    }
}

void test_block(void)
{
    block = guest_options.block;
    if (block.end <= block.start) {
        skip("no block=START-END");
        return;
    }
    probe(block.start);
    probe(block.start + 0x100008);
    probe(block.end - 64);
    straddle();
    execute(block.start);
    execute(block.start + 0x12345);
    walk_through();
    tables_inside();
    stack_inside();
    stack_of_events_inside();
    if (under_plinth())
        apic_base_onto_block();
    from_all_cpus();
    differ("still here: leaf 0 eax %x", cpuid(0, 0).eax);
}

/* The last thing that a guest does: no IDT, and an exception. What then happens is seen from outside. */
/* A second CPU that can be seen to run: a dot now and then, straight to COM1. */
static void print_dots(void *unused)
{
    (void)unused;
    for (;;) {
        delay_us(5000);
        out8(0x3f8, '.');
    }
}

void test_triple(void)
{
    static const struct packed {
        uint16_t limit;
        uint64_t base;
    } none = {0, 0};

    if (cpu_count > 1 && cpu_at(1)->starts) {
        cpu_at(1)->job = print_dots;
        delay_us(50000);
    }
    observe("triple fault now");
    __asm__ volatile("lidt %0; ud2" : : "m"(none));
}
