/* Starting CPUs, giving them work, and the delays that this takes. */
#include "tests/guest/smp.h"
#include "lib/string.h"
#include "tests/guest/report.h"

/* On real machines the CPU's clock is unknown here; the PIT's is 1193182 Hz everywhere. */
void delay_us(unsigned microseconds)
{
    while (microseconds) {
        unsigned part = microseconds > 50000 ? 50000 : microseconds;
        unsigned ticks = part * 1193 / 1000 + 1;

        out8(0x61, (in8(0x61) & 0xfc) | 1); /* channel 2's gate on, speaker off */
        out8(0x43, 0xb0);                   /* channel 2, low then high byte, mode 0 */
        out8(0x42, (uint8_t)ticks);
        out8(0x42, (uint8_t)(ticks >> 8));
        while (!(in8(0x61) & 0x20))
            pause();
        microseconds -= part;
    }
}

void smp_prepare(void)
{
    memcpy(at_address(AP_START_PAGE), ap_page, (size_t)(ap_page_end - ap_page));
}

static void *in_start_page(const uint8_t *symbol)
{
    return at_address(AP_START_PAGE + (uintptr_t)(symbol - ap_page));
}

void ap_main(struct cpu *cpu);
void ap_main(struct cpu *cpu)
{
    cpu->start = *(struct start_registers *)in_start_page(ap_page_registers);
    *(volatile uint32_t *)in_start_page(ap_page_lock) = 0;
    cpu->exec = NULL;
    cpu->job = NULL;
    cpu->keeps_in_service = false;
    cpu_load_tables(cpu);
    apic_record(&cpu->apic);
    apic_enable();
    cpu->starts++;
    for (;;) {
        job_t *job = cpu->job;

        cpu->heartbeat++;
        if (job) {
            job(cpu->job_argument);
            cpu->job = NULL;
        }
        pause();
    }
}

bool smp_wait_started(const struct cpu *cpu, uint32_t starts, unsigned ms)
{
    for (unsigned i = 0; i < ms && cpu->starts < starts; i++)
        delay_us(1000);
    return cpu->starts >= starts;
}

bool smp_start(struct cpu *cpu)
{
    uint32_t starts = cpu->starts;

    apic_send(cpu->apic_id, ICR_INIT);
    delay_us(10000);
    apic_send(cpu->apic_id, ICR_STARTUP | AP_START_PAGE >> 12);
    delay_us(200);
    apic_send(cpu->apic_id, ICR_STARTUP | AP_START_PAGE >> 12);
    if (!smp_wait_started(cpu, starts + 1, 100))
        return false;
    delay_us(2000); /* a second start, if there is one, shows */
    return cpu->starts == starts + 1;
}

bool smp_alive(const struct cpu *cpu)
{
    uint64_t before = cpu->heartbeat;

    delay_us(2000);
    return cpu->heartbeat != before;
}

void smp_run(struct cpu *cpu, job_t *job, void *argument)
{
    if (cpu == this_cpu()) {
        job(argument);
        return;
    }
    cpu->job_argument = argument;
    cpu->job = job;
    for (unsigned ms = 0; cpu->job; ms++) {
        if (ms == 2000)
            error_stop("cpu%u does not do its work: it started %u times, alive %d", cpu->index, cpu->starts,
                       smp_alive(cpu));
        delay_us(1000);
    }
}

void smp_run_all(job_t *job, void *arguments, size_t size)
{
    for (unsigned i = 1; i < cpu_count; i++)
        if (cpu_at(i)->starts) {
            cpu_at(i)->job_argument = (char *)arguments + i * size;
            cpu_at(i)->job = job;
        }
    job(arguments);
    for (unsigned i = 1; i < cpu_count; i++)
        while (cpu_at(i)->job)
            pause();
}
