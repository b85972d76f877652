#include "arch/x86/lapic.h"

#include "arch/x86/instr.h"
#include "arch/x86/layout.h"
#include "arch/x86/regs.h"

enum { BUSY_BOUND = 100000, XAPIC_ID_MAX = 0xfe };

static volatile uint8_t *const page = (volatile uint8_t *)FIXED_LOCAL_APIC;

bool lapic_is_x2apic(void)
{
    return rdmsr(MSR_IA32_APIC_BASE) & APIC_BASE_EXTD;
}

uint32_t lapic_read(enum lapic_register reg)
{
    return mmio_read32(page + reg);
}

void lapic_write(enum lapic_register reg, uint32_t value)
{
    mmio_write32(page + reg, value);
}

uint32_t lapic_id(void)
{
    return lapic_is_x2apic() ? (uint32_t)rdmsr(MSR_X2APIC_APICID) : lapic_read(LAPIC_ID) >> 24;
}

static bool xapic_idle(void)
{
    for (unsigned i = 0; i < BUSY_BOUND; i++) {
        if (!(lapic_read(LAPIC_ICR_LOW) & ICR_PENDING))
            return true;
        cpu_pause();
    }
    return false;
}

bool lapic_send(uint32_t apic_id, uint32_t icr_low)
{
    uint32_t high;
    bool sent;

    if (lapic_is_x2apic()) {
        wrmsr(MSR_X2APIC_ICR, (uint64_t)apic_id << 32 | icr_low);
        return true;
    }
    if (apic_id > XAPIC_ID_MAX || !xapic_idle())
        return false;
    high = lapic_read(LAPIC_ICR_HIGH);
    lapic_write(LAPIC_ICR_HIGH, apic_id << 24);
    lapic_write(LAPIC_ICR_LOW, icr_low);
    sent = xapic_idle();
    lapic_write(LAPIC_ICR_HIGH, high);
    return sent;
}
