/* What an INIT does to the local APIC, where Plinth carries the INIT out: by the APIC's own registers alone. */
#include "arch/x86/exception.h"
#include "arch/x86/instr.h"
#include "arch/x86/lapic.h"
#include "arch/x86/regs.h"

enum { VECTORS = 256, CLASS_OF_EXCEPTIONS = 0x10, CMCI_ENTRY = 6 };

static uint32_t get(bool x2apic, uint32_t reg)
{
    return x2apic ? (uint32_t)rdmsr(MSR_X2APIC_FIRST + reg / LAPIC_REGISTER_SIZE) : lapic_read(reg);
}

static void set(bool x2apic, uint32_t reg, uint32_t value)
{
    if (x2apic)
        wrmsr(MSR_X2APIC_FIRST + reg / LAPIC_REGISTER_SIZE, value);
    else
        lapic_write(reg, value);
}

/* 10.4.8: the highest number of an LVT entry; CMCI came last. Software disabled, the APIC masks them all, so that no
 * vector 0 raises an error interrupt while it is written. Writing the timer's disarms a TSC deadline (10.5.4.1). */
static void mask_sources(bool x2apic)
{
    uint32_t last = get(x2apic, LAPIC_VERSION) >> 16 & 0xff;

    set(x2apic, LAPIC_SVR, SVR_RESET);
    for (uint32_t reg = LAPIC_LVT_TIMER; reg <= LAPIC_LVT_ERROR; reg += LAPIC_REGISTER_SIZE)
        set(x2apic, reg, LVT_MASKED);
    if (last >= CMCI_ENTRY)
        set(x2apic, LAPIC_LVT_CMCI, LVT_MASKED);
    set(x2apic, LAPIC_INITIAL_COUNT, 0);
    set(x2apic, LAPIC_DIVIDE, 0);
}

/* Is any bit set in the registers from `first` on, of those from ISR or IRR? */
static bool any(bool x2apic, uint32_t bits, unsigned first)
{
    uint32_t found = 0;

    for (unsigned i = first; i < LAPIC_VECTOR_REGISTERS; i++)
        found |= get(x2apic, bits + i * LAPIC_REGISTER_SIZE);
    return found;
}

static void end_what_is_in_service(bool x2apic)
{
    for (unsigned i = 0; i < VECTORS && any(x2apic, LAPIC_ISR, 0); i++)
        set(x2apic, LAPIC_EOI, 0);
}

/* A pending interrupt goes away only by being taken (10.4.7.2). A software-disabled APIC accepts no new ones, so each
 * vector comes once. Those below 32 would be taken for exceptions: their class is held off, and they stay. */
static void end_what_is_pending(bool x2apic)
{
    exception_load_idt(); /* a VM exit has set its limit to FFFFH (27.5.2) */
    end_what_is_in_service(x2apic);
    set(x2apic, LAPIC_TPR, CLASS_OF_EXCEPTIONS);
    for (unsigned i = 0; i < VECTORS && any(x2apic, LAPIC_IRR, 1); i++) {
        exception_take_interrupts();
        end_what_is_in_service(x2apic);
    }
    set(x2apic, LAPIC_TPR, 0);
}

void lapic_reset(void)
{
    uint64_t base = rdmsr(MSR_IA32_APIC_BASE);
    bool x2apic = base & APIC_BASE_EXTD;

    if (!(base & APIC_BASE_ENABLE))
        return;
    mask_sources(x2apic);
    end_what_is_pending(x2apic);
    if (!x2apic) { /* there the first follows from the ID, and the others aren't there */
        lapic_write(LAPIC_LDR, 0);
        lapic_write(LAPIC_DFR, (uint32_t)DFR_RESET);
        lapic_write(LAPIC_ICR_HIGH, 0);
    }
    set(x2apic, LAPIC_ESR, 0); /* 10.5.3: shows what has come since the last write, */
    set(x2apic, LAPIC_ESR, 0); /* nothing now */
}
