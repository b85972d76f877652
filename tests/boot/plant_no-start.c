/* Linked into an image for boot tests: the last CPU is in VMX operation and then fails, so that nothing comes of
 * Plinth. */
#include "arch/x86/cpu.h"
#include "arch/x86/virt.h"

bool __real_virt_start_cpu(struct error *error);
bool __wrap_virt_start_cpu(struct error *error);

bool __wrap_virt_start_cpu(struct error *error)
{
    if (!__real_virt_start_cpu(error))
        return false;
    return cpu_index() + 1 < cpu_count || fail(error, "planted: cpu%u fails after VMXON", cpu_index());
}
