/*
 * Processor event-based sampling (SDM vol. 3, 18.4.4 "Processor Event Based Sampling (PEBS)"): the CPU writes records
 * to a linear address that the guest chose, by the page tables of the moment. So it is off whenever Plinth's are: the
 * MSR-load areas of exits and entries (24.7.2, 24.8.2) switch it, and only while the guest uses it.
 */
#include "arch/x86/exception.h"
#include "arch/x86/instr.h"
#include "arch/x86/regs.h"
#include "arch/x86/vmx/vcpu.h"
#include "arch/x86/vmx/vmcs.h"

static uint64_t physical(const struct msr_load *area)
{
    const struct cpu *cpu = cpu_this();

    return cpu_struct_physical(cpu) + ((uint64_t)area - (uint64_t)cpu);
}

static void switch_pebs(uint64_t value)
{
    struct vcpu *vcpu = cpu_this()->vcpu;

    vcpu->pebs_off = (struct msr_load){.index = MSR_IA32_PEBS_ENABLE, .value = 0};
    vcpu->pebs_on = (struct msr_load){.index = MSR_IA32_PEBS_ENABLE, .value = value};
    vmwrite64(VMCS_EXIT_MSR_LOAD_ADDRESS, physical(&vcpu->pebs_off));
    vmwrite64(VMCS_ENTRY_MSR_LOAD_ADDRESS, physical(&vcpu->pebs_on));
    vmwrite32(VMCS_EXIT_MSR_LOAD_COUNT, value != 0);
    vmwrite32(VMCS_ENTRY_MSR_LOAD_COUNT, value != 0);
}

/* A value that the CPU refuses would be a failed VM entry, so it is tried first, with all counters stopped. */
bool vcpu_write_pebs_enable(uint64_t value)
{
    uint64_t counters;
    bool taken;

    if (!rdmsr_safe(MSR_IA32_PERF_GLOBAL_CTRL, &counters))
        return wrmsr_safe(MSR_IA32_PEBS_ENABLE, value); /* no counters that could overflow */
    wrmsr(MSR_IA32_PERF_GLOBAL_CTRL, 0);
    taken = wrmsr_safe(MSR_IA32_PEBS_ENABLE, value);
    if (taken) {
        wrmsr(MSR_IA32_PEBS_ENABLE, 0);
        switch_pebs(value);
    }
    wrmsr(MSR_IA32_PERF_GLOBAL_CTRL, counters);
    return taken;
}
