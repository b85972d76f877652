/* The guest states that Plinth makes itself (SDM vol. 3, 24.4): the boot CPU's entry, after INIT, after SIPI. */
#include "arch/x86/exception.h"
#include "arch/x86/instr.h"
#include "arch/x86/regs.h"
#include "arch/x86/vmx/controls.h"
#include "arch/x86/vmx/exit_reasons.h"
#include "arch/x86/vmx/vcpu.h"
#include "arch/x86/vmx/vmcs.h"
#include "lib/string.h"

/* 24.4.1, table 24-2 "Format of Access Rights" */
enum {
    RIGHTS_CODE32 = 0xc09b,
    RIGHTS_DATA32 = 0xc093,
    RIGHTS_CODE16 = 0x9b,
    RIGHTS_DATA16 = 0x93,
    RIGHTS_LDT = 0x82,
    RIGHTS_BUSY_TSS = 0x8b,
};
enum { DR7_RESET = 0x400, DR6_RESET = 0xffff0ff0, RESET_IP = 0xfff0 };

struct segment {
    uint16_t selector;
    uint32_t limit, rights;
    uint64_t base;
};

/* Encodings of the eight segments' fields follow each other in the order ES CS SS DS FS GS LDTR TR, 2 apart. */
enum segment_index { SEGMENT_ES, SEGMENT_CS, SEGMENT_SS, SEGMENT_DS, SEGMENT_FS, SEGMENT_GS, SEGMENT_LDTR, SEGMENT_TR };

static void set_segment(enum segment_index index, struct segment s)
{
    vmwrite_raw(VMCS_GUEST_ES_SELECTOR + 2 * index, s.selector);
    vmwrite_raw(VMCS_GUEST_ES_BASE + 2 * index, s.base);
    vmwrite_raw(VMCS_GUEST_ES_LIMIT + 2 * index, s.limit);
    vmwrite_raw(VMCS_GUEST_ES_ACCESS_RIGHTS + 2 * index, s.rights);
}

static void set_data_segments(struct segment s)
{
    set_segment(SEGMENT_ES, s);
    set_segment(SEGMENT_SS, s);
    set_segment(SEGMENT_DS, s);
    set_segment(SEGMENT_FS, s);
    set_segment(SEGMENT_GS, s);
}

static void set_table(enum vmcs_field_natural base_field, enum vmcs_field32 limit_field, uint64_t base, uint32_t limit)
{
    vmwrite_natural(base_field, base);
    vmwrite32(limit_field, limit);
}

/* One that waited for its window: not for who starts anew. */
static void forget_nmi(void)
{
    uint32_t primary = vmread32(VMCS_PRIMARY_CONTROLS);

    cpu_this()->nmi_count = 0;
    if (unlikely(primary & PRIMARY_NMI_WINDOW_EXITING))
        vmwrite32(VMCS_PRIMARY_CONTROLS, primary & ~(uint32_t)PRIMARY_NMI_WINDOW_EXITING);
}

/* Of the MSRs an INIT clears those of CET and MPX. Those between the first and the last are the stacks' pointers, or
 * aren't there. */
static void reset_msrs(void)
{
    uint64_t value;

    if (vmread32(VMCS_ENTRY_CONTROLS) & ENTRY_LOAD_BNDCFGS)
        vmwrite64(VMCS_GUEST_BNDCFGS, 0);
    if (!rdmsr_safe(MSR_IA32_S_CET, &value))
        return;
    for (uint32_t index = MSR_IA32_U_CET; index <= MSR_IA32_INTERRUPT_SSP_TABLE_ADDR; index++)
        if (!wrmsr_safe(index, 0))
            continue;
}

/* 9.1.1 "Processor State After Reset", table 9-1, column INIT; GPRs but EDX are 0, the FPU and most MSRs stay */
void vcpu_set_init(void)
{
    struct cpu *cpu = cpu_this();
    const struct vmx_capabilities *c = &vmx.capabilities;

    if (cpu->vcpu->step != STEP_NONE)
        vmx_step_end(cpu->vcpu, EXIT_INIT); /* an INIT by message may come before the entry that was to be stepped */
    memset(cpu->frame, 0, sizeof(*cpu->frame));
    cpu->frame->rdx = cpuid(1, 0).eax;
    vmwrite_natural(VMCS_GUEST_CR0, CR0_ET | (c->cr0_fixed0 & ~(CR0_PE | CR0_PG)));
    vmwrite_natural(VMCS_CR0_SHADOW, CR0_ET);
    vmwrite_natural(VMCS_GUEST_CR3, 0);
    vmwrite_natural(VMCS_GUEST_CR4, c->cr4_fixed0);
    vmwrite_natural(VMCS_CR4_SHADOW, 0);
    vmwrite64(VMCS_GUEST_EFER, 0);
    vmwrite32(VMCS_ENTRY_CONTROLS, vmread32(VMCS_ENTRY_CONTROLS) & ~(uint32_t)ENTRY_IA32E_MODE_GUEST);
    set_segment(SEGMENT_CS, (struct segment){0xf000, 0xffff, RIGHTS_CODE16, 0xffff0000});
    set_data_segments((struct segment){0, 0xffff, RIGHTS_DATA16, 0});
    set_segment(SEGMENT_LDTR, (struct segment){0, 0xffff, RIGHTS_LDT, 0});
    set_segment(SEGMENT_TR, (struct segment){0, 0xffff, RIGHTS_BUSY_TSS, 0});
    set_table(VMCS_GUEST_GDTR_BASE, VMCS_GUEST_GDTR_LIMIT, 0, 0xffff);
    set_table(VMCS_GUEST_IDTR_BASE, VMCS_GUEST_IDTR_LIMIT, 0, 0xffff);
    vmwrite_natural(VMCS_GUEST_RIP, RESET_IP);
    vmwrite_natural(VMCS_GUEST_RSP, 0);
    vmwrite_natural(VMCS_GUEST_RFLAGS, RFLAGS_FIXED);
    vmwrite_natural(VMCS_GUEST_DR7, DR7_RESET);
    clear_breakpoints();
    write_dr6(DR6_RESET);
    write_cr2(0);
    vmwrite64(VMCS_GUEST_DEBUGCTL, 0);
    vmwrite32(VMCS_GUEST_INTERRUPTIBILITY, 0);
    vmwrite_natural(VMCS_GUEST_PENDING_DEBUG, 0);
    vmwrite32(VMCS_ENTRY_INTERRUPTION_INFO, 0);
    vmwrite32(VMCS_GUEST_ACTIVITY, ACTIVITY_ACTIVE);
    forget_nmi();
    reset_msrs();
    vmx_flush_linear();
}

/* 26.3.1.5: that state goes with no blocking and nothing pending; and an NMI that waited for its window is forgotten.
 */
void vcpu_set_wait_for_sipi(void)
{
    vmwrite32(VMCS_GUEST_INTERRUPTIBILITY, 0);
    vmwrite_natural(VMCS_GUEST_PENDING_DEBUG, 0);
    vmwrite32(VMCS_GUEST_ACTIVITY, ACTIVITY_WAIT_FOR_SIPI);
    forget_nmi();
}

/* 8.4.3: execution starts in real mode at 000VV000H. The activity state first: nothing else is needed if the state is
 * that of INIT. */
void vcpu_set_startup(uint8_t vector)
{
    vmwrite32(VMCS_GUEST_ACTIVITY, ACTIVITY_ACTIVE);
    vmwrite16(VMCS_GUEST_CS_SELECTOR, (uint16_t)(vector << 8));
    vmwrite_natural(VMCS_GUEST_CS_BASE, (uint64_t)vector << 12);
    vmwrite_natural(VMCS_GUEST_RIP, 0);
}

/* 0 where there is no such MSR */
static uint64_t value_now(uint32_t index)
{
    uint64_t value;

    return rdmsr_safe(index, &value) ? value : 0;
}

static void set_msrs_as_they_are(void)
{
    uint32_t entry = vmread32(VMCS_ENTRY_CONTROLS);

    if (entry & ENTRY_LOAD_BNDCFGS)
        vmwrite64(VMCS_GUEST_BNDCFGS, value_now(MSR_IA32_BNDCFGS));
    if (entry & ENTRY_LOAD_LBR_CTL)
        vmwrite64(VMCS_GUEST_LBR_CTL, value_now(MSR_IA32_LBR_CTL));
    vmwrite64(VMCS_GUEST_PAT, cpuid(1, 0).edx & CPUID_1_EDX_PAT ? rdmsr(MSR_IA32_PAT) : PAT_RESET);
    vmwrite32(VMCS_GUEST_SYSENTER_CS, (uint32_t)rdmsr(MSR_IA32_SYSENTER_CS));
    vmwrite_natural(VMCS_GUEST_SYSENTER_ESP, rdmsr(MSR_IA32_SYSENTER_ESP));
    vmwrite_natural(VMCS_GUEST_SYSENTER_EIP, rdmsr(MSR_IA32_SYSENTER_EIP));
}

void vcpu_set_first(void)
{
    vcpu_set_init();
    set_msrs_as_they_are();
}

void vcpu_set_entry32(const struct entry32 *entry)
{
    const struct vmx_capabilities *c = &vmx.capabilities;

    cpu_this()->frame->rdx = 0;
    cpu_this()->frame->rax = entry->eax;
    cpu_this()->frame->rbx = entry->ebx;
    cpu_this()->frame->rsi = entry->esi;
    vmwrite_natural(VMCS_GUEST_CR0, CR0_ET | CR0_PE | (c->cr0_fixed0 & ~CR0_PG));
    vmwrite_natural(VMCS_CR0_SHADOW, CR0_ET | CR0_PE);
    set_segment(SEGMENT_CS, (struct segment){entry->code_selector, 0xffffffff, RIGHTS_CODE32, 0});
    set_data_segments((struct segment){entry->data_selector, 0xffffffff, RIGHTS_DATA32, 0});
    set_table(VMCS_GUEST_GDTR_BASE, VMCS_GUEST_GDTR_LIMIT, entry->gdt_base, entry->gdt_limit);
    vmwrite_natural(VMCS_GUEST_RIP, entry->eip);
}

uint64_t vcpu_cr4(void)
{
    uint64_t mask = vmread_natural(VMCS_CR4_MASK);

    return (vmread_natural(VMCS_GUEST_CR4) & ~mask) | (vmread_natural(VMCS_CR4_SHADOW) & mask);
}

/* 24.4.1: SS.DPL is the CPL */
uint8_t vcpu_cpl(void)
{
    return vmread32(VMCS_GUEST_SS_ACCESS_RIGHTS) >> 5 & 3;
}

bool vcpu_is_64bit(void)
{
    return vmread64(VMCS_GUEST_EFER) & EFER_LMA && vmread32(VMCS_GUEST_CS_ACCESS_RIGHTS) & RIGHTS_LONG_CODE;
}

/* The guest's, live, but in root mode to be had only while CR4 says so. Plinth's own pages are a supervisor's. */
static uint32_t read_pkru(void)
{
    uint64_t cr4 = read_cr4();
    uint32_t value;

    write_cr4(cr4 | CR4_PKE);
    value = rdpkru();
    write_cr4(cr4);
    return value;
}

/* 26.3.2.4, 27.3.1: with EPT the PDPTE registers are VMCS fields. */
void vcpu_paging(struct guest_paging *paging)
{
    *paging = (struct guest_paging){
        .cr0 = vmread_natural(VMCS_GUEST_CR0),
        .cr3 = vmread_natural(VMCS_GUEST_CR3),
        .cr4 = vmread_natural(VMCS_GUEST_CR4),
        .efer = vmread64(VMCS_GUEST_EFER),
        .pdpte = {vmread64(VMCS_GUEST_PDPTE0), vmread64(VMCS_GUEST_PDPTE1), vmread64(VMCS_GUEST_PDPTE2),
                  vmread64(VMCS_GUEST_PDPTE3)},
        .physical_bits = vmx.ept->physical_bits,
        .gib_pages = cpuid(0x80000001, 0).edx & CPUID_80000001_EDX_GIB_PAGES,
        .ac = vmread_natural(VMCS_GUEST_RFLAGS) & RFLAGS_AC,
    };
    if (paging->cr4 & CR4_PKE)
        paging->pkru = read_pkru();
    if (paging->cr4 & CR4_PKS)
        paging->pkrs = (uint32_t)value_now(MSR_IA32_PKRS);
}

uint64_t vcpu_rip(void)
{
    return vmread_natural(VMCS_GUEST_RIP);
}

/* The base is 0 in 64-bit code, where it isn't used (SDM vol. 3, 3.4.4). */
uint64_t vcpu_linear_rip(void)
{
    return vmread_natural(VMCS_GUEST_RIP) + vmread_natural(VMCS_GUEST_CS_BASE);
}

/* 27.3.3: the exit has saved RF as 0; with 1 the instruction, executed again, meets no breakpoint that it has met. */
void vcpu_show_cr0(uint64_t value)
{
    vmwrite_natural(VMCS_CR0_SHADOW, value);
    vmwrite_natural(VMCS_GUEST_RFLAGS, vmread_natural(VMCS_GUEST_RFLAGS) | RFLAGS_RF);
}
