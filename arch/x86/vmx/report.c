/* Names and the state of the guest for reports. */
#include "arch/x86/crash.h"
#include "arch/x86/vmx/exit_reasons.h"
#include "arch/x86/vmx/vcpu.h"
#include "arch/x86/vmx/vmcs.h"
#include "lib/log.h"

const char *vmx_exit_name(uint32_t reason)
{
    switch (reason & 0xffff) {
#define EXIT_REASON(number, name)                                                                                      \
    case number:                                                                                                       \
        return #name;
#include "arch/x86/vmx/exit_reasons.def"
#undef EXIT_REASON
    }
    return "unknown";
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

/* False for a field that this CPU doesn't have. */
static bool vmread_field(uint64_t encoding, uint64_t *value)
{
    bool failed;

    asm volatile("vmread %2, %1" : "=@ccbe"(failed), "=r"(*value) : "r"(encoding));
    return !failed;
}

/* Every field that is known here, by name, those that are 0 left out: a failed entry is found by its field. */
static void dump_vmcs(void)
{
    static const struct {
        uint16_t encoding;
        char name[30];
    } fields[] = {
#define ANY_FIELD(width, area, encoding, name) {encoding, #name},
#include "arch/x86/vmx/vmcs_fields.def"
    };

    for (unsigned i = 0; i < ARRAY_SIZE(fields); i++) {
        uint64_t value;

        if (vmread_field(fields[i].encoding, &value) && value)
            log_error("  %-30s %lx", fields[i].name, value);
    }
}

void virt_dump(void)
{
    struct cpu *cpu = cpu_count ? cpu_this() : NULL;
    const struct guest_regs *r;

    if (!cpu || !cpu->vcpu || !cpu->vcpu->vmcs_current)
        return;
    r = cpu->frame;
    log_error("guest: rip %lx rsp %lx rflags %lx", vmread_natural(VMCS_GUEST_RIP), vmread_natural(VMCS_GUEST_RSP),
              vmread_natural(VMCS_GUEST_RFLAGS));
    log_error("  rax %016lx rbx %016lx rcx %016lx rdx %016lx", r->rax, r->rbx, r->rcx, r->rdx);
    log_error("  rsi %016lx rdi %016lx rbp %016lx", r->rsi, r->rdi, r->rbp);
    log_error("  r8  %016lx r9  %016lx r10 %016lx r11 %016lx", r->r8, r->r9, r->r10, r->r11);
    log_error("  r12 %016lx r13 %016lx r14 %016lx r15 %016lx", r->r12, r->r13, r->r14, r->r15);
    dump_vmcs();
}
