/* Seeing the guest's writes to its local APICs' ICR, as long as ap_start.c needs that. Root mode, the CPU itself. */
#pragma once

#include "mm/ept.h"

/* Boot, before launch: traps the writes if CPUs wait to be started that way. */
must_check bool apic_trap_init(struct error *error);

/* When a CPU waits again. The trap goes by itself with the first write that it sees after the last CPU has started. */
void apic_trap_restore(void);

/* What the trap withholds in the page at `address`, and in *end up to where that holds (at most what it is when
 * called). */
uint64_t apic_trap_denies(uint64_t address, uint64_t *end);

/* Gives the APIC's page of a tree the rights that the trap leaves. False if the pool ran out. */
must_check bool apic_trap_settle(struct ept *ept);

/* The EPT refused a write to `address`: true if it was the APIC's page and the instruction now makes its detour, or
 * finds the page writable. */
must_check bool apic_trap_write(uint64_t address);

/* The instruction is done: its value goes where it belongs. */
void apic_trap_stepped(void);

/* WRMSR to the x2APIC's ICR: true if it was carried out by message. */
must_check bool apic_trap_x2apic_icr(uint64_t value);
