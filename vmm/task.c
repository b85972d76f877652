/* Task switches: hardware leaves them to us wherever it isn't the bare machine (SDM vol. 3, 25.4.2). */
#include "vmm/task_switch.h"
#include "vmm/vmm.h"

/* An NMI blocks others from its delivery on, whatever becomes of it; IRET ends that, even one that faults (6.7.1). */
static void track_nmi_blocking(const struct task_request *request)
{
    if (request->source == TASK_BY_IRET)
        vcpu_block_nmis(false);
    else if (request->is_nmi)
        vcpu_block_nmis(true);
}

enum exit_action task_exit(const struct task_request *request)
{
    struct task_state state;
    struct task_outcome outcome;

    vcpu_get_task(&state);
    vmm_cpu(cpu_this())->emulates = true;
    task_switch(&state, request, &outcome);
    vmm_cpu(cpu_this())->emulates = false;
    if (outcome.committed)
        vcpu_set_task(&state);
    if (outcome.result != TASK_REFUSED)
        track_nmi_blocking(request);
    switch (outcome.result) {
    case TASK_SWITCHED:
        if (outcome.trap)
            vcpu_inject_task_trap();
        return ACTION_DONE;
    case TASK_FAULTED:
        vcpu_inject_fault(outcome.vector, outcome.error, outcome.cr2);
        return ACTION_DONE;
    case TASK_REFUSED:
        return ACTION_GP;
    case TASK_SHUT_DOWN:
        return triple_fault_exit();
    }
    return ACTION_CRASH;
}
