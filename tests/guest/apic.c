/* The local APIC in both of its modes (SDM volume 3, chapter 10). */
#include "tests/guest/smp.h"

enum { ICR_PENDING = 0x1000, ICR_SELF = 0x40000 };

bool apic_is_x2(void)
{
    return rdmsr(MSR_APIC_BASE) & APIC_BASE_EXTD;
}

static volatile uint32_t *xapic(unsigned offset)
{
    return (volatile uint32_t *)(uintptr_t)(0xfee00000u + offset);
}

uint32_t apic_read(unsigned offset)
{
    return apic_is_x2() ? (uint32_t)rdmsr(MSR_X2APIC + offset / 16) : *xapic(offset);
}

void apic_write(unsigned offset, uint32_t value)
{
    if (apic_is_x2())
        wrmsr(MSR_X2APIC + offset / 16, value);
    else
        *xapic(offset) = value;
}

/* Those of table 10-1 that both modes have */
static bool is_recorded(unsigned offset)
{
    return offset == APIC_TPR || offset == APIC_SPURIOUS || (offset >= APIC_ISR && offset < APIC_ISR + 0x80) ||
           (offset >= APIC_IRR && offset <= APIC_ESR) || (offset >= APIC_LVT_TIMER && offset <= APIC_CURRENT_COUNT) ||
           offset == APIC_DIVIDE;
}

static bool is_xapics(unsigned offset)
{
    return offset == APIC_LDR || offset == APIC_DFR || offset == APIC_ICR_HIGH;
}

void apic_record(struct apic_registers *registers)
{
    for (unsigned offset = 0; offset < 0x400; offset += 16)
        registers->value[offset / 16] =
            is_recorded(offset) || (is_xapics(offset) && !apic_is_x2()) ? apic_read(offset) : 0;
}

void apic_enable(void)
{
    apic_write(APIC_SPURIOUS, 0x100 | SPURIOUS_VECTOR);
}

void apic_end_of_interrupt(void)
{
    apic_write(APIC_EOI, 0);
}

uint32_t apic_id(void)
{
    uint32_t id = apic_read(APIC_ID);
    return apic_is_x2() ? id : id >> 24;
}

static void send(uint32_t target, uint32_t command)
{
    if (apic_is_x2()) {
        wrmsr(MSR_X2APIC + APIC_ICR_LOW / 16, (uint64_t)target << 32 | command);
        return;
    }
    *xapic(APIC_ICR_HIGH) = target << 24;
    *xapic(APIC_ICR_LOW) = command;
    for (unsigned spins = 0; *xapic(APIC_ICR_LOW) & ICR_PENDING && spins < 100000; spins++)
        pause();
}

void apic_send(uint32_t target, uint32_t command)
{
    send(target, command);
}

void apic_send_self(uint8_t vector)
{
    send(0, ICR_FIXED | ICR_SELF | vector);
}
