/* The local APIC of the CPU this runs on, in whatever mode the guest or firmware has it (SDM vol. 3, chapter 10). Root
 * mode; any CPU. */
#pragma once

#include "lib/compiler.h"

enum lapic_register {
    LAPIC_ID = 0x20,
    LAPIC_LDR = 0xd0,
    LAPIC_DFR = 0xe0,
    LAPIC_ICR_LOW = 0x300,
    LAPIC_ICR_HIGH = 0x310
};

/* SDM vol. 3, figure 10-12 "Interrupt Command Register (ICR)" */
enum {
    ICR_DELIVERY_SHIFT = 8,
    ICR_DELIVERY_MASK = 7 << 8,
    ICR_NMI = 4 << 8,
    ICR_INIT = 5 << 8,
    ICR_STARTUP = 6 << 8,
    ICR_LOGICAL = 1 << 11,
    ICR_PENDING = 1 << 12,
    ICR_ASSERT = 1 << 14,
    ICR_LEVEL = 1 << 15,
    ICR_SHORTHAND_SHIFT = 18,
    ICR_SHORTHAND_MASK = 3 << 18,
};

/* Figure 10-28 "Interrupt Command Register (ICR) in x2APIC Mode": no delivery status there */
#define X2APIC_ICR_RESERVED ((uint64_t)0xfff33000)

bool lapic_is_x2apic(void);
uint32_t lapic_id(void);
uint32_t lapic_read(enum lapic_register reg);
void lapic_write(enum lapic_register reg, uint32_t value);

/*
 * Sends an IPI to one APIC ID with the ICR's low word. In xAPIC mode what the guest may have written of the ICR's high
 * half is preserved, and the wait for the delivery status is bounded. False if the ID can't be addressed in this mode
 * or the ICR stays busy.
 */
bool lapic_send(uint32_t apic_id, uint32_t icr_low);
