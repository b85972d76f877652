/* The half of the mitigations that touches the CPU. */
#include "arch/x86/cpu.h"
#include "arch/x86/exception.h"
#include "arch/x86/instr.h"
#include "arch/x86/mitigations.h"
#include "arch/x86/regs.h"
#include "lib/log.h"

enum { LEAF7_EDX_ARCH_CAPABILITIES = BIT(29), FLUSH_L1D = BIT(0) };

/* Read instead of flushing: larger than any level-1 data cache, whatever its replacement policy keeps of it. */
enum { FILL_BYTES = 64 * KIB, CACHE_LINE = 64, PAGE_BYTES = 4096 };

extern const char text_start[];

struct mitigations mitigations __attribute__((section(".sealed")));

/* DisplayFamily_DisplayModel, SDM vol. 2, CPUID leaf 01H */
static void read_signature(struct cpu_security *cpu)
{
    uint32_t eax = cpuid(1, 0).eax;

    cpu->family = eax >> 8 & 0xf;
    cpu->model = (eax >> 4 & 0xf) | (eax >> 12 & 0xf0);
    if (cpu->family == 0xf)
        cpu->family += eax >> 20 & 0xff;
}

static struct cpu_security read_cpu(void)
{
    struct cpu_security cpu = {.arch_capabilities = 0};

    read_signature(&cpu);
    if (cpuid(0, 0).eax < 7)
        return cpu;
    cpu.leaf7_ebx = cpuid(7, 0).ebx;
    cpu.leaf7_edx = cpuid(7, 0).edx;
    if (!(cpu.leaf7_edx & LEAF7_EDX_ARCH_CAPABILITIES) ||
        !rdmsr_safe(MSR_IA32_ARCH_CAPABILITIES, &cpu.arch_capabilities))
        cpu.arch_capabilities = 0;
    return cpu;
}

static const char *l1d_text(const struct mitigations *m)
{
    switch (m->l1d_flush) {
    case L1D_FLUSH_AUTO:
    case L1D_FLUSH_NEVER:
        return "never";
    case L1D_FLUSH_COND:
        return m->flush_command ? "cond, by IA32_FLUSH_CMD" : "cond, by filling it";
    case L1D_FLUSH_ALWAYS:
        return m->flush_command ? "always, by IA32_FLUSH_CMD" : "always, by filling it";
    }
    return "";
}

void mitigations_log(void)
{
    const struct mitigations *m = &mitigations;

    log_info("Side channels: L1D flush %s (%s)", l1d_text(m), m->l1d_reason);
    log_info("Side channels: VERW %s (%s)", m->verw.on ? "on" : "off", m->verw.reason);
    log_info("Side channels: register scrub %s (%s)", m->scrub.on ? "on" : "off", m->scrub.reason);
    log_info("Side channels: small executable pages %s (%s)", m->small_execute.on ? "on" : "off",
             m->small_execute.reason);
}

void mitigations_init(void)
{
    struct cpu_security cpu = read_cpu();

    mitigations = mitigations_decide(&cpu, &options);
    mitigations_log();
}

/* Plinth's own code: no secret. The pages first, so that no table walk comes between the lines. */
static void fill_l1d(void)
{
    for (unsigned i = 0; i < FILL_BYTES; i += PAGE_BYTES)
        (void)*(const volatile char *)(text_start + i);
    for (unsigned i = 0; i < FILL_BYTES; i += CACHE_LINE)
        (void)*(const volatile char *)(text_start + i);
    asm volatile("lfence" : : : "memory");
}

void mitigations_flush_l1d(void)
{
    CPU_GS->l1d_flushes++;
    if (mitigations.flush_command)
        wrmsr(MSR_IA32_FLUSH_CMD, FLUSH_L1D);
    else
        fill_l1d();
}
