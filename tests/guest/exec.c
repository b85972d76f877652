/* Running code under test, and what becomes of every trap. */
#include "lib/format.h"
#include "lib/string.h"
#include "tests/guest/cpu.h"
#include "tests/guest/report.h"
#include "tests/guest/smp.h"

void exec_enter(const struct frame *frame, void **host_stack);
noreturn void exec_leave(void *host_stack);

const char *const ring_names[RINGS] = {"cpl0", "cpl0/32", "cpl0/16", "cpl3", "cpl3/32", "cpl3/16"};

static const struct {
    uint16_t code, stack;
} ring_selectors[RINGS] = {
    {SELECTOR_CODE64, SELECTOR_DATA},           {SELECTOR_CODE32, SELECTOR_DATA},
    {SELECTOR_CODE16, SELECTOR_DATA},           {SELECTOR_USER_CODE64, SELECTOR_USER_DATA},
    {SELECTOR_USER_CODE32, SELECTOR_USER_DATA}, {SELECTOR_USER_CODE16, SELECTOR_USER_DATA},
};

void exec_prepare(struct exec *exec, enum ring ring, const void *code, size_t size)
{
    struct cpu *cpu = this_cpu();
    uint8_t *page = cpu_code(cpu);

    memcpy(page, code, size);
    page[size] = 0xcc;
    memset(exec, 0, sizeof(*exec));
    exec->code = (uintptr_t)page;
    exec->size = size;
    exec->frame.rip = exec->code;
    exec->frame.cs = ring_selectors[ring].code;
    exec->frame.ss = ring_selectors[ring].stack;
    exec->frame.rsp = (uintptr_t)cpu + AREA_TEST_STACK - 64;
    exec->frame.rflags = RFLAGS_FIXED;
}

bool exec_run(struct exec *exec)
{
    struct cpu *cpu = this_cpu();

    exec->cr2 = 0;
    cpu->exec = exec;
    exec_enter(&exec->frame, &cpu->exec_host_stack);
    return exec->frame.vector == VECTOR_BP && exec->frame.rip == exec->code + exec->size + 1;
}

static const char *const vector_names[32] = {"DE", "DB", "NMI", "BP", "OF", "BR", "UD", "NM", "DF", "9",  "TS",
                                             "NP", "SS", "GP",  "PF", "15", "MF", "AC", "MC", "XM", "VE", "CP"};

static bool has_error_code(uint64_t vector)
{
    return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21;
}

struct outcome exec_outcome(const struct exec *exec)
{
    const struct frame *frame = &exec->frame;
    int64_t distance = (int64_t)(frame->rip - exec->code);
    struct outcome outcome;
    char error[16] = "";

    if (frame->vector == VECTOR_BP && distance == (int64_t)exec->size + 1) {
        format_text(outcome.text, sizeof(outcome.text), "done");
        return outcome;
    }
    if (has_error_code(frame->vector))
        format_text(error, sizeof(error), "(%x)", (unsigned)frame->error);
    if (distance >= 0 && distance < 4096)
        format_text(outcome.text, sizeof(outcome.text), "#%s%s at +%d", vector_names[frame->vector] ?: "?", error,
                    (int)distance);
    else
        format_text(outcome.text, sizeof(outcome.text), "#%s%s at %llx", vector_names[frame->vector] ?: "?", error,
                    (unsigned long long)frame->rip);
    return outcome;
}

static noreturn void fail_fatally(const struct frame *frame)
{
    error_stop("cpu%u: #%s error %llx at %llx, cr2 %llx, outside of any code under test", this_cpu()->index,
               vector_names[frame->vector] ?: "?", (unsigned long long)frame->error, (unsigned long long)frame->rip,
               (unsigned long long)read_cr2());
}

void trap_handle(struct frame *frame)
{
    struct cpu *cpu = this_cpu();
    struct exec *exec = cpu->exec;

    if (frame->vector == VECTOR_NMI) {
        cpu->nmis++;
        if (cpu->nmi_hook)
            cpu->nmi_hook();
        return;
    }
    if (frame->vector >= 32) {
        cpu->interrupts[frame->vector]++;
        cpu->last_interrupt_rip = frame->rip;
        if (frame->vector != SPURIOUS_VECTOR && !cpu->keeps_in_service)
            apic_end_of_interrupt();
        return;
    }
    if (!exec)
        fail_fatally(frame);
    cpu->exec = NULL;
    exec->frame = *frame;
    exec->cr2 = read_cr2();
    exec_leave(cpu->exec_host_stack);
}

static void run_rdmsr(struct exec *exec, uint32_t index, uint64_t *value)
{
    static const uint8_t code[] = {0x0f, 0x32};

    exec_prepare(exec, RING0, code, sizeof(code));
    exec->frame.rcx = index;
    exec_run(exec);
    *value = exec->frame.rdx << 32 | (uint32_t)exec->frame.rax;
}

static void run_wrmsr(struct exec *exec, uint32_t index, uint64_t value)
{
    static const uint8_t code[] = {0x0f, 0x30};

    exec_prepare(exec, RING0, code, sizeof(code));
    exec->frame.rcx = index;
    exec->frame.rax = (uint32_t)value;
    exec->frame.rdx = value >> 32;
    exec_run(exec);
}

bool rdmsr_safe(uint32_t index, uint64_t *value)
{
    struct exec exec;
    run_rdmsr(&exec, index, value);
    return exec.frame.vector == VECTOR_BP;
}

bool wrmsr_safe(uint32_t index, uint64_t value)
{
    struct exec exec;
    run_wrmsr(&exec, index, value);
    return exec.frame.vector == VECTOR_BP;
}

struct outcome rdmsr_outcome(uint32_t index, uint64_t *value)
{
    struct exec exec;
    run_rdmsr(&exec, index, value);
    return exec_outcome(&exec);
}

struct outcome wrmsr_outcome(uint32_t index, uint64_t value)
{
    struct exec exec;
    run_wrmsr(&exec, index, value);
    return exec_outcome(&exec);
}
