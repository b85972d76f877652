#include "arch/x86/window.h"

#include "arch/x86/cpu.h"
#include "arch/x86/instr.h"
#include "mm/host_format.h"

/* Accessed and dirty are set beforehand, so that the CPU never writes to the entry. */
volatile void *window_map(uint64_t physical, bool uncached)
{
    struct cpu *cpu = cpu_this();
    void *page = (char *)cpu - CPU_STRUCT + CPU_WINDOW;
    uint64_t entry = physical | HOST_PRESENT | HOST_WRITABLE | HOST_ACCESSED | HOST_DIRTY | HOST_NO_EXECUTE;

    if (uncached)
        entry |= HOST_PCD | HOST_PWT;
    if (*cpu->window != entry) {
        __atomic_store_n(cpu->window, entry, __ATOMIC_RELEASE);
        invlpg(page);
    }
    return page;
}
