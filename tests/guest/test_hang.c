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

void test_hang(void)
{
    hang.random = rdtsc() * 0x9e3779b97f4a7c15;
    observe("text at %lx", (uint64_t)hang.text);
    observe("random at %lx is %016lx", (uint64_t)&hang.random, hang.random);
    observe("turns at %lx", (uint64_t)&hang.turns);
    observe("spin at %lx", (uint64_t)spin);
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
