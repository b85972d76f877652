/* Names and the state of the guest for reports. */
#include "arch/x86/crash.h"
#include "arch/x86/instr.h"
#include "arch/x86/regs.h"
#include "arch/x86/vmx/entry_checks.h"
#include "arch/x86/vmx/exit_reasons.h"
#include "arch/x86/vmx/vcpu.h"
#include "arch/x86/vmx/vmcs.h"
#include "lib/log.h"

enum { TRACE_SHOWN = 8 };

const char *vmx_exit_name(uint32_t reason)
{
    switch (reason & EXIT_REASON_BASIC) {
#define EXIT_REASON(number, name)                                                                                      \
    case number:                                                                                                       \
        return #name;
#include "arch/x86/vmx/exit_reasons.def"
#undef EXIT_REASON
    }
    return "unknown";
}

const char *virt_exit_name(uint32_t reason)
{
    const char *name = vmx_exit_name(reason);

    return name[0] == 'u' ? NULL : name; /* "unknown"; the SDM's names are in capitals */
}

const char *vmx_instruction_error(uint32_t error)
{
    switch (error) {
#define INSTRUCTION_ERROR(number, text)                                                                                \
    case number:                                                                                                       \
        return text;
#include "arch/x86/vmx/instruction_errors.def"
#undef INSTRUCTION_ERROR
    }
    return "unknown";
}

void vmwrite_failed(uint64_t encoding, uint64_t value)
{
    crash("VMWRITE of %lx to field %lx failed: %s", value, encoding,
          vmx_instruction_error(vmread32(VMCS_INSTRUCTION_ERROR)));
}

void vmx_entry_failed(void)
{
    uint32_t error = vmread32(VMCS_INSTRUCTION_ERROR);

    crash("VM entry failed with instruction error %u: %s", error, vmx_instruction_error(error));
}

/* The counters that IA32_PERF_GLOBAL_CTRL has a bit for (vol. 2, CPUID 0AH), and PERF_METRICS */
static uint64_t perf_global_ctrl_bits(void)
{
    struct cpuid_result r = cpuid(10, 0);

    return (BIT(r.eax >> 8 & 0x1f) - 1) | (BIT(r.edx & 0x1f) - 1) << 32 | BIT(48);
}

static void read_image(struct entry_image *image)
{
    uint32_t widths = cpuid(0x80000008, 0).eax;

    image->capabilities = &vmx.capabilities;
    image->physical_bits = widths & 0xff;
    image->linear_bits = widths >> 8 & 0xff;
    image->perf_global_ctrl = perf_global_ctrl_bits();
    for (enum vmcs_index i = 0; i < VMCS_FIELDS; i++)
        if (!vmread_safe(vmcs_field_encoding(i), &image->value[i]))
            image->value[i] = 0;
}

/* 26.8 "VM-Entry Failures During or After Loading Guest State": what a qualification that is not 0 says */
static void report_entry_failure(const struct entry_image *image)
{
    uint32_t reason = (uint32_t)image->value[INDEX_EXIT_REASON];
    uint64_t qualification = image->value[INDEX_EXIT_QUALIFICATION];

    if (!(reason & EXIT_REASON_ENTRY_FAILURE) || !qualification)
        return;
    if ((reason & EXIT_REASON_BASIC) == EXIT_ENTRY_FAILURE_MSR_LOADING)
        log_error("VM entry failed: entry %lu of the MSR-load area", qualification);
    else
        log_error("VM entry failed: %s", qualification == 2   ? "loading the PDPTEs"
                                         : qualification == 3 ? "an NMI injected under blocking by STI"
                                         : qualification == 4 ? "the VMCS link pointer"
                                                              : "an unknown qualification");
}

/* The CPU's own checks again: after a failed entry they name the field and the rule. */
static void report_entry_checks(const struct entry_image *image)
{
    struct entry_finding findings[4];
    unsigned count = entry_checks(image, findings, ARRAY_SIZE(findings));

    if (!count)
        log_error("VM-entry checks: the VMCS breaks none that Plinth knows");
    for (unsigned i = 0; i < count && i < ARRAY_SIZE(findings); i++) {
        char text[ENTRY_FINDING_MAX];

        entry_finding_text(image, &findings[i], text);
        log_error("VM-entry check: %s", text);
    }
    if (count > ARRAY_SIZE(findings))
        log_error("VM-entry checks: %u more are broken", count - (unsigned)ARRAY_SIZE(findings));
}

/* Every field that is known here, by name, those that are 0 left out. */
static void dump_vmcs(const struct entry_image *image)
{
    for (enum vmcs_index i = 0; i < VMCS_FIELDS; i++)
        if (image->value[i])
            log_error("  %-30s %lx", vmcs_field_name(i), image->value[i]);
}

/* What the EPT has at the address of a violation or misconfiguration. */
static void report_ept(const struct entry_image *image)
{
    uint32_t reason = (uint32_t)image->value[INDEX_EXIT_REASON];
    uint64_t address = image->value[INDEX_GUEST_PHYSICAL_ADDRESS];

    if (reason == EXIT_EPT_VIOLATION || reason == EXIT_EPT_MISCONFIGURATION)
        log_error("EPT: the entry for %lx is %lx", address, pgtable_lookup(&vmx.ept->table, address).entry);
}

/* The newest few that the CPU's ring still holds. */
static void report_trace(uint32_t cpu)
{
    uint64_t first, end;
    char text[VIRT_TRACE_TEXT];

    virt_trace_range(cpu, &first, &end);
    if (end == first)
        log_error("trace: none; with trace=on the last exits are here");
    for (uint64_t number = end - first > TRACE_SHOWN ? end - TRACE_SHOWN : first; number < end; number++)
        if (virt_trace_text(cpu, number, text))
            log_error("%s", text);
}

void virt_dump(void)
{
    static struct entry_image image; /* only one CPU reports, maybe on a stack of one page */
    struct cpu *cpu = cpu_count ? cpu_this() : NULL;
    const struct guest_regs *r;

    if (!cpu || !cpu->vcpu || !cpu->vcpu->vmcs_current)
        return;
    r = cpu->frame;
    read_image(&image);
    report_entry_failure(&image);
    report_entry_checks(&image);
    report_ept(&image);
    log_error("guest: rip %lx rsp %lx rflags %lx", vmread_natural(VMCS_GUEST_RIP), vmread_natural(VMCS_GUEST_RSP),
              vmread_natural(VMCS_GUEST_RFLAGS));
    log_error("  rax %016lx rbx %016lx rcx %016lx rdx %016lx", r->rax, r->rbx, r->rcx, r->rdx);
    log_error("  rsi %016lx rdi %016lx rbp %016lx", r->rsi, r->rdi, r->rbp);
    log_error("  r8  %016lx r9  %016lx r10 %016lx r11 %016lx", r->r8, r->r9, r->r10, r->r11);
    log_error("  r12 %016lx r13 %016lx r14 %016lx r15 %016lx", r->r12, r->r13, r->r14, r->r15);
    dump_vmcs(&image);
    report_trace(cpu->index);
}
