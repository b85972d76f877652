/* A task switch's last part: LDTR and the segment registers (SDM vol. 3, 7.3, table 7-1 from "LDT selector" on). */
#include "arch/x86/regs.h"
#include "vmm/task_switch_parts.h"

enum { SELECTOR_LOCAL = 1 << 2, SELECTOR_RPL = 3, DESCRIPTOR_BYTES = 8, TYPE_BYTE = 5 };
enum {
    TYPE_LDT = 2,
    TYPE_ACCESSED = 1 << 0,
    TYPE_WRITABLE = 1 << 1, /* of data; of code: readable */
    TYPE_CONFORMING = 1 << 2,
    TYPE_CODE = 1 << 3,
    RIGHTS_TYPE = 0xf,
    RIGHTS_SEGMENT = 1 << 4, /* not a system segment */
    RIGHTS_DPL_SHIFT = 5,
    RIGHTS_PRESENT = 1 << 7,
    RIGHTS_GRANULARITY = 1 << 15,
    RIGHTS_MASK = 0xf0ff,
};
enum { RIGHTS_VM86 = 0xf3, RIGHTS_UNUSABLE_CPL3 = RIGHTS_UNUSABLE | 3 << RIGHTS_DPL_SHIFT };

static bool is_null(uint16_t selector)
{
    return !(selector & ~SELECTOR_RPL);
}

static uint8_t dpl_of(const struct task_segment *segment)
{
    return segment->rights >> RIGHTS_DPL_SHIFT & 3;
}

struct task_segment task_segment_of(uint16_t selector, uint64_t raw)
{
    struct task_segment segment = {
        .selector = selector,
        .base = (uint32_t)((raw >> 16 & 0xffffff) | (raw >> 56 & 0xff) << 24),
        .limit = (uint32_t)((raw & 0xffff) | (raw >> 48 & 0xf) << 16),
        .rights = raw >> 40 & RIGHTS_MASK,
    };

    if (segment.rights & RIGHTS_GRANULARITY)
        segment.limit = segment.limit << 12 | 0xfff;
    return segment;
}

/* Base and limit of the table that the selector names; false: there is no LDT. */
static bool table_of(const struct task_state *state, uint16_t selector, uint32_t *base, uint32_t *limit)
{
    const struct task_segment *ldtr = &state->segments[TASK_LDTR];

    *base = selector & SELECTOR_LOCAL ? ldtr->base : state->gdt_base;
    *limit = selector & SELECTOR_LOCAL ? ldtr->limit : state->gdt_limit;
    return !(selector & SELECTOR_LOCAL && ldtr->rights & RIGHTS_UNUSABLE);
}

bool task_fetch(const struct task_work *work, uint16_t selector, uint8_t vector, struct task_descriptor *out)
{
    uint32_t base, limit, offset = selector & ~7u;
    struct guest_fault fault;
    struct guest_span span;

    if (!table_of(work->state, selector, &base, &limit) || offset + DESCRIPTOR_BYTES - 1 > limit)
        return task_selector_fault(work, vector, selector);
    out->address = base + offset;
    if (!guest_linear_resolve(&work->state->paging, out->address, DESCRIPTOR_BYTES, GUEST_IMPLICIT | GUEST_MARK, &span,
                              &fault))
        return task_page_fault(work, &fault);
    guest_span_read(&span, 0, &out->raw, DESCRIPTOR_BYTES);
    return true;
}

bool task_change_type(const struct task_work *work, uint32_t address, uint8_t mask, uint8_t value)
{
    struct guest_fault fault;
    struct guest_span span;

    if (!guest_linear_resolve(&work->state->paging, (uint32_t)(address + TYPE_BYTE), 1,
                              GUEST_WRITE | GUEST_IMPLICIT | GUEST_MARK, &span, &fault))
        return task_page_fault(work, &fault);
    guest_span_change(&span, 0, mask, value);
    return true;
}

static bool load_ldtr(const struct task_work *work)
{
    struct task_segment *ldtr = &work->state->segments[TASK_LDTR];
    struct task_descriptor descriptor;
    struct task_segment segment;

    if (is_null(ldtr->selector))
        return true;
    if (ldtr->selector & SELECTOR_LOCAL)
        return task_selector_fault(work, VECTOR_TS, ldtr->selector);
    if (!task_fetch(work, ldtr->selector, VECTOR_TS, &descriptor))
        return false;
    segment = task_segment_of(ldtr->selector, descriptor.raw);
    if ((segment.rights & (RIGHTS_SEGMENT | RIGHTS_TYPE)) != TYPE_LDT || !(segment.rights & RIGHTS_PRESENT))
        return task_selector_fault(work, VECTOR_TS, ldtr->selector);
    *ldtr = segment;
    return true;
}

/* 3.4.5.1: the CPU notes in the descriptor that the segment was loaded. */
static bool accept(const struct task_work *work, enum task_segment_index index,
                   const struct task_descriptor *descriptor, struct task_segment segment)
{
    if (!(segment.rights & TYPE_ACCESSED) && !task_change_type(work, descriptor->address, TYPE_ACCESSED, TYPE_ACCESSED))
        return false;
    segment.rights |= TYPE_ACCESSED;
    work->state->segments[index] = segment;
    return true;
}

/* "Stack segment" in table 7-1. `cpl` is to be: the RPL of CS. */
static bool load_ss(const struct task_work *work, uint8_t cpl)
{
    uint16_t selector = work->state->segments[TASK_SS].selector;
    struct task_descriptor descriptor;
    struct task_segment segment;

    if (is_null(selector))
        return task_selector_fault(work, VECTOR_TS, selector);
    if (!task_fetch(work, selector, VECTOR_TS, &descriptor))
        return false;
    segment = task_segment_of(selector, descriptor.raw);
    if ((segment.rights & (RIGHTS_SEGMENT | TYPE_CODE | TYPE_WRITABLE)) != (RIGHTS_SEGMENT | TYPE_WRITABLE))
        return task_selector_fault(work, VECTOR_TS, selector);
    if (!(segment.rights & RIGHTS_PRESENT))
        return task_selector_fault(work, VECTOR_SS, selector);
    if (dpl_of(&segment) != cpl || dpl_of(&segment) != (selector & SELECTOR_RPL))
        return task_selector_fault(work, VECTOR_TS, selector);
    return accept(work, TASK_SS, &descriptor, segment);
}

static bool load_data(const struct task_work *work, enum task_segment_index index, uint8_t cpl)
{
    uint16_t selector = work->state->segments[index].selector;
    struct task_descriptor descriptor;
    struct task_segment segment;
    bool conforming;

    if (is_null(selector))
        return true;
    if (!task_fetch(work, selector, VECTOR_TS, &descriptor))
        return false;
    segment = task_segment_of(selector, descriptor.raw);
    if (!(segment.rights & RIGHTS_SEGMENT) || (segment.rights & (TYPE_CODE | TYPE_WRITABLE)) == TYPE_CODE)
        return task_selector_fault(work, VECTOR_TS, selector);
    conforming = (segment.rights & (TYPE_CODE | TYPE_CONFORMING)) == (TYPE_CODE | TYPE_CONFORMING);
    if (!conforming && (dpl_of(&segment) < cpl || dpl_of(&segment) < (selector & SELECTOR_RPL)))
        return task_selector_fault(work, VECTOR_TS, selector);
    if (!(segment.rights & RIGHTS_PRESENT))
        return task_selector_fault(work, VECTOR_NP, selector);
    return accept(work, index, &descriptor, segment);
}

static bool load_cs(const struct task_work *work)
{
    uint16_t selector = work->state->segments[TASK_CS].selector;
    uint8_t rpl = selector & SELECTOR_RPL;
    struct task_descriptor descriptor;
    struct task_segment segment;
    bool conforming;

    if (is_null(selector))
        return task_selector_fault(work, VECTOR_TS, selector);
    if (!task_fetch(work, selector, VECTOR_TS, &descriptor))
        return false;
    segment = task_segment_of(selector, descriptor.raw);
    conforming = segment.rights & TYPE_CONFORMING;
    if ((segment.rights & (RIGHTS_SEGMENT | TYPE_CODE)) != (RIGHTS_SEGMENT | TYPE_CODE) ||
        (conforming ? dpl_of(&segment) > rpl : dpl_of(&segment) != rpl))
        return task_selector_fault(work, VECTOR_TS, selector);
    if (!(segment.rights & RIGHTS_PRESENT))
        return task_selector_fault(work, VECTOR_NP, selector);
    return accept(work, TASK_CS, &descriptor, segment);
}

/* 20.2 "Virtual-8086 Mode": no descriptors */
static void load_vm86(struct task_state *state)
{
    for (enum task_segment_index i = TASK_ES; i <= TASK_GS; i++) {
        struct task_segment *segment = &state->segments[i];

        segment->base = (uint32_t)segment->selector << 4;
        segment->limit = 0xffff;
        segment->rights = RIGHTS_VM86;
    }
}

void task_forget_segments(struct task_state *state)
{
    for (enum task_segment_index i = TASK_ES; i <= TASK_LDTR; i++) {
        state->segments[i].base = state->segments[i].limit = 0;
        state->segments[i].rights = RIGHTS_UNUSABLE;
    }
    state->segments[TASK_SS].rights = RIGHTS_UNUSABLE_CPL3;
    if (state->eflags & RFLAGS_VM)
        load_vm86(state);
}

bool task_load_segments(const struct task_work *work)
{
    uint8_t cpl = work->state->segments[TASK_CS].selector & SELECTOR_RPL;

    if (work->state->eflags & RFLAGS_VM)
        return load_ldtr(work);
    return load_ldtr(work) && load_ss(work, cpl) && load_data(work, TASK_DS, cpl) && load_data(work, TASK_ES, cpl) &&
           load_data(work, TASK_FS, cpl) && load_data(work, TASK_GS, cpl) && load_cs(work);
}
