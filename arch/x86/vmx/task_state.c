/* The part of a vCPU's state that a task switch concerns (SDM vol. 3, 24.4.1), taken from the VMCS and put back. */
#include "arch/x86/instr.h"
#include "arch/x86/regs.h"
#include "arch/x86/vmx/controls.h"
#include "arch/x86/vmx/events.h"
#include "arch/x86/vmx/vcpu.h"
#include "arch/x86/vmx/vmcs.h"

/* Encodings of the eight segments' fields follow each other in the order of enum task_segment_index, 2 apart. */
static void get_segment(enum task_segment_index index, struct task_segment *segment)
{
    *segment = (struct task_segment){
        .selector = (uint16_t)vmread_raw(VMCS_GUEST_ES_SELECTOR + 2 * index),
        .base = (uint32_t)vmread_raw(VMCS_GUEST_ES_BASE + 2 * index),
        .limit = (uint32_t)vmread_raw(VMCS_GUEST_ES_LIMIT + 2 * index),
        .rights = (uint32_t)vmread_raw(VMCS_GUEST_ES_ACCESS_RIGHTS + 2 * index),
    };
}

static void put_segment(enum task_segment_index index, const struct task_segment *segment)
{
    vmwrite_raw(VMCS_GUEST_ES_SELECTOR + 2 * index, segment->selector);
    vmwrite_raw(VMCS_GUEST_ES_BASE + 2 * index, segment->base);
    vmwrite_raw(VMCS_GUEST_ES_LIMIT + 2 * index, segment->limit);
    vmwrite_raw(VMCS_GUEST_ES_ACCESS_RIGHTS + 2 * index, segment->rights);
}

/* In the order of enum task_register; ESP lives in the VMCS. */
static void general_registers(struct guest_regs *regs, uint64_t *slots[TASK_REGISTERS])
{
    slots[TASK_EAX] = &regs->rax;
    slots[TASK_ECX] = &regs->rcx;
    slots[TASK_EDX] = &regs->rdx;
    slots[TASK_EBX] = &regs->rbx;
    slots[TASK_ESP] = NULL;
    slots[TASK_EBP] = &regs->rbp;
    slots[TASK_ESI] = &regs->rsi;
    slots[TASK_EDI] = &regs->rdi;
}

void vcpu_get_task(struct task_state *state)
{
    uint64_t *slots[TASK_REGISTERS];

    general_registers(cpu_this()->frame, slots);
    state->eip = (uint32_t)vmread_natural(VMCS_GUEST_RIP);
    state->eflags = (uint32_t)vmread_natural(VMCS_GUEST_RFLAGS);
    for (enum task_register i = TASK_EAX; i < TASK_REGISTERS; i++)
        state->registers[i] = (uint32_t)(slots[i] ? *slots[i] : vmread_natural(VMCS_GUEST_RSP));
    for (enum task_segment_index i = TASK_ES; i < TASK_SEGMENTS; i++)
        get_segment(i, &state->segments[i]);
    state->gdt_base = (uint32_t)vmread_natural(VMCS_GUEST_GDTR_BASE);
    state->gdt_limit = vmread32(VMCS_GUEST_GDTR_LIMIT);
    state->dr7 = (uint32_t)vmread_natural(VMCS_GUEST_DR7);
    vcpu_paging(&state->paging);
}

/* An entry wants CS to look like a code segment, even if what comes is a fault because CS couldn't be loaded
 * (26.3.1.2): one of the CPL's privilege, which the delivery replaces. */
static void put_segments(const struct task_state *state)
{
    const uint32_t code = 0x9b, dpl = 3 << 5;
    struct task_segment cs = state->segments[TASK_CS];

    for (enum task_segment_index i = TASK_ES; i < TASK_SEGMENTS; i++)
        put_segment(i, &state->segments[i]);
    if (!(cs.rights & RIGHTS_UNUSABLE))
        return;
    cs.selector = (uint16_t)((cs.selector & ~3) | (state->segments[TASK_SS].rights >> 5 & 3));
    cs.limit = 0xffff;
    cs.rights = code | (state->segments[TASK_SS].rights & dpl);
    put_segment(TASK_CS, &cs);
}

static void put_paging(const struct guest_paging *paging)
{
    vmwrite_natural(VMCS_GUEST_CR0, paging->cr0);
    if (paging->cr3 == vmread_natural(VMCS_GUEST_CR3))
        return;
    vmwrite_natural(VMCS_GUEST_CR3, paging->cr3);
    vmwrite64(VMCS_GUEST_PDPTE0, paging->pdpte[0]);
    vmwrite64(VMCS_GUEST_PDPTE1, paging->pdpte[1]);
    vmwrite64(VMCS_GUEST_PDPTE2, paging->pdpte[2]);
    vmwrite64(VMCS_GUEST_PDPTE3, paging->pdpte[3]);
    vmx_flush_linear();
}

void vcpu_set_task(const struct task_state *state)
{
    uint64_t *slots[TASK_REGISTERS];

    general_registers(cpu_this()->frame, slots);
    for (enum task_register i = TASK_EAX; i < TASK_REGISTERS; i++)
        if (slots[i])
            *slots[i] = state->registers[i];
    vmwrite_natural(VMCS_GUEST_RSP, state->registers[TASK_ESP]);
    vmwrite_natural(VMCS_GUEST_RIP, state->eip);
    vmwrite_natural(VMCS_GUEST_RFLAGS, state->eflags);
    vmwrite_natural(VMCS_GUEST_DR7, state->dr7);
    put_segments(state);
    put_paging(&state->paging);
    vmwrite32(VMCS_GUEST_INTERRUPTIBILITY,
              vmread32(VMCS_GUEST_INTERRUPTIBILITY) & ~(uint32_t)(BLOCKING_BY_STI | BLOCKING_BY_MOV_SS));
    vmwrite_natural(VMCS_GUEST_PENDING_DEBUG, 0);
}
