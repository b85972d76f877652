/* A guest that hangs, for who debugs it from outside: every CPU spins with interrupts off, and what is to be found in
 * its memory was printed before. */
#include "tests/guest/cpu.h"
#include "tests/guest/instructions.h"
#include "tests/guest/report.h"
#include "tests/guest/smp.h"
#include "tests/guest/tests.h"

struct hang {
    char text[32];
    uint64_t random;
    volatile uint64_t turns; /* written all the time, by the last CPU */
};

static struct hang hang = {.text = "found from outside"};

static noreturn void spin(void *unused)
{
    (void)unused;
    for (;;)
        hang.turns++;
}

extern const uint8_t steps_called[], steps_entered[];

/* Where the SYSCALL and the SYSENTER of steps_loop lead: the instruction behind it. */
static void prepare_calls(void)
{
    enum {
        EFER_SCE = 1,
        TF_AND_IF = 0x300,
        SYSENTER_CS = 0x174,
        SYSENTER_ESP = 0x175,
        SYSENTER_EIP = 0x176,
        FMASK = MSR_LSTAR + 2
    };

    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
    wrmsr(MSR_STAR, (uint64_t)SELECTOR_CODE64 << 32);
    wrmsr(MSR_LSTAR, (uint64_t)steps_called);
    wrmsr(FMASK, TF_AND_IF);
    wrmsr(SYSENTER_CS, SELECTOR_CODE64);
    wrmsr(SYSENTER_ESP, (uint64_t)__builtin_frame_address(0));
    wrmsr(SYSENTER_EIP, (uint64_t)steps_entered);
}

/* What a step by the trap flag must not be seen by, for who steps it. No interrupt may come in. */
void test_steps(void)
{
    enum { PIC1_MASK = 0x21, PIC2_MASK = 0xa1, ALL = 0xff };

    asm volatile("cli");
    out8(PIC1_MASK, ALL);
    out8(PIC2_MASK, ALL);
    prepare_calls();
    observe("stepping");
    asm volatile("steps_loop:\n\t"
                 "pushfq\n\tpopq %%r8\n\t"
                 "sti\n\tnop\n\tpushfq\n\tpopq %%r9\n\t"
                 "cli\n\tpushfq\n\tpopq %%r10\n\t"
                 "pushq $2\n\tpopfq\n\t"
                 "xorl %%eax, %%eax\n\tcpuid\n\t"
                 "sti\n\tnop\n\tsyscall\n"
                 "steps_called:\n\t"
                 "pushfq\n\tpopq %%r12\n\t"
                 "sti\n\tnop\n\tmovq %%rsp, %%r13\n\tsysenter\n"
                 "steps_entered:\n\t"
                 "movq %%r13, %%rsp\n\tpushfq\n\tpopq %%r14\n\t"
                 "int $0x81\n\t"
                 "jmp steps_loop"
                 :
                 :
                 : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "cc", "memory");
}

/* It sleeps, as an idle system does, with interrupts off: what ends that comes from outside. */
void test_doze(void)
{
    static uint64_t line;

    if (!(cpuid(1, 0).ecx & 1u << 3))
        skip("MWAIT");
    asm volatile("cli");
    observe("turns at %lx", (uint64_t)&hang.turns);
    for (;;) {
        asm volatile("monitor" : : "a"(&line), "c"(0), "d"(0));
        asm volatile("mwait" : : "a"(0), "c"(0) : "memory");
        hang.turns++;
    }
}

void test_hang(void)
{
    hang.random = rdtsc() * 0x9e3779b97f4a7c15;
    observe("text at %lx", (uint64_t)hang.text);
    observe("random at %lx is %016lx", (uint64_t)&hang.random, hang.random);
    observe("turns at %lx", (uint64_t)&hang.turns);
    observe("spin at %lx", (uint64_t)spin);
    for (unsigned i = 0; i < cpu_count; i++)
        observe("nmis of cpu%u at %lx", i, (uint64_t)&cpu_at(i)->nmis);
    for (unsigned i = 1; i < cpu_count; i++) {
        if (!cpu_at(i)->starts && !smp_start(cpu_at(i)))
            error_stop("cpu%u doesn't start", i);
        cpu_at(i)->job = spin;
    }
    asm volatile("cli");
    observe("spinning");
    if (cpu_count == 1)
        spin(NULL);
    for (;;)
        asm volatile("pause");
}
