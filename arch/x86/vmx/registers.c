/* The guest's registers, for who wants to look (SDM vol. 3, 24.4 "Guest-State Area"). */
#include "arch/x86/vmx/vcpu.h"
#include "arch/x86/vmx/vmcs.h"

/* Encodings of the eight segments' fields follow each other in the order ES CS SS DS FS GS LDTR TR, 2 apart. */
static void get_segments(struct vcpu_segment segments[VCPU_SEGMENTS])
{
    for (unsigned i = 0; i < VCPU_SEGMENTS; i++) {
        segments[i].selector = (uint16_t)vmread_raw(VMCS_GUEST_ES_SELECTOR + 2 * i);
        segments[i].base = vmread_raw(VMCS_GUEST_ES_BASE + 2 * i);
        segments[i].limit = (uint32_t)vmread_raw(VMCS_GUEST_ES_LIMIT + 2 * i);
        segments[i].rights = (uint32_t)vmread_raw(VMCS_GUEST_ES_ACCESS_RIGHTS + 2 * i);
    }
}

/* What of a control register the guest sees: the bits of the mask come from the shadow (24.6.6). */
static uint64_t shown(enum vmcs_field_natural real, enum vmcs_field_natural mask, enum vmcs_field_natural shadow)
{
    uint64_t hidden = vmread_natural(mask);

    return (vmread_natural(real) & ~hidden) | (vmread_natural(shadow) & hidden);
}

void vcpu_get_registers(struct vcpu_registers *out)
{
    out->general = *cpu_this()->frame;
    out->rip = vmread_natural(VMCS_GUEST_RIP);
    out->rsp = vmread_natural(VMCS_GUEST_RSP);
    out->rflags = vmread_natural(VMCS_GUEST_RFLAGS);
    out->cr0 = shown(VMCS_GUEST_CR0, VMCS_CR0_MASK, VMCS_CR0_SHADOW);
    out->cr2 = read_cr2();
    out->cr3 = vmread_natural(VMCS_GUEST_CR3);
    out->cr4 = shown(VMCS_GUEST_CR4, VMCS_CR4_MASK, VMCS_CR4_SHADOW);
    out->efer = vmread64(VMCS_GUEST_EFER);
    out->dr7 = vmread_natural(VMCS_GUEST_DR7);
    out->gdt_base = vmread_natural(VMCS_GUEST_GDTR_BASE);
    out->gdt_limit = vmread32(VMCS_GUEST_GDTR_LIMIT);
    out->idt_base = vmread_natural(VMCS_GUEST_IDTR_BASE);
    out->idt_limit = vmread32(VMCS_GUEST_IDTR_LIMIT);
    out->activity = vmread32(VMCS_GUEST_ACTIVITY);
    out->interruptibility = vmread32(VMCS_GUEST_INTERRUPTIBILITY);
    get_segments(out->segments);
}
