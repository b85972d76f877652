/*
 * The instructions that C has no words for, one inline function each (SDM vol. 2). Root mode or boot, CPL 0,
 * any CPU; those that can fault say so, the rest can't with valid arguments. Host tests have a header of their own in
 * this one's place.
 */
#pragma once

#include "lib/compiler.h"

struct cpuid_result {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid_result cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_result r;
    asm volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

/* Whole registers as the instruction leaves them: leaf in *rax, subleaf in *rcx. */
static inline void cpuid_full(uint64_t *rax, uint64_t *rbx, uint64_t *rcx, uint64_t *rdx)
{
    uint64_t a = *rax, b, c = *rcx, d;
    asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    *rax = a;
    *rbx = b;
    *rcx = c;
    *rdx = d;
}

/* #GP where the CPU has no such MSR: rdmsr_safe() (arch/x86/exception.h) is for those */
static inline uint64_t rdmsr(uint32_t index)
{
    uint32_t low, high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
    return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t index, uint64_t value)
{
    asm volatile("wrmsr" : : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

static inline uint64_t rdtsc(void)
{
    uint32_t low, high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/* For differences that stay below 2^32: two instructions less than rdtsc(). */
/* The logarithm, of 0 as of 1, for which BSR has no answer. Not by __builtin_clzl(): that costs three instructions
 * more. */
static inline uint64_t log2_floor(uint64_t value)
{
    asm("or $1, %0; bsr %0, %0" : "+r"(value) : : "cc");
    return value;
}

static inline uint32_t rdtsc_low(void)
{
    uint32_t low;
    asm volatile("rdtsc" : "=a"(low) : : "rdx");
    return low;
}

#define CONTROL_REGISTER(n)                                                                                            \
    static inline uint64_t read_cr##n(void)                                                                            \
    {                                                                                                                  \
        uint64_t value;                                                                                                \
        asm volatile("mov %%cr" #n ", %0" : "=r"(value) : : "memory");                                                 \
        return value;                                                                                                  \
    }                                                                                                                  \
    static inline void write_cr##n(uint64_t value)                                                                     \
    {                                                                                                                  \
        asm volatile("mov %0, %%cr" #n : : "r"(value) : "memory");                                                     \
    }
CONTROL_REGISTER(0)
CONTROL_REGISTER(2)
CONTROL_REGISTER(3)
CONTROL_REGISTER(4)

static inline uint64_t read_dr6(void)
{
    uint64_t value;
    asm volatile("mov %%dr6, %0" : "=r"(value));
    return value;
}

static inline void write_dr6(uint64_t value)
{
    asm volatile("mov %0, %%dr6" : : "r"(value));
}

/* CR4.PKE must be 1. */
static inline uint32_t rdpkru(void)
{
    uint32_t value, zero;
    asm volatile("rdpkru" : "=a"(value), "=d"(zero) : "c"(0));
    return value;
}

/* DR0 to DR3 */
static inline void clear_breakpoints(void)
{
    asm volatile("mov %0, %%dr0; mov %0, %%dr1; mov %0, %%dr2; mov %0, %%dr3" : : "r"((uint64_t)0));
}

static inline uint8_t inb(uint16_t port)
{
    uint8_t value;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void outb(uint16_t port, uint8_t value)
{
    asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint16_t inw(uint16_t port)
{
    uint16_t value;
    asm volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void outw(uint16_t port, uint16_t value)
{
    asm volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint32_t inl(uint16_t port)
{
    uint32_t value;
    asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void outl(uint16_t port, uint32_t value)
{
    asm volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

struct packed descriptor_pointer {
    uint16_t limit;
    uint64_t base;
};

static inline void lgdt(const struct descriptor_pointer *pointer)
{
    asm volatile("lgdt %0" : : "m"(*pointer));
}

static inline void lidt(const struct descriptor_pointer *pointer)
{
    asm volatile("lidt %0" : : "m"(*pointer));
}

static inline void sidt(struct descriptor_pointer *pointer)
{
    asm volatile("sidt %0" : "=m"(*pointer));
}

static inline void ltr(uint16_t selector)
{
    asm volatile("ltr %0" : : "r"(selector));
}

static inline void invlpg(const void *address)
{
    asm volatile("invlpg (%0)" : : "r"(address) : "memory");
}

/* Writes the cache line with this byte back to memory, and drops it from all caches. */
static inline void clflush(const volatile void *address)
{
    asm volatile("clflush (%0)" : : "r"(address) : "memory");
}

static inline void wbinvd(void)
{
    asm volatile("wbinvd" : : : "memory");
}

static inline void cpu_pause(void)
{
    asm volatile("pause" : : : "memory");
}

/* For ever; NMIs and SMIs are still taken. */
static inline noreturn void cpu_halt(void)
{
    for (;;)
        asm volatile("cli; hlt" : : : "memory");
}

static inline uint32_t mmio_read32(const volatile void *address)
{
    uint32_t value;
    asm volatile("movl %1, %0" : "=r"(value) : "m"(*(const volatile uint32_t *)address) : "memory");
    return value;
}

static inline void mmio_write32(volatile void *address, uint32_t value)
{
    asm volatile("movl %1, %0" : "=m"(*(volatile uint32_t *)address) : "r"(value) : "memory");
}
