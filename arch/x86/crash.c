/* Crash reports and refusals. */
#include "arch/x86/crash.h"

#include "arch/x86/backtrace.h"
#include "arch/x86/console.h"
#include "arch/x86/cpu.h"
#include "arch/x86/instr.h"
#include "arch/x86/reset.h"
#include "arch/x86/virt.h"
#include "lib/format.h"
#include "lib/log.h"
#include "lib/options.h"
#include "lib/symbols.h"

enum { BACKTRACE_MAX = 16 };

extern const uint8_t text_start[], text_end[], symbols_start[], symbols_end[];

static char cause[LOG_LINE_MAX];
static uint32_t crashing; /* 1 + index of the CPU that reports */

bool crash_in_progress(void)
{
    return __atomic_load_n(&crashing, __ATOMIC_ACQUIRE);
}

/* The guest's other CPUs leave it and halt (vmm_slow_work()). */
static void stop_others(void)
{
    for (uint32_t i = 0; i < cpu_count; i++)
        if (i != cpu_index() && cpu_at(i)->vcpu)
            virt_kick(cpu_at(i));
}

static noreturn void finish(void)
{
    log_error("end of the report: %s", cause); /* all that a screen of 25 rows shows of it, beside the last fields */
    switch (options.on_crash) {
    case ON_CRASH_RESET:
        log_error("on_crash=reset: resetting the machine");
        console_flush();
        machine_reset();
    case ON_CRASH_MONITOR:
        crash_monitor();
        log_error("on_crash=monitor: the serial line has no monitor, use console=com1 or console=com2,own; halted");
        break;
    case ON_CRASH_HALT:
        log_error("on_crash=halt: halted; reset the machine to go on");
        break;
    }
    console_flush();
    cpu_halt();
}

/* A second CPU, or a fault inside the report, must neither garble the report nor loop. */
static void claim(void)
{
    uint32_t expected = 0, me = cpu_index() + 1;

    if (__atomic_compare_exchange_n(&crashing, &expected, me, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        console_seize();
        return;
    }
    if (expected == me)
        finish();
    cpu_halt();
}

/* A line of the backtrace. A return address may be the first one behind its function, where that ends with the call. */
static void report_place(unsigned number, uint64_t address, bool is_return, bool certain)
{
    const char *guess = certain ? "" : "? ";
    struct symbol symbol;

    if (symbols_find(symbols_start, (size_t)(symbols_end - symbols_start), address - (uint64_t)text_start - is_return,
                     &symbol))
        log_error("  #%-2u %016lx %s%s+0x%lx", number, address, guess, symbol.name, symbol.offset + is_return);
    else
        log_error("  #%-2u %016lx %s", number, address, guess);
}

/* How Plinth came to `rip`; by the stack at `rsp`, if that is one of this CPU's, or at least began in one. */
static void report_backtrace(uint64_t rip, uint64_t rsp, uint64_t frame)
{
    struct backtrace trace = {.frame = frame, .code = text_start, .code_end = text_end};
    uint64_t bottom, top, address;
    unsigned number = 0;
    bool certain;

    report_place(number++, rip, false, true);
    if (!cpu_find_stack(rsp, &bottom, &top))
        return;
    trace.next = (const uint64_t *)ALIGN_UP(rsp < bottom ? bottom : rsp, sizeof(uint64_t));
    trace.top = (const uint64_t *)top;
    while (number < BACKTRACE_MAX && backtrace_next(&trace, &address, &certain))
        report_place(number++, address, true, certain);
}

/* What every report has, behind its sentence: the host, how it came here, the guest with its last exits. */
static void report(uint64_t rip, uint64_t rsp, uint64_t frame)
{
    log_error("host: rip %016lx rsp %016lx cr0 %lx cr2 %lx cr3 %lx cr4 %lx", rip, rsp, read_cr0(), read_cr2(),
              read_cr3(), read_cr4());
    report_backtrace(rip, rsp, frame);
    virt_dump();
}

/* The same from a function's caller on. `frame`: the function's; it holds the caller's and the return address. */
static void report_caller(const uint64_t *frame)
{
    report(frame[1], (uint64_t)(frame + 2), frame[0]);
}

noinline void crash(const char *format, ...)
{
    va_list args;

    claim();
    stop_others();
    va_start(args, format);
    vformat_text(cause, sizeof(cause), format, args);
    va_end(args);
    log_error("CRASH on cpu%u: %s", cpu_index(), cause);
    report_caller(__builtin_frame_address(0));
    finish();
}

void crash_exception(const struct exception_frame *f)
{
    claim();
    stop_others();
    format_text(cause, sizeof(cause), "exception %lu in Plinth itself, error code %lx, at %lx", f->vector,
                f->error_code, f->rip);
    log_error("CRASH on cpu%u: %s", cpu_index(), cause);
    log_error("  rax %016lx rbx %016lx rcx %016lx rdx %016lx", f->rax, f->rbx, f->rcx, f->rdx);
    log_error("  rsi %016lx rdi %016lx rbp %016lx rsp %016lx", f->rsi, f->rdi, f->rbp, f->rsp);
    log_error("  r8  %016lx r9  %016lx r10 %016lx r11 %016lx", f->r8, f->r9, f->r10, f->r11);
    log_error("  r12 %016lx r13 %016lx r14 %016lx r15 %016lx", f->r12, f->r13, f->r14, f->r15);
    log_error("  rflags %08lx", f->rflags);
    report(f->rip, f->rsp, f->rbp);
    finish();
}

noinline void reset_with_report(const char *why)
{
    claim();
    stop_others();
    log_error("cpu%u: %s: resetting the machine, as hardware does", cpu_index(), why);
    report_caller(__builtin_frame_address(0));
    console_flush();
    machine_reset();
}

void refuse(const struct error *error)
{
    log_error("%s", error->text);
    log_error("Plinth stops here; the guest was not started");
    console_flush();
    cpu_halt();
}
