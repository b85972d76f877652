/* NMIs and interrupts: exactly once, in order, blocked when they must be (rows 12, 24, 53). */
#include "tests/guest/report.h"
#include "tests/guest/smp.h"
#include "tests/guest/tests.h"

static void settle(void)
{
    for (unsigned i = 0; i < 100; i++) {
        cpuid(0, 0);
        pause();
    }
}

static void self_nmi(void)
{
    struct cpu *cpu = this_cpu();
    uint32_t before = cpu->nmis;

    for (unsigned i = 0; i < 10; i++) {
        apic_send(cpu->apic_id, ICR_NMI);
        settle();
    }
    observe("ten NMIs to self: %u", cpu->nmis - before);
    check(cpu->nmis - before == 10, "%u of ten NMIs to self were taken", cpu->nmis - before);
}

static struct {
    unsigned depth, deepest, left, order[8], taken;
} nmi_state;

/* Sends two more from inside the handler: both blocked until IRET, and only one can be held. */
static void nmi_again(void)
{
    struct cpu *cpu = this_cpu();

    if (++nmi_state.depth > nmi_state.deepest)
        nmi_state.deepest = nmi_state.depth;
    if (nmi_state.left) {
        nmi_state.left--;
        apic_send(cpu->apic_id, ICR_NMI);
        apic_send(cpu->apic_id, ICR_NMI);
        settle(); /* with exits while NMIs are blocked */
    }
    nmi_state.depth--;
}

static void blocked_nmi(void)
{
    struct cpu *cpu = this_cpu();
    uint32_t before = cpu->nmis;

    nmi_state.depth = nmi_state.deepest = 0;
    nmi_state.left = 3;
    cpu->nmi_hook = nmi_again;
    apic_send(cpu->apic_id, ICR_NMI);
    settle();
    cpu->nmi_hook = NULL;
    observe("NMIs sent inside the handler: %u taken, nested %u", cpu->nmis - before, nmi_state.deepest);
    check(nmi_state.deepest == 1, "an NMI was taken inside the NMI handler");
    check(cpu->nmis - before == 4, "%u NMIs instead of 4: the held one was lost or doubled", cpu->nmis - before);
}

struct ping {
    struct cpu *target;
    uint32_t command;
    uint32_t taken, lost, doubled;
    volatile uint32_t answered, finished;
};

static volatile uint32_t *ping_counter(const struct ping *ping)
{
    return ping->command == ICR_NMI ? &ping->target->nmis : &ping->target->interrupts[ping->command & 0xff];
}

/* One at a time, each after the last was seen: none may be lost, wherever the target is. */
static void ping_target(void *argument)
{
    struct ping *ping = argument;
    volatile uint32_t *seen = ping_counter(ping);
    uint32_t first = *seen;

    for (unsigned i = 0; i < 200; i++) {
        uint32_t before = *seen;
        unsigned spins = 0;

        apic_send(ping->target->apic_id, ping->command);
        while (*seen == before && spins++ < 200000)
            pause();
        ping->lost += *seen == before;
        if (*seen > before + 1)
            ping->doubled = i + 1;
    }
    ping->taken = *seen - first;
    ping->answered = 1;
    while (!ping->finished) { /* it may have halted after its last look */
        apic_send(ping->target->apic_id, ping->command);
        for (unsigned spins = 0; spins < 10000 && !ping->finished; spins++)
            pause();
    }
}

static void wait_running(const struct ping *ping)
{
    while (!ping->answered)
        pause();
}

static void wait_halted_for_nmi(const struct ping *ping)
{
    while (!ping->answered)
        __asm__ volatile("hlt" : : : "memory");
}

static void start_job(struct cpu *cpu, job_t *job, void *argument)
{
    cpu->job_argument = argument;
    cpu->job = job;
}

static void wait_with_exits(const struct ping *ping)
{
    while (!ping->answered)
        cpuid(0, 0);
}

static void wait_halted(const struct ping *ping)
{
    while (!ping->answered)
        __asm__ volatile("sti; hlt; cli" : : : "memory");
}

static void from_other(struct cpu *other, const char *name, uint32_t command, void (*wait)(const struct ping *))
{
    struct cpu *cpu = this_cpu();
    struct ping ping = {.target = cpu, .command = command};

    start_job(other, ping_target, &ping);
    if (command != ICR_NMI)
        __asm__ volatile("sti");
    wait(&ping);
    ping.finished = 1;
    while (other->job)
        pause();
    __asm__ volatile("sti"); /* for the last of the wake-up calls */
    settle();
    __asm__ volatile("cli");
    observe("%s from cpu%u: %u taken, %u lost", name, other->index, ping.taken, ping.lost);
    check(ping.taken == 200 && !ping.lost, "%s from cpu%u: %u taken, %u lost, doubled at %u of 200", name, other->index,
          ping.taken, ping.lost, ping.doubled);
}

static void self_interrupts(void)
{
    struct cpu *cpu = this_cpu();

    apic_send_self(0x40);
    apic_send_self(0x51);
    apic_send_self(0x40);
    settle();
    observe("held while IF is clear: %u %u", cpu->interrupts[0x40], cpu->interrupts[0x51]);
    __asm__ volatile("sti; nop; nop; cli");
    observe("after STI: %u %u", cpu->interrupts[0x40], cpu->interrupts[0x51]);
    check(cpu->interrupts[0x40] == 1 && cpu->interrupts[0x51] == 1, "interrupts to self were lost or doubled");
    for (unsigned i = 0; i < 100; i++) {
        __asm__ volatile("sti");
        apic_send_self(0x40);
        cpuid(0, 0);
        __asm__ volatile("cli");
    }
    observe("a hundred more: %u", cpu->interrupts[0x40] - 1);
    check(cpu->interrupts[0x40] == 101, "%u of a hundred interrupts to self", cpu->interrupts[0x40] - 1);
}

/* An interrupt may come only after the instruction that follows STI, whether that exits or not. */
static void shadows(void)
{
    static const uint8_t sti_cpuid[] = {0xfb, 0x0f, 0xa2, 0x90, 0xfa};
    static const uint8_t sti_cli[] = {0xfb, 0xfa, 0x90};
    static const uint8_t sti_mov_ss[] = {0xfb, 0x8e, 0xd3, 0x0f, 0xa2, 0x90, 0xfa};
    static const struct {
        const char *name;
        const uint8_t *code;
        size_t size;
    } cases[] = {
        {"sti cpuid", sti_cpuid, sizeof(sti_cpuid)},
        {"sti cli", sti_cli, sizeof(sti_cli)},
        {"sti mov-ss", sti_mov_ss, sizeof(sti_mov_ss)},
    };
    struct cpu *cpu = this_cpu();

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        uint32_t before = cpu->interrupts[0x42];
        struct exec exec;

        apic_send_self(0x42);
        exec_prepare(&exec, RING0, cases[i].code, cases[i].size);
        exec.frame.rbx = SELECTOR_DATA;
        cpu->last_interrupt_rip = 0;
        exec_run(&exec);
        observe("%s: %s, %u interrupt at +%d", cases[i].name, exec_outcome(&exec).text, cpu->interrupts[0x42] - before,
                cpu->last_interrupt_rip ? (int)(cpu->last_interrupt_rip - exec.code) : -1);
        __asm__ volatile("sti; nop; nop; cli"); /* take one that is still held */
    }
}

void test_event(void)
{
    self_nmi();
    blocked_nmi();
    self_interrupts();
    shadows();
    for (unsigned i = 1; i < cpu_count; i++) {
        struct cpu *other = cpu_at(i);

        if (!other->starts && !smp_start(other))
            continue;
        from_other(other, "NMI while it runs", ICR_NMI, wait_running);
        from_other(other, "NMI while it exits", ICR_NMI, wait_with_exits);
        from_other(other, "interrupt while it exits", ICR_FIXED | 0x50, wait_with_exits);
        from_other(other, "NMI while it halts", ICR_NMI, wait_halted_for_nmi);
        from_other(other, "interrupt while it halts", ICR_FIXED | 0x50, wait_halted);
    }
}
