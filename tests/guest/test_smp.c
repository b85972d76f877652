/* Boot, and INIT-SIPI-SIPI in all its orders (test-plan rows 25, 41): the path that a hypervisor most easily breaks. */
#include "tests/guest/report.h"
#include "tests/guest/smp.h"
#include "tests/guest/tests.h"

enum { CR0_CD_NW = 3 << 29 };
enum { STARTUP = ICR_STARTUP | AP_START_PAGE >> 12 };

void test_boot(void)
{
    observe("%u CPUs", cpu_count);
    for (unsigned i = 0; i < cpu_count; i++)
        observe("cpu%u has APIC ID %u", i, cpu_apic_ids[i]);
    observe("apic base %llx", (unsigned long long)rdmsr(MSR_APIC_BASE));
    check(cpuid(1, 0).ebx >> 24 == apic_id(), "CPUID's APIC ID %u is not the LAPIC's %u", cpuid(1, 0).ebx >> 24,
          apic_id());
}

/* SDM table 9-1, "IA-32 and Intel 64 Processor States Following Power-up, Reset, or INIT", and 8.4.4.1 for CS:IP */
static void show_start(const struct cpu *cpu)
{
    const struct start_registers *s = &cpu->start;

    observe("cpu%u start: cs %x cr0 %x cr2 %x cr3 %x cr4 %x efer %x eflags %x", cpu->index, s->cs,
            s->cr0 & ~(uint32_t)CR0_CD_NW, s->cr2, s->cr3, s->cr4, s->efer, s->eflags & ~RFLAGS_ARITHMETIC);
    /* the table's note: INIT leaves CD and NW as they were; emulators set them */
    differ("cpu%u start: cd and nw %x", cpu->index, (s->cr0 & CR0_CD_NW) >> 29);
    observe("cpu%u start: eax %x ecx %x ebx %x esp %x ebp %x esi %x edi %x", cpu->index, s->eax, s->ecx, s->ebx, s->esp,
            s->ebp, s->esi, s->edi);
    /* by the table EDX holds the processor signature, in some emulators it is 0 */
    differ("cpu%u start: edx %x, signature %x", cpu->index, s->edx, cpuid(1, 0).eax);
    observe("cpu%u start: ds %x es %x fs %x gs %x ss %x gdt %x+%x idt %x+%x dr6 %x dr7 %x", cpu->index, s->ds, s->es,
            s->fs, s->gs, s->ss, s->gdt_base, s->gdt_limit, s->idt_base, s->idt_limit, s->dr6, s->dr7);
}

static void start_all(void)
{
    for (unsigned i = 1; i < cpu_count; i++) {
        bool once = smp_start(cpu_at(i));

        observe("cpu%u started %u times", i, cpu_at(i)->starts);
        check(once, "cpu%u: INIT-SIPI-SIPI started it %u times, not once", i, cpu_at(i)->starts);
        if (cpu_at(i)->starts)
            show_start(cpu_at(i));
    }
}

/* The machine needs none; with ap_start=wait a SIPI is lost that comes before the INIT's exit has led back into the
 * guest. */
static void let_init_arrive(void)
{
    if (guest_options.sipi_delay)
        delay_us((unsigned)guest_options.sipi_delay);
}

static void restart_at_once(struct cpu *cpu)
{
    uint32_t starts = cpu->starts;

    apic_send(cpu->apic_id, ICR_INIT);
    let_init_arrive();
    apic_send(cpu->apic_id, STARTUP);
    check(smp_wait_started(cpu, starts + 1, 100), "cpu%u: a SIPI right after the INIT is lost", cpu->index);
    delay_us(2000);
    observe("cpu%u: INIT and SIPI without delay: %u start", cpu->index, cpu->starts - starts);
    show_start(cpu);
}

static void sipi_while_running(struct cpu *cpu)
{
    uint32_t starts = cpu->starts;

    apic_send(cpu->apic_id, STARTUP);
    delay_us(2000);
    observe("cpu%u: SIPI while running: %u starts, alive %d", cpu->index, cpu->starts - starts, smp_alive(cpu));
    check(cpu->starts == starts && smp_alive(cpu), "cpu%u: a SIPI outside of wait-for-SIPI is not ignored", cpu->index);
}

static void init_stops(struct cpu *cpu)
{
    uint32_t starts = cpu->starts;

    apic_send(cpu->apic_id, ICR_INIT);
    delay_us(2000);
    observe("cpu%u: after INIT: alive %d", cpu->index, smp_alive(cpu));
    check(!smp_alive(cpu), "cpu%u runs on after an INIT", cpu->index);
    if (!guest_options.one_init) {
        apic_send(cpu->apic_id, ICR_INIT);
        apic_send(cpu->apic_id, ICR_INIT);
    }
    apic_send(cpu->apic_id, ICR_NMI);
    delay_us(2000);
    observe("cpu%u: after two more and an NMI: %u starts", cpu->index, cpu->starts - starts);
    for (unsigned i = 0; i < 4; i++)
        apic_send(cpu->apic_id, STARTUP);
    check(smp_wait_started(cpu, starts + 1, 100), "cpu%u does not start again", cpu->index);
    delay_us(2000);
    observe("cpu%u: four SIPIs: %u start, alive %d", cpu->index, cpu->starts - starts, smp_alive(cpu));
}

static void say_own_id(void *argument)
{
    *(uint32_t *)argument = apic_id();
}

static struct cpu *started(unsigned index)
{
    struct cpu *cpu = cpu_at(index);
    return cpu->starts || smp_start(cpu) ? cpu : NULL;
}

/* SIPIs to CPUs that run, and work for each. */
static void try_running(void)
{
    for (unsigned i = 1; i < cpu_count; i++) {
        uint32_t id = UINT32_MAX;

        if (!started(i))
            continue;
        sipi_while_running(cpu_at(i));
        smp_run(cpu_at(i), say_own_id, &id);
        observe("cpu%u says it has APIC ID %u", i, id);
    }
}

/* INIT to CPUs that run: stopped for good until a SIPI, with and without delay. */
static void try_restarts(void)
{
    for (unsigned i = 1; i < cpu_count; i++) {
        if (!started(i))
            continue;
        restart_at_once(cpu_at(i));
        init_stops(cpu_at(i));
    }
}

/* Ten restarts of every CPU, INITs to all first, SIPIs to all after: they come up side by side. */
static void storm(void)
{
    uint32_t before[CPUS_MAX], lost = 0;

    for (unsigned round = 0; round < 10; round++) {
        for (unsigned i = 1; i < cpu_count; i++)
            before[i] = cpu_at(i)->starts;
        for (unsigned i = 1; i < cpu_count; i++)
            apic_send(cpu_at(i)->apic_id, ICR_INIT);
        let_init_arrive();
        for (unsigned i = 1; i < cpu_count; i++)
            apic_send(cpu_at(i)->apic_id, STARTUP);
        for (unsigned i = 1; i < cpu_count; i++)
            lost += !smp_wait_started(cpu_at(i), before[i] + 1, 100);
    }
    observe("ten restarts of all: %u lost", lost);
    check(!lost, "%u of the starts in the storm were lost", lost);
}

/* For ever, with interrupts enabled, writes to the APIC, each of which Plinth steps while it traps the page. */
static void write_apic(void *argument)
{
    (void)argument;
    write_dr0(0x1234);
    __asm__ volatile("sti");
    for (;;)
        apic_write(APIC_TPR, 0);
}

static void look_at_start(void *argument)
{
    uint64_t *found = argument, rflags;

    cpuid(0, 0);
    __asm__ volatile("pushfq; popq %0" : "=r"(rflags));
    found[0] = rflags & (RFLAGS_IF | RFLAGS_TF);
    found[1] = apic_read(APIC_SPURIOUS);
    found[2] = read_dr0();
}

/* An INIT comes anywhere between an APIC write's exit and its end: nothing of that may live on in the started CPU. */
static void restarts_amid_steps(struct cpu *cpu)
{
    unsigned lost = 0, flags = 0, disabled = 0, breakpoints = 0;

    for (unsigned round = 0; round < 60; round++) {
        uint32_t starts = cpu->starts;
        uint64_t found[3] = {0, 0, 0};

        cpu->job = write_apic;
        delay_us(20 + round);
        for (unsigned i = 0; i < round; i++)
            pause();
        apic_send(cpu->apic_id, ICR_INIT);
        let_init_arrive();
        apic_send(cpu->apic_id, STARTUP);
        lost += !smp_wait_started(cpu, starts + 1, 100);
        smp_run(cpu, look_at_start, found);
        flags += found[0] != 0;
        disabled += found[1] != (0x100 | SPURIOUS_VECTOR);
        breakpoints += found[2] != 0; /* SDM vol. 3, table 9-1 */
    }
    observe("cpu%u: restarts amid APIC writes: %u lost, %u with wrong flags, %u with a wrong APIC", cpu->index, lost,
            flags, disabled);
    check(!lost && !flags && !disabled && !breakpoints, "cpu%u: an INIT amid an APIC write leaves traces", cpu->index);
}

void test_smp(void)
{
    if (cpu_count == 1) {
        skip("one CPU");
        return;
    }
    start_all();
    try_running();
}

void test_restart(void)
{
    if (cpu_count == 1) {
        skip("one CPU");
        return;
    }
    if (started(1))
        init_resets_apic(1);
    try_restarts();
    storm();
    restarts_amid_steps(cpu_at(1));
    try_running();
}

static void enter_x2apic(void *argument)
{
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_EXTD);
    *(uint32_t *)argument = apic_id();
}

/* The boot CPU first, so that as the only test of a run it starts the others from x2APIC mode for the first time. */
void test_x2apic(void)
{
    if (!(cpuid(1, 0).ecx & 1u << 21)) {
        skip("no x2APIC");
        return;
    }
    for (unsigned i = 0; i < cpu_count; i++) {
        uint32_t id = UINT32_MAX;

        if (i && !started(i)) {
            check(false, "cpu%u does not start", i);
            continue;
        }
        smp_run(cpu_at(i), enter_x2apic, &id);
        observe("cpu%u has x2APIC ID %u", i, id);
        check(id == cpu_apic_ids[i], "cpu%u: the ID changed from %u", i, cpu_apic_ids[i]);
    }
    x2apic_registers();
    try_running();
}

void test_x2restart(void)
{
    test_x2apic();
    x2apic_reserved_icr_bits(); /* the ICR is trapped: ap_start=icr-always */
    init_resets_apic(1);
    try_restarts();
    storm();
    try_running();
}
