/* One CPU's instructions: VMREAD and VMWRITE, MSRs, CPUID, control registers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fake/fake.h"

#include "arch/x86/exception.h"
#include "arch/x86/instr.h"
#include "arch/x86/regs.h"
#include "arch/x86/vmx/vmx_instr.h"

struct fake_cpu fake_cpus[FAKE_CPUS];
unsigned fake_current;

static uint64_t now; /* TSC */

static noreturn void defect(const char *what, uint64_t value)
{
    fprintf(stderr, "fake CPU: %s (%llx)\n", what, (unsigned long long)value);
    abort();
}

static struct fake_cpu *me(void)
{
    return &fake_cpus[fake_current];
}

/* ---- the VMCS ---- */

static enum vmcs_index index_of(uint64_t encoding)
{
    for (enum vmcs_index i = 0; i < VMCS_FIELDS; i++)
        if (vmcs_field_encoding(i) == encoding)
            return i;
    defect("VMREAD or VMWRITE of a field that there is not", encoding);
}

/* Encodings have 15 bits, bit 0 is 0; looked up once each. */
static enum vmcs_index find(uint64_t encoding)
{
    static uint8_t known[0x4000]; /* 1 + index */

    if (encoding & ~UINT64_C(0x7ffe))
        defect("not a VMCS field", encoding);
    if (!known[encoding / 2])
        known[encoding / 2] = (uint8_t)(1 + index_of(encoding));
    return known[encoding / 2] - 1;
}
_Static_assert(VMCS_FIELDS < 255, "an index is a byte");

uint64_t vmread_raw(uint64_t encoding)
{
    return me()->vmcs[find(encoding)];
}

bool vmread_safe(uint64_t encoding, uint64_t *value)
{
    *value = vmread_raw(encoding);
    return true;
}

/* 24.11.2: a 16-bit or 32-bit field takes no more than its width */
static uint64_t cut(uint64_t encoding, uint64_t value)
{
    switch (encoding >> 13 & 3) {
    case 0:
        return (uint16_t)value;
    case 2:
        return (uint32_t)value;
    }
    return value;
}

void vmwrite_raw(uint64_t encoding, uint64_t value)
{
    enum vmcs_index i = find(encoding);

    if ((encoding >> 10 & 3) == 1)
        defect("VMWRITE of a read-only field", encoding);
    me()->vmcs[i] = cut(encoding, value);
    me()->written[i] = true;
}

void vmwrite_sure(uint64_t encoding, uint64_t value)
{
    vmwrite_raw(encoding, value);
}

bool vmxon(uint64_t physical)
{
    return physical;
}

bool vmclear(uint64_t physical)
{
    if (me()->vmcs_active == physical)
        me()->vmcs_active = 0;
    return physical;
}

bool vmptrld(uint64_t physical)
{
    me()->vmcs_active = physical;
    return physical;
}

void vmxoff(void)
{
    if (me()->vmcs_active)
        defect("VMXOFF with an active VMCS", me()->vmcs_active);
}

bool fake_invept_broken;

void invept(uint64_t type, uint64_t pointer)
{
    const uint64_t tables = ~(uint64_t)0xfff; /* EP4TA: bits 51:12 of the EPT pointer */

    if (type != INVEPT_SINGLE_CONTEXT || (pointer & 0x3f) != 0x1e)
        defect("INVEPT with an invalid operand", pointer);
    for (unsigned i = 0; i < FAKE_TLB && !fake_invept_broken; i++)
        if (((me()->tlb[i].pointer ^ pointer) & tables) == 0)
            me()->tlb[i] = (struct fake_translation){0};
}

void invvpid(uint64_t type, uint16_t vpid)
{
    if (type != INVVPID_SINGLE_CONTEXT || vpid != fake_current + 1)
        defect("INVVPID with an invalid operand", vpid);
    me()->linear_flushes++;
}

/* ---- MSRs ---- */

void fake_msr_add(struct fake_cpu *cpu, uint32_t index, uint64_t value)
{
    if (cpu->msr_count == FAKE_MSRS)
        defect("too many MSRs", index);
    cpu->msrs[cpu->msr_count++] = (struct fake_msr){index, value};
}

uint64_t *fake_msr(uint32_t index)
{
    for (unsigned i = 0; i < me()->msr_count; i++)
        if (me()->msrs[i].index == index)
            return &me()->msrs[i].value;
    return NULL;
}

/* 10.12.5: the modes can't be changed in every order */
static bool apic_base_valid(uint64_t old, uint64_t new)
{
    uint64_t mode = new &(APIC_BASE_ENABLE | APIC_BASE_EXTD);

    if (new & ~(APIC_BASE_FLAGS | UINT64_C(0xfffffff000)) || mode == APIC_BASE_EXTD)
        return false;
    return !(old & APIC_BASE_EXTD) || mode != APIC_BASE_ENABLE;
}

static bool write_valid(uint32_t index, uint64_t old, uint64_t new)
{
    switch (index) {
    case MSR_IA32_APIC_BASE:
        return apic_base_valid(old, new);
    case MSR_IA32_FEATURE_CONTROL:
    case MSR_IA32_MTRRCAP:
    case MSR_IA32_ARCH_CAPABILITIES:
        return false;
    case MSR_IA32_XSS:
        return !(new & ~UINT64_C(0x1900));
    case MSR_IA32_PEBS_ENABLE:
    case MSR_IA32_PERF_GLOBAL_CTRL:
        return !(new & ~UINT64_C(0x70000000f));
    }
    return index < MSR_IA32_VMX_BASIC || index > MSR_IA32_VMX_EXIT_CTLS2;
}

bool rdmsr_safe(uint32_t index, uint64_t *value)
{
    const uint64_t *msr = fake_msr(index);

    if (msr)
        *value = *msr;
    return msr || fake_lapic_msr_read(index, value);
}

bool wrmsr_safe(uint32_t index, uint64_t value)
{
    uint64_t *msr = fake_msr(index);

    if (!msr)
        return fake_lapic_msr_write(index, value);
    if (!write_valid(index, *msr, value))
        return false;
    *msr = value;
    return true;
}

uint64_t rdmsr(uint32_t index)
{
    uint64_t value;

    if (!rdmsr_safe(index, &value))
        defect("#GP in root mode: RDMSR", index);
    return value;
}

void wrmsr(uint32_t index, uint64_t value)
{
    if (!wrmsr_safe(index, value))
        defect("#GP in root mode: WRMSR", index);
}

/* x87 always, AVX not without SSE: enough to have both answers; and APX, which Plinth hides */
bool xsetbv_safe(uint32_t index, uint64_t value)
{
    if (index || !(value & 1) || value & ~UINT64_C(0x80007) || (value & 6) == 4)
        return false;
    me()->xcr0 = value;
    return true;
}

/* ---- CPUID ---- */

struct cpuid_result cpuid(uint32_t leaf, uint32_t subleaf)
{
    switch (leaf) {
    case 0:
        return (struct cpuid_result){0x29, 0x756e6547, 0x6c65746e, 0x49656e69};
    case 1:
        return (struct cpuid_result){0x50654, fake_current << 24, 0x77fafbff, 0xbfebfbff};
    case 6: /* a feedback table of two pages */
        return (struct cpuid_result){0x80000, 0, 0, 0x100};
    case 7:
        if (subleaf)
            return (struct cpuid_result){~0u, ~0u, ~0u, ~0u};
        return (struct cpuid_result){1, 0xd39ffffb, 0x402838, 0xbc040400};
    case 10:
        return (struct cpuid_result){0x07300404, 0, 0, 0x603};
    case 0x80000000:
        return (struct cpuid_result){0x80000008, 0, 0, 0};
    case 0xd:
        return (struct cpuid_result){~0u, 0, ~0u, 0};
    case 0x19:
        return (struct cpuid_result){0x3, me()->cr4 & CR4_KL ? 0x15 : 0x14, 0x3, 0};
    case 0x80000001:
        return (struct cpuid_result){0, 0, 0x121, 0x2c100800};
    case 0x80000008:
        return (struct cpuid_result){0x3028, 0, 0, 0};
    }
    return (struct cpuid_result){leaf, subleaf, ~leaf, ~subleaf};
}

void cpuid_full(uint64_t *rax, uint64_t *rbx, uint64_t *rcx, uint64_t *rdx)
{
    struct cpuid_result r = cpuid((uint32_t)*rax, (uint32_t)*rcx);

    *rax = r.eax;
    *rbx = r.ebx;
    *rcx = r.ecx;
    *rdx = r.edx;
}

/* ---- registers, time, memory ---- */

#define CONTROL_REGISTER(name)                                                                                         \
    uint64_t read_##name(void)                                                                                         \
    {                                                                                                                  \
        return me()->name;                                                                                             \
    }                                                                                                                  \
    void write_##name(uint64_t value)                                                                                  \
    {                                                                                                                  \
        me()->name = value;                                                                                            \
    }
CONTROL_REGISTER(cr0)
CONTROL_REGISTER(cr2)
CONTROL_REGISTER(cr3)
CONTROL_REGISTER(cr4)
CONTROL_REGISTER(dr6)

uint32_t rdpkru(void)
{
    if (!(me()->cr4 & CR4_PKE))
        defect("#UD in root mode: RDPKRU", 0);
    return me()->pkru;
}

void clear_breakpoints(void)
{
    me()->breakpoints = 0;
}

uint64_t rdtsc(void)
{
    return now += 100;
}

uint32_t rdtsc_low(void)
{
    return (uint32_t)rdtsc();
}

uint64_t log2_floor(uint64_t value)
{
    return 63 - (uint64_t)__builtin_clzl(value | 1);
}

uint8_t fake_port_bytes[FAKE_PORTS];

uint8_t inb(uint16_t port)
{
    return (uint8_t)port;
}

void outb(uint16_t port, uint8_t value)
{
    fake_port_bytes[port % FAKE_PORTS] = value;
}

void sidt(struct descriptor_pointer *pointer)
{
    *pointer = (struct descriptor_pointer){4095, UINT64_C(0xffffffff80030000)};
}

void wbinvd(void)
{
    me()->write_backs++;
}

uint32_t mmio_read32(const volatile void *address)
{
    return *(const volatile uint32_t *)address;
}

void mmio_write32(volatile void *address, uint32_t value)
{
    *(volatile uint32_t *)address = value;
}
