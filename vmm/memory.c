/* EPT violations: pages that are touched for the first time, the trapped APIC, Plinth's block. */
#include "arch/x86/crash.h"
#include "arch/x86/regs.h"
#include "lib/log.h"
#include "vmm/vmm.h"

struct ept *guest_ept;

uint64_t guest_ept_pointer(void)
{
    return ept_pointer(guest_ept, virt_has_accessed_dirty());
}

enum exit_action memory_exit(const struct vm_exit *exit)
{
    uint64_t address = exit->memory.address;

    if (exit->memory.write && apic_trap_write(address))
        return ACTION_RESUME;
    switch (ept_fill(guest_ept, address)) {
    case EPT_FILLED:
    case EPT_PRESENT_ALREADY: /* another CPU was faster, or a right was given back: the CPU has dropped its stale
                                 translation by the exit */
        apic_trap_sync_view(address);
        return ACTION_RESUME;
    case EPT_IN_BLOCK:
        log_warning("cpu%u: the guest touched Plinth's block at %lx", cpu_this()->index, address);
        return ACTION_GP;
    case EPT_BEYOND:
        return ACTION_GP; /* no guest can form such an address: MAXPHYADDR is checked before EPT */
    case EPT_NO_MEMORY:
        log_error("cpu%u: no page left for the EPT at %lx", cpu_this()->index, address);
        return ACTION_CRASH;
    }
    return ACTION_CRASH;
}
