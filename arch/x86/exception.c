/* IDT, fixups, and the end of the road for an exception of Plinth's own. */
#include "arch/x86/exception.h"

#include "arch/x86/cpu.h"
#include "arch/x86/crash.h"
#include "arch/x86/instr.h"
#include "arch/x86/regs.h"
#include "lib/log.h"

/* SDM vol. 3, "64-Bit Mode IDT", 6.14.1 */
struct packed gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
};

enum { GATE_INTERRUPT = 0x8e, ENTRY_SIZE = 16 };

struct fixup {
    uint64_t rip, target;
};

extern const char exception_entries[];
extern const struct fixup fixup_start[], fixup_end[];

static struct gate idt[EXCEPTION_VECTORS] aligned(16) __attribute__((section(".sealed")));

static uint8_t vector_ist(unsigned vector)
{
    switch (vector) {
    case VECTOR_NMI:
        return IST_NMI;
    case VECTOR_DF:
        return IST_DF;
    case VECTOR_MC:
        return IST_MC;
    }
    return 0;
}

void exception_init(void)
{
    for (unsigned i = 0; i < EXCEPTION_VECTORS; i++) {
        uint64_t entry = (uint64_t)exception_entries + i * ENTRY_SIZE;

        idt[i] = (struct gate){.offset_low = (uint16_t)entry,
                               .offset_middle = (uint16_t)(entry >> 16),
                               .offset_high = (uint32_t)(entry >> 32),
                               .selector = SELECTOR_CODE,
                               .type = GATE_INTERRUPT};
    }
}

void exception_use_stacks(void)
{
    for (unsigned i = 0; i < EXCEPTION_VECTORS; i++)
        idt[i].ist = vector_ist(i);
}

void exception_load_idt(void)
{
    struct descriptor_pointer pointer = {sizeof(idt) - 1, (uint64_t)idt};

    lidt(&pointer);
}

static const struct fixup *find_fixup(uint64_t rip)
{
    for (const struct fixup *f = fixup_start; f < fixup_end; f++)
        if (f->rip == rip)
            return f;
    return NULL;
}

void exception_handle(struct exception_frame *frame)
{
    const struct fixup *fixup;

    if (frame->vector == VECTOR_NMI) {
        if (idt[VECTOR_NMI].ist) /* else there is neither a struct cpu to note it in nor a guest that it is for */
            nmi_in_root(frame);
        return;
    }
    fixup = find_fixup(frame->rip);
    if (!fixup)
        crash_exception(frame);
    frame->rip = fixup->target;
}

#define WITH_FIXUP(instruction)                                                                                        \
    "1: " instruction "\n\t"                                                                                           \
    "movl $1, %[ok]\n"                                                                                                 \
    "2:\n\t"                                                                                                           \
    ".pushsection .fixup, \"a\"\n\t.quad 1b, 2b\n\t.popsection"

bool rdmsr_safe(uint32_t index, uint64_t *value)
{
    uint32_t low = 0, high = 0, ok = 0;

    asm volatile(WITH_FIXUP("rdmsr") : "+a"(low), "+d"(high), [ok] "+r"(ok) : "c"(index) : "memory");
    *value = (uint64_t)high << 32 | low;
    return ok;
}

bool wrmsr_safe(uint32_t index, uint64_t value)
{
    uint32_t ok = 0;

    asm volatile(WITH_FIXUP("wrmsr")
                 : [ok] "+r"(ok)
                 : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                 : "memory");
    return ok;
}

bool xsetbv_safe(uint32_t index, uint64_t value)
{
    uint32_t ok = 0;

    asm volatile(WITH_FIXUP("xsetbv")
                 : [ok] "+r"(ok)
                 : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                 : "memory");
    return ok;
}

/* Their vectors lie beyond the end of the IDT. So each is acknowledged and then becomes a #GP (SDM vol. 3, 6.10, 6.15)
 * at the instruction before which it came, and that has a fixup; the next may come right behind the handler's IRET. */
void exception_take_interrupts(void)
{
    asm volatile("sti\n"
                 "1: nop\n"
                 "2: nop\n"
                 "3: cli\n\t"
                 ".pushsection .fixup, \"a\"\n\t.quad 1b, 3b, 2b, 3b, 3b, 3b\n\t.popsection"
                 :
                 :
                 : "memory", "cc");
}
