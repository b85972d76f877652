/*
 * The vendor-neutral monitor: what the guest sees of the machine and what becomes of its exits. Interfaces between the
 * parts of vmm/ and to boot/. Root mode, the CPU itself, unless said otherwise.
 */
#pragma once

#include "arch/x86/acpi.h"
#include "arch/x86/cpu.h"
#include "arch/x86/virt.h"
#include "mm/ept.h"
#include "mm/mtrr.h"
#include "vmm/ap_mailbox.h"
#include "vmm/detour.h"
#include "vmm/watch_report.h"

/* How often a CPU reports what its guest does wrong, of each kind: the guest must not be able to fill the log. */
enum { GUEST_REPORTS_MAX = 4 };

/* What vmm/ keeps for each CPU, in the page of its struct cpu. */
struct vmm_cpu {
    struct ap_mailbox mailbox;   /* ap_start.c: INIT and SIPI sent by other CPUs */
    bool monitor_steps;          /* monitor_step.c */
    uint8_t step_kind;           /* step_help.c: enum step_kind of the instruction that is stepped */
    uint32_t trapped_register;   /* apic_trap.c */
    uint32_t block_accesses;     /* memory.c: how often the guest has touched Plinth's block on this CPU */
    uint32_t apic_moves;         /* msr.c: how often the guest has tried to move this CPU's APIC */
    uint32_t strings_refused;    /* ports.c: how often an INS or OUTS was */
    bool emulates;               /* task.c, port_string.c: Plinth accesses memory in the guest's place now */
    uint64_t short_of_pages_rip; /* table_pool.c: which instruction was here last, and how often in a row */
    uint32_t short_of_pages;
    struct detour detour;
    struct watch_reports watch_reports;
    struct mtrr_state mtrr; /* the guest's */
};

static inline struct vmm_cpu *vmm_cpu(struct cpu *cpu)
{
    return cpu->vmm;
}

/* Boot CPU, before launch; the CPUs are there but not in the guest. */
must_check bool vmm_init(struct pool *pool, struct ept *ept, const struct mtrr_state *mtrr,
                         const struct acpi_info *acpi, struct error *error);

/* Pages of the pool that one CPU takes at most. */
uint32_t vmm_cpu_pages(void);

/* Enters the guest: the boot CPU at *entry, the others wherever the guest sends them. On every CPU, once. */
noreturn void vmm_run_boot_cpu(const struct entry32 *entry);
noreturn void vmm_run_application_cpu(void);

/* cpuid.c: which bits are hidden is decided once. */
void cpuid_init(void);
void cpuid_log_ledger(void);

/* msr.c */
void msr_init(void);
void msr_log_ledger(void);

/* vmm.c */
enum exit_action triple_fault_exit(void);

/* control_registers.c */
enum exit_action control_register_exit(const struct vm_exit *exit);

/* task.c */
enum exit_action task_exit(const struct task_request *request);

/* memory.c */
void memory_init(struct ept *ept); /* what the guest's memory is from now on; before the CPUs' detours are made */
extern struct ept *guest_ept;
uint64_t guest_ept_pointer(void);
/* The same where the guest may be on a detour, whose step is over or cut short; `purpose`: which it was. */
enum exit_action memory_exit_on_detour(const struct vm_exit *exit, enum detour_purpose purpose);
void memory_stepped(enum detour_purpose purpose); /* the instruction of a detour is done */
