#include "vmm/task_switch.h"

#include "arch/x86/regs.h"
#include "lib/string.h"
#include "vmm/task_switch_parts.h"

enum { SELECTOR_INDEX = 0xfffc, SELECTOR_LOCAL = 1 << 2, ERROR_EXTERNAL = 1 << 0 };
enum {
    TYPE_BUSY = 1 << 1,
    TYPE_32 = 1 << 3,
    TSS_TYPE_MASK = 0x15, /* S, and the bits that all TSS types share: 1, 3, 9, 11 */
    TSS_TYPE = 1,
    TSS_PRESENT = 1 << 7,
};
enum { TRAP_FLAG = 1 };
/* What an old TSS must have room for; a new one is read whole. */
enum { SAVED_END_32 = 0x60, SAVED_END_16 = 0x2a };

/* EFLAGS bits that there are (3.4.3, vol. 1): the others stay 0, and bit 1 is 1. */
#define EFLAGS_MASK 0x3f7fd5u

/* Everything of the two TSSs that is touched before the commit point, resolved so that nothing faults half-way. */
struct places {
    struct guest_span old, new, link, old_type, new_type;
    struct task_segment tr; /* the new one */
    bool wide, old_wide;    /* 32-bit TSSs */
};

/* The new task is to come back to the old one. */
static bool links(const struct task_request *request)
{
    return request->source == TASK_BY_CALL || request->source == TASK_BY_GATE;
}

static bool is_wide(const struct task_segment *tr)
{
    return tr->rights & TYPE_32;
}

/* Table 6-5 "Conditions for Generating a Double Fault" */
static bool is_contributory(uint8_t vector)
{
    return vector == VECTOR_DE || (vector >= VECTOR_TS && vector <= VECTOR_GP);
}

/* The event that came through the gate is an exception too: are the two a double fault, or worse? */
static void combine(const struct task_request *request, struct task_outcome *outcome)
{
    bool second = is_contributory(outcome->vector) || outcome->vector == VECTOR_PF;

    if (request->source != TASK_BY_GATE || !request->is_exception)
        return;
    if (request->vector == VECTOR_DF && second)
        outcome->result = TASK_SHUT_DOWN;
    else if ((request->vector == VECTOR_PF && second) ||
             (is_contributory(request->vector) && is_contributory(outcome->vector))) {
        outcome->vector = VECTOR_DF;
        outcome->error = 0;
    }
}

bool task_fault(const struct task_work *work, uint8_t vector, uint32_t error)
{
    struct task_outcome *outcome = work->outcome;

    outcome->result = TASK_FAULTED;
    outcome->vector = vector;
    outcome->has_error = true;
    outcome->error = error;
    if (vector != VECTOR_PF && work->request->source == TASK_BY_GATE && work->request->external)
        outcome->error |= ERROR_EXTERNAL;
    combine(work->request, outcome);
    return false;
}

bool task_selector_fault(const struct task_work *work, uint8_t vector, uint16_t selector)
{
    return task_fault(work, vector, selector & SELECTOR_INDEX);
}

bool task_page_fault(const struct task_work *work, const struct guest_fault *fault)
{
    work->outcome->cr2 = (uint32_t)fault->linear;
    return task_fault(work, VECTOR_PF, fault->error);
}

static bool resolve(const struct task_work *work, uint32_t linear, uint64_t size, unsigned access,
                    struct guest_span *span)
{
    struct guest_fault fault;

    return guest_linear_resolve(&work->state->paging, linear, size, access | GUEST_IMPLICIT | GUEST_MARK, span,
                                &fault) ||
           task_page_fault(work, &fault);
}

/* Table 7-1, "TSS": the CPU has checked it before the exit; another CPU may have changed the GDT since. */
static bool check_new_tss(const struct task_work *work, struct places *places)
{
    uint16_t selector = work->request->selector;
    bool returns = work->request->source == TASK_BY_IRET;
    uint8_t vector = returns ? VECTOR_TS : VECTOR_GP;
    struct task_descriptor descriptor;
    struct task_segment *tr = &places->tr;

    if (!(selector & SELECTOR_INDEX) || selector & SELECTOR_LOCAL)
        return task_selector_fault(work, vector, selector);
    if (!task_fetch(work, selector, vector, &descriptor))
        return false;
    *tr = task_segment_of(selector, descriptor.raw);
    if ((tr->rights & TSS_TYPE_MASK) != TSS_TYPE || !(tr->rights & TYPE_BUSY) == returns)
        return task_selector_fault(work, vector, selector);
    if (!(tr->rights & TSS_PRESENT))
        return task_selector_fault(work, VECTOR_NP, selector);
    places->wide = is_wide(tr);
    if (tr->limit < (places->wide ? sizeof(struct tss32) : sizeof(struct tss16)) - 1)
        return task_selector_fault(work, VECTOR_TS, selector);
    tr->rights |= TYPE_BUSY;
    return true;
}

/* The type byte of a TSS's descriptor, which the CPU changes with a locked access whatever it holds. */
static bool find_type(const struct task_work *work, uint16_t selector, struct guest_span *span)
{
    const uint32_t type_byte = 5;

    return resolve(work, work->state->gdt_base + (selector & ~7u) + type_byte, 1, GUEST_WRITE, span);
}

/* Step 5: what will be touched is there. */
static bool find_places(const struct task_work *work, struct places *places)
{
    const struct task_segment *old = &work->state->segments[TASK_TR];
    uint32_t first, end;

    places->old_wide = is_wide(old);
    first = (uint32_t)(places->old_wide ? offsetof(struct tss32, eip) : offsetof(struct tss16, ip));
    end = places->old_wide ? SAVED_END_32 : SAVED_END_16;
    if (old->limit < end - 1)
        return task_selector_fault(work, VECTOR_TS, old->selector);
    return resolve(work, old->base + first, end - first, GUEST_WRITE, &places->old) &&
           resolve(work, places->tr.base, places->wide ? sizeof(struct tss32) : sizeof(struct tss16), 0,
                   &places->new) &&
           resolve(work, places->tr.base, sizeof(uint16_t), links(work->request) ? GUEST_WRITE : 0, &places->link) &&
           (links(work->request) || find_type(work, old->selector, &places->old_type)) &&
           (work->request->source == TASK_BY_IRET || find_type(work, places->tr.selector, &places->new_type));
}

/* Steps 9 and 12 */
static void change_busy_flags(const struct task_work *work, const struct places *places)
{
    if (work->request->source != TASK_BY_IRET)
        guest_span_change(&places->new_type, 0, TYPE_BUSY, TYPE_BUSY);
    if (!links(work->request))
        guest_span_change(&places->old_type, 0, TYPE_BUSY, 0);
}

/* Steps 6 and 10. Only the parts that the CPU writes: selectors are 16 bits of 32. */
static void save32(const struct task_state *state, const struct places *places, uint32_t eip, uint32_t eflags)
{
    const uint32_t first = offsetof(struct tss32, eip);

    guest_span_write(&places->old, 0, &eip, sizeof(eip));
    guest_span_write(&places->old, offsetof(struct tss32, eflags) - first, &eflags, sizeof(eflags));
    guest_span_write(&places->old, offsetof(struct tss32, registers) - first, state->registers,
                     sizeof(state->registers));
    for (enum task_segment_index i = TASK_ES; i <= TASK_GS; i++)
        guest_span_write(&places->old, offsetof(struct tss32, segments[i]) - first, &state->segments[i].selector, 2);
}

static void save16(const struct task_state *state, const struct places *places, uint32_t eip, uint32_t eflags)
{
    struct tss16 tss = {.ip = (uint16_t)eip, .flags = (uint16_t)eflags};

    for (enum task_register i = TASK_EAX; i < TASK_REGISTERS; i++)
        tss.registers[i] = (uint16_t)state->registers[i];
    for (enum task_segment_index i = TASK_ES; i <= TASK_DS; i++)
        tss.segments[i] = state->segments[i].selector;
    guest_span_write(&places->old, 0, &tss.ip, SAVED_END_16 - offsetof(struct tss16, ip));
}

static void save(const struct task_work *work, const struct places *places)
{
    const struct task_state *state = work->state;
    bool returns = work->request->source == TASK_BY_IRET;
    uint32_t eflags = returns ? state->eflags & ~(uint32_t)RFLAGS_NT : state->eflags;

    if (places->old_wide)
        save32(state, places, work->request->next_eip, eflags);
    else
        save16(state, places, work->request->next_eip, eflags);
    if (links(work->request))
        guest_span_write(&places->link, 0, &state->segments[TASK_TR].selector, sizeof(uint16_t));
}

/* A 16-bit TSS as a 32-bit one. What it lacks: CR3 stays; FS and GS are null. The SDM doesn't tell what becomes of the
 * registers' upper halves: all-ones here, as in the emulator that the tests compare with. */
static void widen(const struct tss16 *narrow, uint32_t cr3, struct tss32 *tss)
{
    *tss = (struct tss32){.cr3 = cr3, .eip = narrow->ip, .eflags = narrow->flags};
    for (enum task_register i = TASK_EAX; i < TASK_REGISTERS; i++)
        tss->registers[i] = 0xffff0000 | narrow->registers[i];
    for (enum task_segment_index i = TASK_ES; i <= TASK_DS; i++)
        tss->segments[i].selector = narrow->segments[i];
    tss->segments[TASK_LDTR].selector = narrow->ldt;
}

static void read_new(const struct task_work *work, const struct places *places, struct tss32 *tss)
{
    struct tss16 narrow;

    if (places->wide) {
        guest_span_read(&places->new, 0, tss, sizeof(*tss));
        return;
    }
    guest_span_read(&places->new, 0, &narrow, sizeof(narrow));
    widen(&narrow, (uint32_t)work->state->paging.cr3, tss);
}

/* Steps 7, 8 and 11, but for CR3. */
static void load(const struct task_work *work, const struct places *places, const struct tss32 *tss)
{
    const uint32_t local_breakpoints = 0x155; /* LE, L3 .. L0 */
    struct task_state *state = work->state;

    state->segments[TASK_TR] = places->tr;
    state->paging.cr0 |= CR0_TS;
    state->dr7 &= ~local_breakpoints;
    state->eip = tss->eip;
    state->eflags = (tss->eflags & EFLAGS_MASK) | (uint32_t)RFLAGS_FIXED;
    if (links(work->request))
        state->eflags |= RFLAGS_NT;
    state->paging.ac = state->eflags & RFLAGS_AC;
    memcpy(state->registers, tss->registers, sizeof(state->registers));
    for (enum task_segment_index i = TASK_ES; i <= TASK_LDTR; i++)
        state->segments[i].selector = tss->segments[i].selector;
}

/* 4.4.1 "PDPTE Registers" */
static bool load_pdptes(const struct task_work *work)
{
    struct guest_paging *paging = &work->state->paging;

    if (guest_walk_load_pdptes(paging))
        return true;
    memset(paging->pdpte, 0, sizeof(paging->pdpte));
    return task_fault(work, VECTOR_TS, 0);
}

static bool load_cr3(const struct task_work *work, uint32_t cr3)
{
    struct guest_paging *paging = &work->state->paging;

    if (!(paging->cr0 & CR0_PG) || paging->cr3 == cr3)
        return true;
    paging->cr3 = cr3;
    return !(paging->cr4 & CR4_PAE) || load_pdptes(work);
}

/* 6.13: the error code goes to the new task's stack, as wide as its TSS. */
static bool push_error(const struct task_work *work, bool wide)
{
    const uint32_t big = 1 << 14, expands_down = 1 << 2;
    struct task_state *state = work->state;
    const struct task_segment *ss = &state->segments[TASK_SS];
    uint32_t mask = ss->rights & big ? ~0u : 0xffff, size = wide ? 4 : 2;
    uint32_t *esp = &state->registers[TASK_ESP], offset = (*esp - size) & mask;
    bool inside = ss->rights & expands_down ? offset > ss->limit && offset <= mask - (size - 1)
                                            : ss->limit >= size - 1 && offset <= ss->limit - (size - 1);
    struct guest_fault fault;
    struct guest_span span;

    if (!inside)
        return task_fault(work, VECTOR_SS, 0);
    if (!guest_linear_resolve(&state->paging, (uint32_t)(ss->base + offset), size,
                              GUEST_WRITE | GUEST_MARK | (task_cpl(state) == 3 ? (unsigned)GUEST_USER : 0), &span,
                              &fault))
        return task_page_fault(work, &fault);
    guest_span_write(&span, 0, &work->request->error, size);
    *esp = (*esp & ~mask) | offset;
    return true;
}

/* Beyond the commit point: whatever faults does so in the new task. */
static void enter(const struct task_work *work, bool wide, const struct tss32 *tss)
{
    task_forget_segments(work->state);
    if (!load_cr3(work, tss->cr3) || !task_load_segments(work) || (work->request->has_error && !push_error(work, wide)))
        return;
    work->outcome->result = TASK_SWITCHED;
    work->outcome->trap = wide && tss->trap & TRAP_FLAG;
}

void task_switch(struct task_state *state, const struct task_request *request, struct task_outcome *outcome)
{
    struct task_work work = {state, request, outcome};
    struct places places;
    struct tss32 tss;

    *outcome = (struct task_outcome){.result = TASK_REFUSED};
    if (state->paging.cr4 & CR4_CET || state->paging.efer & EFER_LMA)
        return;
    if (!check_new_tss(&work, &places) || !find_places(&work, &places))
        return;
    change_busy_flags(&work, &places);
    save(&work, &places);
    read_new(&work, &places, &tss);
    load(&work, &places, &tss);
    outcome->committed = true;
    enter(&work, places.wide, &tss);
}
