/* The one switch over exits, and a CPU's way into the guest. */
#include "vmm/vmm.h"

#include "arch/x86/crash.h"
#include "arch/x86/exception.h"
#include "arch/x86/instr.h"
#include "arch/x86/regs.h"
#include "lib/log.h"
#include "lib/options.h"
#include "vmm/ap_start.h"
#include "vmm/apic_trap.h"
#include "vmm/guest_watch.h"
#include "vmm/monitor.h"
#include "vmm/monitor_step.h"
#include "vmm/ports.h"
#include "vmm/shootdown.h"

enum exit_action vmm_xsetbv(const struct guest_regs *regs)
{
    uint64_t value = regs->rdx << 32 | (uint32_t)regs->rax;

    /* the CPU checks CR4.OSXSAVE before the exit, the rest is its answer to our own XSETBV; CPL again for emulators
     * that exit first; and without its state there is no APX, which CPUID hides (cpuid.c) */
    if (vcpu_cpl() != 0 || value & XCR0_APX || !xsetbv_safe((uint32_t)regs->rcx, value))
        return ACTION_GP;
    return ACTION_NEXT;
}

/* The machine would reset (SDM vol. 3, 6.15, "Interrupt 8"); a report is of more use to who looks for it. */
enum exit_action triple_fault_exit(void)
{
    if (options.on_crash != ON_CRASH_RESET)
        crash("triple fault in the guest, at which the machine would reset");
    reset_with_report("triple fault in the guest");
}

/* Only asked for while stepping; it cancelled the step and belongs to the guest. */
static enum exit_action handle_exception(void)
{
    vcpu_reflect_exception();
    return ACTION_RESUME;
}

static enum exit_action handle_nmi(void)
{
    if (!__atomic_exchange_n(&cpu_this()->kicked, 0, __ATOMIC_ACQ_REL))
        vcpu_inject_nmi();
    return ACTION_RESUME;
}

static enum exit_action handle_nmi_window(void)
{
    cpu_this()->nmi_count = 0;
    vcpu_inject_nmi();
    return ACTION_RESUME;
}

static enum exit_action handle_init(void)
{
    ap_start_handle_init();
    return ACTION_RESUME;
}

static enum exit_action dispatch(struct guest_regs *regs, const struct vm_exit *exit, enum detour_purpose purpose)
{
    switch (exit->kind) {
    case VM_EXIT_CPUID:
        vmm_cpuid_special(regs);
        return ACTION_NEXT;
    case VM_EXIT_MSR_READ:
        return msr_read(regs);
    case VM_EXIT_MSR_WRITE:
        return msr_write(regs);
    case VM_EXIT_XSETBV:
        return vmm_xsetbv(regs);
    case VM_EXIT_CR_WRITE:
        return control_register_exit(exit);
    case VM_EXIT_INVD:
        wbinvd(); /* caches that hold Plinth's own lines can't be thrown away */
        return ACTION_NEXT;
    case VM_EXIT_UNDEFINED:
    case VM_EXIT_VMCALL: /* no hypercalls: what the guest sees has no VMX */
        return ACTION_UD;
    case VM_EXIT_MEMORY:
        return memory_exit_on_detour(exit, purpose);
    case VM_EXIT_NMI:
        return handle_nmi();
    case VM_EXIT_NMI_WINDOW:
        return handle_nmi_window();
    case VM_EXIT_EXCEPTION:
        return handle_exception();
    case VM_EXIT_PORT:
        return port_exit(regs, exit);
    case VM_EXIT_POLL:
        monitor_poll();
        return ACTION_RESUME;
    case VM_EXIT_WAIT:
        return ACTION_NEXT;
    case VM_EXIT_STEPPED:
        memory_stepped(purpose);
        return ACTION_RESUME;
    case VM_EXIT_INIT:
        return handle_init();
    case VM_EXIT_STARTUP:
        ap_start_handle_startup(exit->startup_vector);
        return ACTION_RESUME;
    case VM_EXIT_TASK_SWITCH:
        return task_exit(&exit->task);
    case VM_EXIT_TRIPLE_FAULT:
        return triple_fault_exit();
    case VM_EXIT_ENTRY_FAILED:
    case VM_EXIT_UNEXPECTED:
        return ACTION_CRASH;
    }
    return ACTION_CRASH;
}

enum exit_action vmm_exit(struct guest_regs *regs, const struct vm_exit *exit)
{
    struct vmm_cpu *me = vmm_cpu(cpu_this());
    enum detour_purpose purpose = me->detour.purpose;
    enum exit_action action;

    detour_step_ended(&me->detour, exit->kind == VM_EXIT_MEMORY);
    if (unlikely(me->watch_reports.access.pending) && exit->kind != VM_EXIT_MEMORY)
        watch_report_end(exit->kind == VM_EXIT_STEPPED);
    action = dispatch(regs, exit, purpose);
    if (unlikely(me->monitor_steps))
        monitor_step_exit(exit, action);
    return action;
}

void vmm_slow_work(struct cpu *cpu)
{
    if (crash_in_progress()) {
        if (options.on_crash != ON_CRASH_MONITOR)
            cpu_halt();
        monitor_guest_ended(); /* from here on this CPU only answers the monitor */
    }
    __atomic_store_n(&cpu->slow_work, 0, __ATOMIC_SEQ_CST);
    shootdown_catch_up(cpu);
    ap_start_handle_mailbox();
    monitor_slow_work(cpu);
    if (__atomic_exchange_n(&cpu->nmi_count, 0, __ATOMIC_ACQ_REL))
        vcpu_inject_nmi();
}

uint32_t vmm_cpu_pages(void)
{
    return 1 + PGTABLE_LEVELS; /* the detour's page and tables */
}

static bool create_cpus(struct pool *pool, const struct mtrr_state *mtrr, struct error *error)
{
    _Static_assert(sizeof(struct vmm_cpu) <= CPU_STRUCT_END - CPU_STRUCT - CPU_VMM_OFFSET, "one page a CPU");

    for (uint32_t i = 0; i < cpu_count; i++) {
        struct vmm_cpu *v = (struct vmm_cpu *)((char *)cpu_at(i) + CPU_VMM_OFFSET);

        *v = (struct vmm_cpu){.mtrr = *mtrr};
        if (i > 0)
            ap_mailbox_reset(&v->mailbox);
        cpu_at(i)->vmm = v;
        if (!detour_init(&v->detour, pool, guest_ept))
            return fail(error, "Memory: the page pool has no pages for cpu%u's detour: report this as a defect", i);
    }
    return true;
}

bool vmm_init(struct pool *pool, struct ept *ept, const struct mtrr_state *mtrr, const struct acpi_info *acpi,
              struct error *error)
{
    memory_init(ept);
    shootdown_init();
    if (!create_cpus(pool, mtrr, error))
        return false;
    cpuid_init();
    msr_init();
    if (options.ledger) {
        cpuid_log_ledger();
        msr_log_ledger();
    }
    if (!ap_start_init(acpi, error) || !apic_trap_init(error) || !monitor_init(error))
        return false;
    guest_watch_arm(options.watch);
    return true;
}

void vmm_run_boot_cpu(const struct entry32 *entry)
{
    vcpu_set_first();
    if (entry->real_mode_page)
        vcpu_set_startup(entry->real_mode_page);
    else
        vcpu_set_entry32(entry);
    shootdown_awake(cpu_this());
    vcpu_set_port_intercepts();
    monitor_start();
    virt_launch();
}

void vmm_run_application_cpu(void)
{
    vcpu_set_first();
    vcpu_set_port_intercepts();
    ap_start_wait();
    virt_launch();
}
