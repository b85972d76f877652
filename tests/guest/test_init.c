/* What an INIT leaves of a local APIC that was in use: nothing (test-plan row 25; SDM 10.4.7.3). */
#include "tests/guest/report.h"
#include "tests/guest/smp.h"
#include "tests/guest/tests.h"

enum { NOBODY = 0xe, TIMER_PERIODIC = 1 << 17, DIVIDE_BY_1 = 0xb };
enum { VECTOR_TIMER = 0x40, VECTOR_IN_SERVICE = 0x61, VECTOR_OTHERS = 0x50 };

/* In service for good, with others pending above and below it. */
static void hold_interrupts(void)
{
    struct cpu *cpu = this_cpu();

    cpu->keeps_in_service = true;
    apic_send_self(VECTOR_IN_SERVICE);
    __asm__ volatile("sti; nop; nop; nop; cli" ::: "memory");
    apic_send_self(0x35);
    apic_send_self(0x72);
    apic_send_self(0xf1);
}

/* Nobody takes either of the IPIs: one is an error that the ESR shows, the other one that it will. */
static void make_errors(void)
{
    apic_send(NOBODY, ICR_FIXED | 0x80);
    apic_write(APIC_ESR, 0);
    apic_send(NOBODY, ICR_FIXED | 0x80);
}

static void use_apic(void)
{
    if (!apic_is_x2()) {
        apic_write(APIC_DFR, 0x0fffffff);
        apic_write(APIC_LDR, 0x12000000);
    }
    apic_write(APIC_SPURIOUS, 0x1ef);
    for (unsigned lvt = APIC_LVT_TIMER + 0x10; lvt <= APIC_LVT_ERROR; lvt += 0x10)
        apic_write(lvt, VECTOR_OTHERS + lvt / 16 % 16);
    make_errors();
    hold_interrupts();
    apic_write(APIC_TPR, 0x30);
    apic_write(APIC_DIVIDE, DIVIDE_BY_1);
    apic_write(APIC_LVT_TIMER, TIMER_PERIODIC | VECTOR_TIMER);
    apic_write(APIC_INITIAL_COUNT, 20000);
}

static void use_and_spin(void *argument)
{
    use_apic();
    *(volatile bool *)argument = true;
    for (;;)
        pause();
}

static void disable_and_spin(void *argument)
{
    apic_write(APIC_SPURIOUS, SPURIOUS_VECTOR);
    *(volatile bool *)argument = true;
    for (;;)
        pause();
}

/* INIT and SIPI to a CPU that does `job` for ever. */
static bool restart_amid(struct cpu *cpu, job_t *job)
{
    uint32_t starts = cpu->starts;
    volatile bool ready = false;

    cpu->job_argument = (void *)&ready;
    cpu->job = job;
    for (unsigned ms = 0; !ready && ms < 100; ms++)
        delay_us(1000);
    check(ready, "cpu%u does not come to use its APIC", cpu->index);
    apic_send(cpu->apic_id, ICR_INIT);
    delay_us(2000);
    apic_send(cpu->apic_id, ICR_STARTUP | AP_START_PAGE >> 12);
    return smp_wait_started(cpu, starts + 1, 100);
}

static unsigned count_interrupts(const struct cpu *cpu)
{
    unsigned count = 0;

    for (unsigned vector = 0; vector < 256; vector++)
        count += cpu->interrupts[vector];
    return count;
}

static void let_interrupts_in(void *argument)
{
    unsigned before = count_interrupts(this_cpu());

    __asm__ volatile("sti" ::: "memory");
    for (unsigned i = 0; i < 20000; i++)
        pause();
    __asm__ volatile("cli" ::: "memory");
    *(unsigned *)argument = count_interrupts(this_cpu()) - before;
}

/* `x2`: without what that mode has not. The emulator's own INIT ends it, against figure 10-27; Plinth's doesn't. */
static void show_apic(const struct cpu *cpu, bool x2)
{
    const uint32_t *value = cpu->apic.value;
    uint32_t in_service = 0, pending = 0;

    for (unsigned i = 0; i < 8; i++) {
        in_service |= value[APIC_ISR / 16 + i];
        pending |= value[APIC_IRR / 16 + i];
    }
    observe("cpu%u apic: tpr %x svr %x esr %x in service %x pending %x", cpu->index, value[APIC_TPR / 16],
            value[APIC_SPURIOUS / 16], value[APIC_ESR / 16], in_service, pending);
    for (unsigned lvt = APIC_LVT_TIMER; lvt <= APIC_LVT_ERROR; lvt += 16)
        observe("cpu%u apic: lvt %x %x", cpu->index, lvt, value[lvt / 16]);
    observe("cpu%u apic: timer %x of %x by %x", cpu->index, value[APIC_CURRENT_COUNT / 16],
            value[APIC_INITIAL_COUNT / 16], value[APIC_DIVIDE / 16]);
    if (!x2)
        observe("cpu%u apic: ldr %x dfr %x icr high %x", cpu->index, value[APIC_LDR / 16], value[APIC_DFR / 16],
                value[APIC_ICR_HIGH / 16]);
}

static void say_mode(void *argument)
{
    *(bool *)argument = apic_is_x2();
}

void init_resets_apic(unsigned index)
{
    struct cpu *cpu = cpu_at(index);
    unsigned interrupts = 0;
    bool x2 = false, still = false;

    smp_run(cpu, say_mode, &x2);
    observe("cpu%u restarts with its APIC in use: %d", index, restart_amid(cpu, use_and_spin));
    show_apic(cpu, x2);
    smp_run(cpu, say_mode, &still);
    differ("cpu%u apic: x2APIC mode %d before, %d after", index, x2, still);
    check(cpu->apic.value[APIC_SPURIOUS / 16] == 0xff, "cpu%u: an INIT leaves the APIC enabled", index);
    smp_run(cpu, let_interrupts_in, &interrupts);
    observe("cpu%u apic: %u interrupts after the INIT", index, interrupts);
    apic_send(cpu->apic_id, ICR_FIXED | VECTOR_OTHERS); /* and it works */
    smp_run(cpu, let_interrupts_in, &interrupts);
    observe("cpu%u apic: %u interrupt when one is sent", index, interrupts);
    observe("cpu%u restarts with its APIC disabled: %d", index, restart_amid(cpu, disable_and_spin));
    show_apic(cpu, x2);
}
