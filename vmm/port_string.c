#include "vmm/port_string.h"

#include "arch/x86/regs.h"
#include "vmm/guest_linear.h"
#include "vmm/ports.h"
#include "vmm/vmm.h"

/* SDM vol. 3, table 24-2 "Format of Access Rights", and 3.4.5.1 "Code- and Data-Segment Descriptor Types" */
enum {
    RIGHTS_WRITABLE = BIT(1), /* of data; readable of code */
    RIGHTS_DOWN = BIT(2),
    RIGHTS_CODE = BIT(3),
};
enum { USER_CPL = 3 };

static bool is_allowed(const struct vcpu_segment *segment, bool write)
{
    if (segment->rights & RIGHTS_UNUSABLE)
        return false;
    if (segment->rights & RIGHTS_CODE)
        return !write && segment->rights & RIGHTS_WRITABLE;
    return !write || segment->rights & RIGHTS_WRITABLE;
}

static bool is_inside(const struct vcpu_segment *segment, uint64_t offset, unsigned size)
{
    uint64_t last = offset + size - 1, top = segment->rights & RIGHTS_LARGE ? 0xffffffff : 0xffff;

    if ((segment->rights & (RIGHTS_CODE | RIGHTS_DOWN)) == RIGHTS_DOWN)
        return offset > segment->limit && last <= top;
    return last <= segment->limit;
}

/* In 64-bit mode only FS and GS count, and by their bases only (3.4.4). */
static bool linear_of(const struct vcpu_segment *segment, unsigned number, uint64_t offset, const struct vm_exit *exit,
                      uint64_t *linear)
{
    if (vcpu_is_64bit()) {
        *linear = offset + (number == VCPU_FS || number == VCPU_GS ? segment->base : 0);
        return true;
    }
    *linear = (uint32_t)(segment->base + offset);
    return is_allowed(segment, exit->port.in) && is_inside(segment, offset, exit->port.size);
}

static enum exit_action fault(unsigned number)
{
    vcpu_inject_fault(number == VCPU_SS && !vcpu_is_64bit() ? VECTOR_SS : VECTOR_GP, 0, 0);
    return ACTION_DONE;
}

static bool is_misaligned(const struct vcpu_registers *state, uint64_t linear, unsigned size)
{
    return linear % size && vcpu_cpl() == USER_CPL && state->cr0 & CR0_AM && state->rflags & RFLAGS_AC;
}

static bool resolve(uint64_t linear, const struct vm_exit *exit, struct guest_span *span, struct guest_fault *why)
{
    unsigned access = GUEST_MARK | (exit->port.in ? GUEST_WRITE : 0) | (vcpu_cpl() == USER_CPL ? GUEST_USER : 0);
    struct guest_paging paging;

    vcpu_paging(&paging);
    return guest_linear_resolve(&paging, linear, exit->port.size, access, span, why);
}

/* In the order of the CPU: nothing is read from the port before memory is known to take it. */
static void move(const struct vm_exit *exit, const struct guest_span *span)
{
    uint32_t value = 0;

    if (exit->port.in) {
        value = ports_read(exit->port.number, exit->port.size);
        guest_span_write(span, 0, &value, exit->port.size);
    } else {
        guest_span_read(span, 0, &value, exit->port.size);
        ports_write(exit->port.number, exit->port.size, value);
    }
}

static enum exit_action go_on(struct guest_regs *regs, const struct vm_exit *exit, uint64_t rflags)
{
    uint64_t *index = exit->port.in ? &regs->rdi : &regs->rsi, step = exit->port.size;

    register_put(index, exit->port.address_bytes, rflags & RFLAGS_DF ? *index - step : *index + step);
    if (!exit->port.repeat)
        return ACTION_NEXT;
    register_put(&regs->rcx, exit->port.address_bytes, regs->rcx - 1);
    return regs->rcx & register_mask(exit->port.address_bytes) ? ACTION_AGAIN : ACTION_NEXT;
}

static enum exit_action carry_out(struct guest_regs *regs, const struct vm_exit *exit)
{
    const unsigned number = exit->port.in ? VCPU_ES : exit->port.segment;
    const uint64_t mask = register_mask(exit->port.address_bytes);
    struct vcpu_registers state;
    struct guest_span span;
    struct guest_fault why;
    uint64_t linear;

    if (exit->port.repeat && !(regs->rcx & mask))
        return ACTION_NEXT;
    vcpu_get_registers(&state);
    if (!linear_of(&state.segments[number], number, (exit->port.in ? regs->rdi : regs->rsi) & mask, exit, &linear))
        return fault(number);
    if (is_misaligned(&state, linear, exit->port.size)) {
        vcpu_inject_fault(VECTOR_AC, 0, 0);
        return ACTION_DONE;
    }
    if (resolve(linear, exit, &span, &why)) {
        move(exit, &span);
        return go_on(regs, exit, state.rflags);
    }
    if (why.why == GUEST_WALK_NON_CANONICAL)
        return fault(number);
    vcpu_inject_fault(VECTOR_PF, why.error, why.linear);
    return ACTION_DONE;
}

/* The accesses are the guest's: watches see them. */
enum exit_action port_string_exit(struct guest_regs *regs, const struct vm_exit *exit)
{
    enum exit_action action;

    vmm_cpu(cpu_this())->emulates = true;
    action = carry_out(regs, exit);
    vmm_cpu(cpu_this())->emulates = false;
    return action;
}
