/* What the VMX backend keeps for one CPU, and its parts' interfaces to one another. Root mode, the CPU itself, unless
 * said otherwise. */
#pragma once

#include "arch/x86/cpu.h"
#include "arch/x86/virt.h"
#include "arch/x86/vmx/capabilities.h"
#include "lib/options.h"

/* How the one instruction of vcpu_step_begin() is made out. */
enum step_means { STEP_NONE, STEP_PREEMPTION_TIMER, STEP_MONITOR_TRAP, STEP_TRAP_FLAG };

/* SDM vol. 3, 24.4.2 "Guest Non-Register State" */
enum { ACTIVITY_ACTIVE = 0, ACTIVITY_WAIT_FOR_SIPI = 3 };

/* An entry of a VM-exit or VM-entry MSR-load area (SDM vol. 3, 24.7.2, table 24-14). */
struct msr_load {
    uint32_t index, reserved;
    uint64_t value;
};

struct vcpu {
    struct msr_load pebs_off, pebs_on; /* pebs.c: loaded on an exit, on an entry; 16-byte aligned */
    uint64_t vmxon_physical, vmcs_physical;
    bool vmcs_current;       /* VMREAD works */
    enum step_means step;    /* step.c */
    struct vmx_trace *trace; /* trace.c; NULL: off */
    bool polls;              /* poll.c: the preemption timer is in use */
    struct {
        uint64_t rflags, debugctl, pending_debug;
        uint32_t interruptibility;
        bool keeps_if; /* CPL > IOPL */
    } step_saved;
};
_Static_assert(sizeof(struct vcpu) <= CPU_VMM_OFFSET - CPU_VCPU_OFFSET, "struct vmm_cpu follows");

/* What all CPUs share; written at boot. */
struct vmx {
    struct vmx_capabilities capabilities; /* what all CPUs have */
    struct pool *pool;
    const struct ept *ept;
    uint8_t *msr_bitmap;
    uint64_t msr_bitmap_physical;
    const char *exit_entry; /* HOST_RIP but for a step */
};
extern struct vmx vmx;

/* vmx.c: drops all that this CPU has cached of the guest's linear addresses, whatever tables they went through. Due
 * when Plinth writes what decides about them, CR0.PG, CR3 or CR4, in the guest's place: a VM entry drops nothing with
 * VPID (28.3.3.1, 28.3.3.3). */
void vmx_flush_linear(void);

/* vmcs_setup.c: fills the current VMCS, as the SDM splits it */
must_check bool vmcs_set_controls(struct error *error);
void vmcs_set_host_state(void);

/* vmx_decode.c */
void vmx_decode(uint32_t reason, const struct guest_regs *regs, struct vm_exit *out);
void vmx_decode_violation(uint32_t reason, struct vm_exit *out); /* the same for an EPT violation */

/* step.c: called first on every exit while vcpu->step isn't STEP_NONE, and to cancel a step that hasn't begun. True if
 * this exit is the step's end. */
bool vmx_step_end(struct vcpu *vcpu, uint32_t reason);

/* report.c */
const char *vmx_exit_name(uint32_t reason);
const char *vmx_instruction_error(uint32_t number);

/* vmx_enter.S */
struct code_range {
    uint64_t begin, end;
};
extern const struct code_range vmx_resume_ranges[], vmx_resume_ranges_end[]; /* from the last look at slow_work on */
extern const char *const vmx_exit_entries[STATISTICS_MODES][2][2];           /* [what is kept][scrub][VERW] */
extern char vmx_exit_entry_any[], vmx_exit_entry_traced[], vmx_step_exit_entry[], vmx_resume_slow[], vmx_launch_begin[],
    vmx_launch_end[], vmx_launch_slow[];
extern char vmx_sleep_begin[], vmx_sleep_end[];
noreturn void vmx_launch(void);
void vmx_sleep(const uint32_t *word);
void vmx_unblock_nmis(void);

/* called from there */
void vmx_exit(struct guest_regs *regs);
void vmx_exit_sorted(struct guest_regs *regs);
void vmx_exit_uncounted(struct guest_regs *regs);
void vmx_exit_any(struct guest_regs *regs);
void vmx_exit_traced(struct guest_regs *regs);
void vmx_step_exit(struct guest_regs *regs);
void vmx_slow_work(void);
noreturn void vmx_entry_failed(void);
