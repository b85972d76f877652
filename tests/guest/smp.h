/* The other CPUs: found in the MADT, started with the boot CPU's own LAPIC in xAPIC or x2APIC mode. Boot CPU only. */
#pragma once

#include "tests/guest/cpu.h"

enum { SPURIOUS_VECTOR = 0xff };

/* Interrupt command register, low half (SDM 10.6.1 "Interrupt Command Register (ICR)"). */
enum { ICR_FIXED = 0x4000, ICR_NMI = 0x4400, ICR_INIT = 0x4500, ICR_STARTUP = 0x4600 };

/* Registers of the local APIC by their offset in xAPIC mode (SDM table 10-1) */
enum {
    APIC_ID = 0x20,
    APIC_TPR = 0x80,
    APIC_EOI = 0xb0,
    APIC_LDR = 0xd0,
    APIC_DFR = 0xe0,
    APIC_SPURIOUS = 0xf0,
    APIC_ISR = 0x100,
    APIC_IRR = 0x200,
    APIC_ESR = 0x280,
    APIC_ICR_LOW = 0x300,
    APIC_ICR_HIGH = 0x310,
    APIC_LVT_TIMER = 0x320,
    APIC_LVT_ERROR = 0x370,
    APIC_INITIAL_COUNT = 0x380,
    APIC_CURRENT_COUNT = 0x390,
    APIC_DIVIDE = 0x3e0,
};

/* Finds the MADT from the RSDP (0: searched in low memory) and fills cpu_apic_ids[]. NULL, or what is wrong. */
const char *acpi_find_cpus(uint64_t rsdp);

/* The calling CPU's LAPIC: software-enabled, spurious vector set. */
void apic_enable(void);
void apic_end_of_interrupt(void);
uint32_t apic_id(void);
bool apic_is_x2(void);
/* In whatever mode it is. */
uint32_t apic_read(unsigned offset);
void apic_write(unsigned offset, uint32_t value);
void apic_record(struct apic_registers *registers);
/* Returns when the command was taken; one write of the ICR (two in xAPIC mode). */
void apic_send(uint32_t target, uint32_t command);
void apic_send_self(uint8_t vector);

void delay_us(unsigned microseconds);

/* Copies the start page to low memory; call before the first start. */
void smp_prepare(void);
/* INIT, 10 ms, SIPI, 200 us, SIPI (SDM 8.4.4.1). True if the CPU came up once within 100 ms. */
bool smp_start(struct cpu *cpu);
/* Waits until cpu->starts has reached `starts`; false after about `ms` milliseconds. */
bool smp_wait_started(const struct cpu *cpu, uint32_t starts, unsigned ms);
/* True if the idle CPU's heartbeat moves. */
bool smp_alive(const struct cpu *cpu);
/* Runs the job on that CPU (also on the boot CPU itself) and waits for its end: 2 s at most, then the run ends. */
void smp_run(struct cpu *cpu, job_t *job, void *argument);
/* Runs the job on all CPUs that have started, each with one of the arguments of `size` bytes, and waits for all. */
void smp_run_all(job_t *job, void *arguments, size_t size);

extern const uint8_t ap_page[], ap_page_end[], ap_page_registers[], ap_page_lock[];
