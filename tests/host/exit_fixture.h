/* Whole exits on the fake machine of two CPUs, booted once a program: what their tests share. */
#pragma once

#include "tests/host/support.h"

#include "tests/fake/fake.h"

#include "arch/x86/cpu.h"
#include "arch/x86/regs.h"
#include "arch/x86/vmx/controls.h"
#include "arch/x86/vmx/events.h"
#include "arch/x86/vmx/exit_reasons.h"
#include "arch/x86/vmx/vcpu.h"
#include "lib/log.h"
#include "lib/options.h"
#include "vmm/vmm.h"

/* Before each test the CPU is put where it was, no step under way. */
static struct fake_cpu first;

static inline int boot(void **state)
{
    /* no preemption timer; CPU 1 waits, so the APIC's page is trapped; a triple fault is reported */
    const struct fake_setup setup = {
        .ap_start = AP_START_ICR, .on_crash = ON_CRASH_HALT, .monitor_trap_flag = true, .accessed_dirty = true};

    (void)state;
    fake_boot(&setup);
    first = fake_cpus[0];
    return 0;
}

static inline int rewind_cpu(void **state)
{
    (void)state;
    fake_current = 0;
    fake_cpus[0] = first;
    cpu_this()->nmi_count = cpu_this()->slow_work = 0;
    if (cpu_this()->vcpu->step != STEP_NONE)
        (void)vmx_step_end(cpu_this()->vcpu, EXIT_INIT);
    fake_cpus[0] = first;
    return 0;
}

static inline void set(enum vmcs_index field, uint64_t value)
{
    *fake_field(field) = value;
}

static inline uint64_t get(enum vmcs_index field)
{
    return *fake_field(field);
}

static inline void expect_entry(void)
{
    const char *fault = fake_entry_fault();

    if (fault)
        fail_msg("%s", fault);
}

static inline void exit_with(uint32_t reason, uint64_t qualification)
{
    set(INDEX_EXIT_REASON, reason);
    set(INDEX_EXIT_QUALIFICATION, qualification);
    assert_int_equal(fake_exit(), FAKE_RETURNED);
    expect_entry();
}
