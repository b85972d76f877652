#include "boot/steps.h"

#include "arch/x86/cpu.h"
#include "arch/x86/instr.h"
#include "arch/x86/virt.h"
#include "boot/host_map.h"
#include "vmm/vmm.h"

static enum step step;
static uint32_t arrived; /* CPUs that have done it */
static bool failed;
static struct error first; /* of the first CPU that failed */

/* Says that this CPU has done its last step, and waits for another. */
static enum step next_step(enum step last)
{
    enum step next;

    __atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL);
    while ((next = __atomic_load_n(&step, __ATOMIC_ACQUIRE)) == last)
        cpu_pause();
    return next;
}

static void note(bool ok, const struct error *error)
{
    if (!ok && !__atomic_exchange_n(&failed, true, __ATOMIC_ACQ_REL))
        first = *error;
}

static noreturn void stop(void)
{
    virt_stop_cpu();
    __atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL);
    cpu_halt();
}

void steps_entry(void)
{
    struct error error;

    virt_examine_cpu();
    if (next_step(STEP_CHECK) == STEP_NATIVE)
        stop();
    note(virt_start_cpu(&error), &error);
    if (next_step(STEP_START) == STEP_NATIVE)
        stop();
    write_cr3(host_map_cr3()); /* the identity map is gone from the tables: from the TLB too */
    vmm_run_application_cpu();
}

bool steps_wait(struct error *error)
{
    while (cpu_count > 1 && __atomic_load_n(&arrived, __ATOMIC_ACQUIRE) < cpu_count - 1)
        cpu_pause();
    if (failed)
        *error = first;
    return !failed;
}

static void tell(enum step next)
{
    __atomic_store_n(&arrived, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&step, next, __ATOMIC_RELEASE);
}

bool steps_take(enum step next, struct error *error)
{
    tell(next);
    return steps_wait(error);
}

void steps_run_guest(void)
{
    tell(STEP_GUEST);
}
