/* The local APIC of the CPU this runs on, in whatever mode the guest or firmware has it (SDM vol. 3, chapter 10). Root
 * mode; any CPU. */
#pragma once

#include "lib/compiler.h"

enum lapic_register {
    LAPIC_ID = 0x20,
    LAPIC_VERSION = 0x30,
    LAPIC_TPR = 0x80,
    LAPIC_EOI = 0xb0,
    LAPIC_LDR = 0xd0,
    LAPIC_DFR = 0xe0,
    LAPIC_SVR = 0xf0,
    LAPIC_ISR = 0x100, /* eight of them, as of the IRR */
    LAPIC_IRR = 0x200,
    LAPIC_ESR = 0x280,
    LAPIC_LVT_CMCI = 0x2f0,
    LAPIC_ICR_LOW = 0x300,
    LAPIC_ICR_HIGH = 0x310,
    LAPIC_LVT_TIMER = 0x320,
    LAPIC_LVT_ERROR = 0x370,
    LAPIC_INITIAL_COUNT = 0x380,
    LAPIC_DIVIDE = 0x3e0,
};

enum { LAPIC_REGISTER_SIZE = 0x10, LAPIC_VECTOR_REGISTERS = 8, LVT_MASKED = 1 << 16 };
enum { SVR_RESET = 0xff, DFR_RESET = -1 };

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

/*
 * Brings the APIC into the state that it has after an INIT (10.4.7.3), which is that of a power-up, but for what no
 * software can do: the ICR's low half and the trigger modes stay, and so do pending interrupts with vectors below 32.
 * What is in service ends with an EOI, which an I/O APIC may see. IA32_APIC_BASE stays, so x2APIC mode too; an APIC
 * that is globally disabled is left alone. On a stack of the CPU's own, with its IDT loaded and interrupts off.
 */
void lapic_reset(void);
