/* Is VT-x to be had here, and turning it on (SDM vol. 3, 23.6 "Discovering Support for VMX", 23.7 "Enabling and
 * Entering VMX Operation"). */
#include "arch/x86/exception.h"
#include "arch/x86/instr.h"
#include "arch/x86/mitigations.h"
#include "arch/x86/regs.h"
#include "arch/x86/vmx/controls.h"
#include "arch/x86/vmx/properties.h"
#include "arch/x86/vmx/statistics.h"
#include "arch/x86/vmx/trace.h"
#include "arch/x86/vmx/vcpu.h"
#include "arch/x86/vmx/vmcs.h"
#include "lib/log.h"
#include "lib/options.h"
#include "lib/string.h"

struct vmx vmx;

enum { BASIC_TRUE_CONTROLS_BIT = 55 };

/* What every CPU has that was examined, and what the boot CPU has. */
static struct property_set common, of_boot_cpu;

static uint64_t capability(const struct vmx_capabilities *c, uint32_t plain, uint32_t true_controls)
{
    return rdmsr(c->basic >> BASIC_TRUE_CONTROLS_BIT & 1 ? true_controls : plain);
}

static void read_capabilities(struct vmx_capabilities *c)
{
    c->basic = rdmsr(MSR_IA32_VMX_BASIC);
    c->pin = capability(c, MSR_IA32_VMX_PINBASED_CTLS, MSR_IA32_VMX_TRUE_PINBASED_CTLS);
    c->primary = capability(c, MSR_IA32_VMX_PROCBASED_CTLS, MSR_IA32_VMX_TRUE_PROCBASED_CTLS);
    c->exit = capability(c, MSR_IA32_VMX_EXIT_CTLS, MSR_IA32_VMX_TRUE_EXIT_CTLS);
    c->entry = capability(c, MSR_IA32_VMX_ENTRY_CTLS, MSR_IA32_VMX_TRUE_ENTRY_CTLS);
    c->misc = rdmsr(MSR_IA32_VMX_MISC);
    c->cr0_fixed0 = rdmsr(MSR_IA32_VMX_CR0_FIXED0);
    c->cr0_fixed1 = rdmsr(MSR_IA32_VMX_CR0_FIXED1);
    c->cr4_fixed0 = rdmsr(MSR_IA32_VMX_CR4_FIXED0);
    c->cr4_fixed1 = rdmsr(MSR_IA32_VMX_CR4_FIXED1);
    c->secondary = c->primary >> 32 & PRIMARY_SECONDARY_CONTROLS ? rdmsr(MSR_IA32_VMX_PROCBASED_CTLS2) : 0;
    c->ept_vpid = c->secondary >> 32 & (SECONDARY_EPT | SECONDARY_VPID) ? rdmsr(MSR_IA32_VMX_EPT_VPID_CAP) : 0;
    if ((c->ept_vpid & EPT_INVVPID_SINGLE) != EPT_INVVPID_SINGLE)
        c->secondary &= ~((uint64_t)SECONDARY_VPID << 32); /* of no use if nothing can be dropped */
}

void virt_examine_cpu(void)
{
    struct vmx_facts facts = {.vmx = cpuid(1, 0).ecx & CPUID_1_ECX_VMX};
    struct property_set set;

    facts.feature_control_readable = facts.vmx && rdmsr_safe(MSR_IA32_FEATURE_CONTROL, &facts.feature_control);
    if (vmx_is_allowed(&facts))
        read_capabilities(&facts.capabilities);
    set = vmx_properties(&facts);
    if (cpu_index() == 0) {
        vmx.capabilities = facts.capabilities;
        common = of_boot_cpu = set;
    }
    capabilities_narrow(&vmx.capabilities, &facts.capabilities);
    __atomic_and_fetch(&common.found, set.found, __ATOMIC_ACQ_REL);
    __atomic_and_fetch(&common.known, set.known | of_boot_cpu.found, __ATOMIC_ACQ_REL);
}

struct property_set virt_properties(uint64_t *boot_cpu_found)
{
    *boot_cpu_found = of_boot_cpu.found;
    return common;
}

uint32_t virt_cpu_pages(void)
{
    return 2 + vmx_trace_pages() + vmx_statistics_pages(); /* VMXON region, VMCS */
}

bool virt_gives(enum virt_feature feature)
{
    uint32_t possible = (uint32_t)(vmx.capabilities.secondary >> 32);

    switch (feature) {
    case VIRT_NEVER:
        return false;
    case VIRT_INVPCID:
        return possible & SECONDARY_INVPCID;
    case VIRT_RDTSCP:
        return possible & SECONDARY_RDTSCP;
    case VIRT_USER_WAIT:
        return possible & SECONDARY_USER_WAIT_PAUSE;
    case VIRT_PCONFIG:
        return possible & SECONDARY_PCONFIG;
    case VIRT_XSAVES:
        return possible & SECONDARY_XSAVES;
    }
    return false;
}

bool virt_has_gib_pages(void)
{
    return vmx.capabilities.ept_vpid & EPT_1GIB;
}

bool virt_has_accessed_dirty(void)
{
    return vmx.capabilities.ept_vpid & EPT_ACCESSED_DIRTY_FLAGS;
}

bool virt_has_wait_for_sipi(void)
{
    return vmx.capabilities.misc & MISC_WAIT_FOR_SIPI;
}

/* One line that says what of the optional features is there, and so used. */
static void log_features(void)
{
    log_info("VT-x: EPT%s%s, unrestricted guest%s%s%s%s", virt_has_gib_pages() ? ", 1 GiB pages" : "",
             virt_has_accessed_dirty() ? ", A/D bits" : "",
             vmx.capabilities.secondary >> 32 & SECONDARY_VPID ? ", VPID" : "",
             virt_gives(VIRT_INVPCID) ? ", INVPCID" : "", virt_gives(VIRT_XSAVES) ? ", XSAVES" : "",
             virt_gives(VIRT_USER_WAIT) ? ", TPAUSE" : "");
}

static const char *choose_exit_entry(void)
{
    if (vmx_trace_entry())
        return vmx_trace_entry();
    if (mitigations.l1d_flush == L1D_FLUSH_ALWAYS)
        return vmx_exit_entry_any;
    return vmx_exit_entries[options.statistics][mitigations.scrub.on][mitigations.verw.on];
}

bool virt_init(struct pool *pool, const struct ept *ept, struct error *error)
{
    vmx.pool = pool;
    vmx.ept = ept;
    vmx.msr_bitmap = pool_get(pool);
    if (!vmx.msr_bitmap)
        return fail(error, "Memory: no page for the MSR bitmap: report this as a defect");
    vmx.msr_bitmap_physical = pool_physical(pool, vmx.msr_bitmap);
    log_features();
    vmx_trace_init();
    vmx.exit_entry = choose_exit_entry();
    return true;
}

/* 24.2 "Format of the VMCS Region", 24.11.5 "VMXON Region": both begin with the revision identifier, that of this CPU
 */
static uint64_t new_region(void)
{
    uint32_t *region = pool_get(vmx.pool);

    if (!region)
        return 0;
    *region = (uint32_t)rdmsr(MSR_IA32_VMX_BASIC) & 0x7fffffff;
    return pool_physical(vmx.pool, region);
}

static void enable_vmx(void)
{
    const struct vmx_capabilities *c = &vmx.capabilities;
    uint64_t control = rdmsr(MSR_IA32_FEATURE_CONTROL);

    if (!(control & FEATURE_CONTROL_LOCK))
        wrmsr(MSR_IA32_FEATURE_CONTROL, control | FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX);
    write_cr0((read_cr0() | c->cr0_fixed0) & c->cr0_fixed1);
    /* MCE: a machine check in root mode is a report, not the CPU's shutdown (6.15, "Interrupt 18"; 27.8) */
    write_cr4((read_cr4() | CR4_VMXE | CR4_MCE | c->cr4_fixed0) & c->cr4_fixed1);
    if (cpuid(1, 0).ecx & CPUID_1_ECX_XSAVE)
        write_cr4(read_cr4() | CR4_OSXSAVE); /* for the guest's XSETBV */
}

bool virt_start_cpu(struct error *error)
{
    struct cpu *cpu = cpu_this();
    struct vcpu *vcpu = (struct vcpu *)((char *)cpu + CPU_VCPU_OFFSET);

    *vcpu = (struct vcpu){.vmcs_current = false};
    if (!(vcpu->vmxon_physical = new_region()) || !(vcpu->vmcs_physical = new_region()))
        return fail(error, "Memory: no pages for the VMX regions of cpu%u: report this as a defect", cpu->index);
    enable_vmx();
    if (!vmxon(vcpu->vmxon_physical))
        return fail(error, "VT-x: VMXON failed on cpu%u: another hypervisor, or the firmware, has VT-x in use",
                    cpu->index);
    cpu->vcpu = vcpu;
    if (!vmclear(vcpu->vmcs_physical) || !vmptrld(vcpu->vmcs_physical))
        return fail(error, "VT-x: VMCLEAR or VMPTRLD failed on cpu%u: report this as a defect", cpu->index);
    vcpu->vmcs_current = true;
    /* 15 registers below a slot that aligns the stack at the call of vmx_exit() */
    cpu->frame = (struct guest_regs *)((uint64_t)cpu - CPU_STRUCT + CPU_STACK_TOP - 8) - 1;
    vmcs_set_host_state();
    return vmcs_set_controls(error) && vmx_trace_start_cpu(vcpu, error) && vmx_statistics_start_cpu(error);
}

void virt_stop_cpu(void)
{
    struct cpu *cpu = cpu_this();

    if (!cpu->vcpu)
        return;
    /* 24.11.1: only then does the CPU keep nothing of it that it might write back, into what is the guest's RAM soon */
    cpu->vcpu->vmcs_current = !vmclear(cpu->vcpu->vmcs_physical);
    cpu->vcpu = NULL;
    vmxoff();
    write_cr4(read_cr4() & ~CR4_VMXE);
}

void virt_launch(void)
{
    vmx_launch();
}

/* 24.6.9 "MSR-Bitmap Address": four bitmaps of 1 KiB: reads low, reads high, writes low, writes high */
void virt_intercept_msr(uint32_t index, bool read, bool write)
{
    uint32_t bit = index & 0x1fff;
    uint8_t *bitmap = vmx.msr_bitmap + (index >= 0xc0000000 ? 1024 : 0) + bit / 8;
    uint8_t mask = (uint8_t)(1 << bit % 8);

    if (read)
        __atomic_fetch_or(bitmap, mask, __ATOMIC_RELAXED);
    else
        __atomic_fetch_and(bitmap, (uint8_t)~mask, __ATOMIC_RELAXED);
    bitmap += 2048;
    if (write)
        __atomic_fetch_or(bitmap, mask, __ATOMIC_RELAXED);
    else
        __atomic_fetch_and(bitmap, (uint8_t)~mask, __ATOMIC_RELAXED);
}

void vcpu_flush_ept(uint64_t pointer)
{
    invept(INVEPT_SINGLE_CONTEXT, pointer);
}

/* Without VPID every entry and exit does it (28.3.3.1). */
void vmx_flush_linear(void)
{
    if (vmx.capabilities.secondary >> 32 & SECONDARY_VPID)
        invvpid(INVVPID_SINGLE_CONTEXT, vmread16(VMCS_VPID));
}

void vcpu_set_ept(uint64_t pointer)
{
    vmwrite64(VMCS_EPT_POINTER, pointer);
}
