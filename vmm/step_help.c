/* If another CPU changes the code between the look and the step, the guest gets two wrong bits of its own flags. */
#include "vmm/step_help.h"

#include "arch/x86/regs.h"
#include "lib/log.h"
#include "vmm/guest_memory.h"
#include "vmm/vmm.h"

enum { IOPL_SHIFT = 12 };

/* In at most two pages; ends where nothing can be read any more. */
static size_t read_code(uint8_t bytes[INSTRUCTION_BYTES_MAX])
{
    uint64_t at = vcpu_linear_rip(), rest = PAGE_SIZE - at % PAGE_SIZE;
    size_t first = rest < INSTRUCTION_BYTES_MAX ? rest : INSTRUCTION_BYTES_MAX, more = INSTRUCTION_BYTES_MAX - first;
    struct guest_fault fault;

    if (!guest_read_linear(at, bytes, first, GUEST_ANY, &fault))
        return 0;
    return more && guest_read_linear(at + first, bytes + first, more, GUEST_ANY, &fault) ? first + more : first;
}

struct step_instruction step_help_begin(void)
{
    uint8_t *kind = &vmm_cpu(cpu_this())->step_kind, bytes[INSTRUCTION_BYTES_MAX];
    struct step_instruction next = {.kind = STEP_AS_IT_IS};
    size_t count;

    *kind = STEP_AS_IT_IS;
    if (vcpu_is_delivering())
        return next;
    count = read_code(bytes);
    next = step_classify(bytes, count, vcpu_is_64bit() ? 64 : 32);
    if (next.kind == STEP_INT && next.length > count)
        return (struct step_instruction){.kind = STEP_AS_IT_IS};
    if (next.kind == STEP_INT)
        vcpu_inject_int(next.vector, next.length);
    *kind = (uint8_t)next.kind;
    return next;
}

static uint64_t stack_address(const struct vcpu_registers *now, uint64_t offset)
{
    uint64_t at = now->rsp + offset;

    if (vcpu_is_64bit())
        return at;
    return now->segments[VCPU_SS].base + (now->segments[VCPU_SS].rights & RIGHTS_LARGE ? (uint32_t)at : (uint16_t)at);
}

/* PUSHF has stored the step's IF and TF, in the second byte of what the stack pointer leads to. RFLAGS are the guest's
 * own again. */
static void repair_pushed_flags(const struct vcpu_registers *now)
{
    const uint8_t mask = (RFLAGS_IF | RFLAGS_TF) >> 8;
    uint64_t at = stack_address(now, 1);
    struct guest_fault fault;
    uint8_t byte;

    if (!guest_read_linear(at, &byte, 1, GUEST_ANY, &fault))
        return;
    byte = (uint8_t)((byte & ~mask) | (now->rflags >> 8 & mask));
    if (!guest_write_linear(at, &byte, 1, GUEST_ANY, &fault))
        log_warning("cpu%u: the flags that were pushed could not be repaired at %lx", cpu_this()->index, at);
}

/* Where CPL > IOPL it has cleared VIF, if anything. */
static void clear_interrupt_flag(const struct vcpu_registers *now)
{
    if (vcpu_cpl() <= (now->rflags >> IOPL_SHIFT & 3))
        vcpu_set_interrupt_flag(false);
}

static noinline void make_good(enum step_kind kind)
{
    struct vcpu_registers now;

    vcpu_get_registers(&now);
    if (kind == STEP_PUSHF)
        repair_pushed_flags(&now);
    else
        clear_interrupt_flag(&now);
}

void step_help_end(void)
{
    enum step_kind kind = vmm_cpu(cpu_this())->step_kind;

    if (unlikely(kind == STEP_PUSHF || kind == STEP_CLI))
        make_good(kind);
}
