/* TSC calibration. The PM timer is preferred: it counts on every ACPI machine, while newer chipsets gate the PIT. */
#include "arch/x86/clock.h"

#include "arch/x86/instr.h"

enum { PM_TIMER_HZ = 3579545, PM_TIMER_MASK = 0xffffff, PIT_HZ = 1193182, SAMPLE_US = 2000, SPINS_MAX = 10000000 };
enum {
    PORT_PIT_CHANNEL2 = 0x42,
    PORT_PIT_COMMAND = 0x43,
    PORT_SPEAKER = 0x61,
    SPEAKER_GATE2 = 1,
    SPEAKER_DATA = 2,
    SPEAKER_OUT2 = 0x20
};

static uint64_t tsc_khz = 1000000; /* a guess on the slow side of no harm, until measured */

/* SDM vol. 2, CPUID leaf 15H: EBX/EAX TSC ticks a crystal tick, ECX the crystal's frequency in Hz */
static uint64_t khz_from_cpuid(void)
{
    struct cpuid_result r;

    if (cpuid(0, 0).eax < 0x15)
        return 0;
    r = cpuid(0x15, 0);
    if (!r.eax || !r.ebx || !r.ecx)
        return 0;
    return (uint64_t)r.ecx * r.ebx / r.eax / 1000;
}

bool clock_is_told_by_cpuid(void)
{
    return khz_from_cpuid() != 0;
}

static uint64_t khz_from_pm_timer(uint16_t port)
{
    const uint32_t wanted = (uint64_t)PM_TIMER_HZ * SAMPLE_US / 1000000;
    uint32_t start = inl(port), elapsed = 0;
    uint64_t tsc = rdtsc();

    for (unsigned spins = 0; elapsed < wanted && spins < SPINS_MAX; spins++)
        elapsed = (inl(port) - start) & PM_TIMER_MASK;
    tsc = rdtsc() - tsc;
    return elapsed < wanted ? 0 : tsc * PM_TIMER_HZ / elapsed / 1000;
}

/* Channel 2 counts down once in mode 0; its output shows in port 61H bit 5. */
static uint64_t khz_from_pit(void)
{
    const uint32_t count = (uint64_t)PIT_HZ * SAMPLE_US / 1000000;
    uint8_t speaker = inb(PORT_SPEAKER);
    uint64_t tsc;
    unsigned spins = 0;

    outb(PORT_SPEAKER, (uint8_t)((speaker & ~SPEAKER_DATA) | SPEAKER_GATE2));
    outb(PORT_PIT_COMMAND, 0xb0);
    outb(PORT_PIT_CHANNEL2, (uint8_t)count);
    outb(PORT_PIT_CHANNEL2, (uint8_t)(count >> 8));
    tsc = rdtsc();
    while (!(inb(PORT_SPEAKER) & SPEAKER_OUT2) && spins < SPINS_MAX)
        spins++;
    tsc = rdtsc() - tsc;
    outb(PORT_SPEAKER, speaker);
    return spins == SPINS_MAX ? 0 : tsc * PIT_HZ / count / 1000;
}

void clock_init(uint16_t pm_timer_port)
{
    uint64_t khz = khz_from_cpuid();

    if (!khz && pm_timer_port)
        khz = khz_from_pm_timer(pm_timer_port);
    if (!khz)
        khz = khz_from_pit();
    if (khz)
        tsc_khz = khz;
}

uint64_t clock_tsc_khz(void)
{
    return tsc_khz;
}

void clock_delay_us(uint32_t microseconds)
{
    uint64_t end = rdtsc() + tsc_khz * microseconds / 1000;

    while (rdtsc() < end)
        cpu_pause();
}
