/* In the place of arch/x86/instr.h when code is built for the host: the same functions on the fake CPU (fake.h). */
#pragma once

#include "lib/compiler.h"

struct cpuid_result {
    uint32_t eax, ebx, ecx, edx;
};

struct packed descriptor_pointer {
    uint16_t limit;
    uint64_t base;
};

struct cpuid_result cpuid(uint32_t leaf, uint32_t subleaf);
void cpuid_full(uint64_t *rax, uint64_t *rbx, uint64_t *rcx, uint64_t *rdx);
uint64_t rdmsr(uint32_t index);
void wrmsr(uint32_t index, uint64_t value);
uint64_t rdtsc(void);
uint32_t rdtsc_low(void);
uint64_t log2_floor(uint64_t value);
uint64_t read_cr0(void);
uint64_t read_cr2(void);
uint64_t read_cr3(void);
uint64_t read_cr4(void);
void write_cr0(uint64_t value);
void write_cr2(uint64_t value);
void write_cr3(uint64_t value);
void write_cr4(uint64_t value);
uint64_t read_dr6(void);
void write_dr6(uint64_t value);
void clear_breakpoints(void);
uint32_t rdpkru(void);
uint8_t inb(uint16_t port);
void outb(uint16_t port, uint8_t value);
void sidt(struct descriptor_pointer *pointer);
void wbinvd(void);
void cpu_pause(void);
noreturn void cpu_halt(void);
uint32_t mmio_read32(const volatile void *address);
void mmio_write32(volatile void *address, uint32_t value);
