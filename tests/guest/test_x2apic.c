/* x2APIC mode's registers and the ways into and out of it (test-plan rows 15, 41; SDM 10.12). */
#include "tests/guest/report.h"
#include "tests/guest/smp.h"
#include "tests/guest/tests.h"

enum { X2APIC_FIRST = 0x800, X2APIC_END = 0x900 };
enum { EOI = 0x80b, ICR = 0x830, SELF_IPI = 0x83f };
enum { NOBODY = 0xfffffe }; /* a destination */

/* Written without harm as read; the others are commands. */
static bool is_command(uint32_t index)
{
    return index == EOI || index == ICR || index == SELF_IPI;
}

static bool reads(uint32_t index)
{
    uint64_t value;

    return rdmsr_safe(index, &value);
}

static bool takes_its_value(uint32_t index)
{
    uint64_t value;

    return !is_command(index) && rdmsr_safe(index, &value) && wrmsr_safe(index, value);
}

static bool takes_upper_half(uint32_t index)
{
    uint64_t value;

    return !is_command(index) && rdmsr_safe(index, &value) && wrmsr_safe(index, value | (uint64_t)1 << 32);
}

static bool write_only(uint32_t index)
{
    return !is_command(index) && !reads(index) && wrmsr_safe(index, 0);
}

/* The range's ends too. */
static void list(const char *what, bool (*has)(uint32_t index))
{
    for (uint32_t index = X2APIC_FIRST - 1; index <= X2APIC_END; index++) {
        uint32_t first = index;

        while (index <= X2APIC_END && has(index))
            index++;
        if (index != first)
            observe("%s: %x-%x", what, first, index - 1);
    }
}

static void list_registers(void)
{
    list("readable", reads);
    list("written back", takes_its_value);
    list("with bit 32", takes_upper_half);
    list("write-only", write_only);
    observe("eoi 0: %s, 1: %s", wrmsr_outcome(EOI, 0).text, wrmsr_outcome(EOI, 1).text);
    observe("self ipi with bit 8: %s", wrmsr_outcome(SELF_IPI, 0x1f0).text);
}

/* INIT, SIPI and others to nobody, each with one bit that isn't there. The emulator takes them all, so only where
 * Plinth has the ICR trapped there is something to see: not with ap_start=wait, where there is a sipi_delay=. */
void x2apic_reserved_icr_bits(void)
{
    static const uint32_t commands[] = {ICR_FIXED | 0x40, ICR_NMI, ICR_INIT, ICR_STARTUP | AP_START_PAGE >> 12};
    const uint32_t reserved = 0xfff33000;
    unsigned refused = 0, tried = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
        for (unsigned bit = 0; bit < 32; bit++) {
            if (!(reserved >> bit & 1))
                continue;
            tried++;
            refused += !wrmsr_safe(ICR, (uint64_t)NOBODY << 32 | commands[i] | (uint32_t)1 << bit);
        }
    differ("ICR writes with a reserved bit: %u of %u refused", refused, tried);
    check(!under_plinth() || guest_options.sipi_delay || refused == tried,
          "%u of %u ICR writes with a reserved bit refused", refused, tried);
    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
        observe("icr %x: %s", commands[i], wrmsr_outcome(ICR, (uint64_t)NOBODY << 32 | commands[i]).text);
}

/* Figure 10-26 "Local x2APIC State Transitions with IA32_APIC_BASE, INIT, and Reset": none but the one to disabled. */
static void refused_ways_out(void *argument)
{
    uint64_t base = rdmsr(MSR_APIC_BASE), both = APIC_BASE_ENABLE | APIC_BASE_EXTD;
    struct outcome *outcomes = argument;

    outcomes[0] = wrmsr_outcome(MSR_APIC_BASE, base & ~(uint64_t)APIC_BASE_EXTD);
    outcomes[1] = wrmsr_outcome(MSR_APIC_BASE, base & ~(uint64_t)APIC_BASE_ENABLE);
    outcomes[2] = wrmsr_outcome(MSR_APIC_BASE, base);
    if ((rdmsr(MSR_APIC_BASE) & both) != both)
        error_stop("the APIC left x2APIC mode");
}

void x2apic_registers(void)
{
    list_registers();
    for (unsigned i = 0; i < cpu_count; i++) {
        struct outcome outcomes[3];

        if (i && !cpu_at(i)->starts)
            continue;
        smp_run(cpu_at(i), refused_ways_out, outcomes);
        observe("cpu%u: x2APIC to xAPIC: %s, to EXTD alone: %s, to itself: %s", i, outcomes[0].text, outcomes[1].text,
                outcomes[2].text);
    }
}

struct way {
    struct outcome off, both, on, x2;
    uint64_t bases[4];
    bool was_readable;
};

static void go_round(void *argument)
{
    struct way *way = argument;
    uint64_t base = rdmsr(MSR_APIC_BASE) & ~(uint64_t)(APIC_BASE_ENABLE | APIC_BASE_EXTD), value;

    way->off = wrmsr_outcome(MSR_APIC_BASE, base);
    way->bases[0] = rdmsr(MSR_APIC_BASE);
    way->both = wrmsr_outcome(MSR_APIC_BASE, base | APIC_BASE_ENABLE | APIC_BASE_EXTD);
    way->bases[1] = rdmsr(MSR_APIC_BASE);
    way->on = wrmsr_outcome(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
    way->bases[2] = rdmsr(MSR_APIC_BASE);
    way->was_readable = rdmsr_safe(X2APIC_FIRST + 2, &value);
    way->x2 = wrmsr_outcome(MSR_APIC_BASE, base | APIC_BASE_ENABLE | APIC_BASE_EXTD);
    way->bases[3] = rdmsr(MSR_APIC_BASE);
}

/* x2APIC, disabled, xAPIC, x2APIC again, on the last CPU. The last test of a run: Bochs 2.7 can't enable an APIC again.
 */
void test_apicoff(void)
{
    struct way way;

    if (!apic_is_x2()) {
        skip("not in x2APIC mode");
        return;
    }
    smp_run(cpu_at(cpu_count - 1), go_round, &way);
    observe("off: %s %llx; to x2APIC at once: %s %llx", way.off.text, (unsigned long long)way.bases[0], way.both.text,
            (unsigned long long)way.bases[1]);
    observe("on: %s %llx, x2APIC ID readable %d; x2APIC: %s %llx", way.on.text, (unsigned long long)way.bases[2],
            way.was_readable, way.x2.text, (unsigned long long)way.bases[3]);
}
