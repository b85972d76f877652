/*
 * meter: what the boot tests measure from inside the guest. No C library function that takes time lies between what it
 * reads and what it runs.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

/* The loop is two instructions a round. */
static void spin(unsigned long instructions)
{
    unsigned long rounds = instructions / 2;

    __asm__ volatile("1: dec %0; jnz 1b" : "+r"(rounds)::"cc");
}

static void spin_on(int cpu, unsigned long instructions)
{
    cpu_set_t only;

    CPU_ZERO(&only);
    CPU_SET(cpu, &only);
    if (sched_setaffinity(0, sizeof(only), &only) != 0)
        _exit(1);
    spin(instructions);
    _exit(0);
}

/* On every CPU at once; the exit status says whether all of them did it. */
static int spin_everywhere(unsigned long instructions)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    int status, bad = 0;

    for (int cpu = 0; cpu < cpus; cpu++)
        if (fork() == 0)
            spin_on(cpu, instructions);
    while (wait(&status) > 0)
        bad |= status;
    return bad != 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "tsc") == 0) {
        printf("tsc: %s=%llu\n", argv[2], __rdtsc());
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "spin") == 0)
        return spin_everywhere(strtoul(argv[2], NULL, 0));
    fprintf(stderr, "usage: meter tsc NAME | meter spin INSTRUCTIONS\n");
    return 2;
}
