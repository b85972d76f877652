/* Whole exits on the fake machine: what has once gone wrong, and that no reason leads anywhere but to an answer or to a
 * report. */
#include "tests/host/support.h"

#include "tests/fake/fake.h"

#include "arch/x86/cpu.h"
#include "arch/x86/regs.h"
#include "arch/x86/vmx/controls.h"
#include "arch/x86/vmx/events.h"
#include "arch/x86/vmx/exit_reasons.h"
#include "arch/x86/vmx/vcpu.h"
#include "lib/options.h"

enum { APIC_PAGE = 0xfee00000, SINGLE_STEP = 1 << 14 };

/* The machine is booted once: before each test the CPU is put where it was, no step under way. */
static struct fake_cpu first;

static int boot(void **state)
{
    /* no preemption timer; CPU 1 waits, so the APIC's page is trapped; a triple fault is reported */
    const struct fake_setup setup = {
        .ap_start = AP_START_ICR, .on_crash = ON_CRASH_HALT, .monitor_trap_flag = true, .accessed_dirty = true};

    (void)state;
    fake_boot(&setup);
    first = fake_cpus[0];
    return 0;
}

static int rewind_cpu(void **state)
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

static void set(enum vmcs_index field, uint64_t value)
{
    *fake_field(field) = value;
}

static uint64_t get(enum vmcs_index field)
{
    return *fake_field(field);
}

static void expect_entry(void)
{
    struct entry_finding finding;
    struct entry_image image;
    char text[ENTRY_FINDING_MAX];

    fake_image(&image);
    if (!entry_checks(&image, &finding, 1))
        return;
    entry_finding_text(&image, &finding, text);
    fail_msg("%s", text);
}

static void exit_with(uint32_t reason, uint64_t qualification)
{
    set(INDEX_EXIT_REASON, reason);
    set(INDEX_EXIT_QUALIFICATION, qualification);
    assert_int_equal(fake_exit(), FAKE_RETURNED);
    expect_entry();
}

/* The guest writes to its APIC, which is trapped: a step begins. */
static void touch_apic(void)
{
    set(INDEX_GUEST_PHYSICAL_ADDRESS, APIC_PAGE + 0x80);
    exit_with(EXIT_EPT_VIOLATION, 0x182);
    assert_true(get(INDEX_HOST_RIP) == (uint64_t)vmx_step_exit_entry);
}

static void single_step(void)
{
    set(INDEX_EXIT_INTERRUPTION_INFO, 0x80000301);
    exit_with(EXIT_EXCEPTION_OR_NMI, SINGLE_STEP);
    set(INDEX_EXIT_INTERRUPTION_INFO, 0);
}

static void a_step_begins_and_ends(void **state)
{
    uint64_t rip = get(INDEX_GUEST_RIP);

    (void)state;
    set(INDEX_GUEST_RFLAGS, 0x202);
    touch_apic();
    assert_true((get(INDEX_GUEST_RFLAGS) & (RFLAGS_TF | RFLAGS_IF)) == RFLAGS_TF);
    single_step();
    assert_true(get(INDEX_GUEST_RFLAGS) == 0x202);
    assert_true(get(INDEX_GUEST_RIP) == rip);
    assert_true(get(INDEX_EXCEPTION_BITMAP) == 0 && get(INDEX_GUEST_PENDING_DEBUG) == 0);
}

/* A POPF whose stack lies on a trapped page: what it loads stays. */
static void a_stepped_popf_loads_the_flags(void **state)
{
    (void)state;
    set(INDEX_GUEST_RFLAGS, 0x202);
    touch_apic();
    set(INDEX_GUEST_RFLAGS, 0x2);
    single_step();
    assert_true(get(INDEX_GUEST_RFLAGS) == 0x2);
    touch_apic();
    set(INDEX_GUEST_RFLAGS, 0x202);
    single_step();
    assert_true(get(INDEX_GUEST_RFLAGS) == 0x202);
}

/* The guest steps itself, and MOV SS holds its #DB back: that must not end our step before the instruction. */
static void a_pending_single_step_waits_for_the_step(void **state)
{
    (void)state;
    set(INDEX_GUEST_RFLAGS, 0x302);
    set(INDEX_GUEST_INTERRUPTIBILITY, BLOCKING_BY_MOV_SS);
    set(INDEX_GUEST_PENDING_DEBUG, SINGLE_STEP);
    touch_apic();
    assert_true(get(INDEX_GUEST_PENDING_DEBUG) == 0);
    single_step();
    assert_true(get(INDEX_GUEST_PENDING_DEBUG) == SINGLE_STEP);
    assert_true(get(INDEX_GUEST_RFLAGS) == 0x302);
}

/* The same, but something else comes first: all is as it was. */
static void a_cancelled_step_leaves_no_trace(void **state)
{
    (void)state;
    set(INDEX_GUEST_RFLAGS, 0x302);
    set(INDEX_GUEST_INTERRUPTIBILITY, BLOCKING_BY_MOV_SS);
    set(INDEX_GUEST_PENDING_DEBUG, SINGLE_STEP);
    touch_apic();
    exit_with(EXIT_INVD, 0);
    assert_true(get(INDEX_GUEST_RFLAGS) == 0x302 && get(INDEX_HOST_RIP) == (uint64_t)vmx_exit_entry);
    assert_true(get(INDEX_EXCEPTION_BITMAP) == 0);
}

/* The guest's handler must not run with what was made for one instruction. */
static void an_nmi_waits_for_the_end_of_a_step(void **state)
{
    (void)state;
    set(INDEX_GUEST_PHYSICAL_ADDRESS, APIC_PAGE + 0x80);
    cpu_this()->nmi_count = cpu_this()->slow_work = 1; /* it comes while the exit is handled */
    exit_with(EXIT_EPT_VIOLATION, 0x182);
    assert_false(get(INDEX_ENTRY_INTERRUPTION_INFO) & INTERRUPTION_VALID);
    assert_true(get(INDEX_PRIMARY_CONTROLS) & PRIMARY_NMI_WINDOW_EXITING);
    exit_with(EXIT_NMI_WINDOW, 0);
    assert_true(get(INDEX_ENTRY_INTERRUPTION_INFO) == 0x80000202);
    assert_true(get(INDEX_HOST_RIP) == (uint64_t)vmx_exit_entry);
}

/* In the middle of an interrupt's delivery: it is delivered again, with IF set. */
static void a_delivery_is_stepped_without_the_trap_flag(void **state)
{
    (void)state;
    set(INDEX_GUEST_RFLAGS, 0x202);
    set(INDEX_IDT_VECTORING_INFO, 0x80000020);
    touch_apic();
    assert_true(get(INDEX_ENTRY_INTERRUPTION_INFO) == 0x80000020);
    assert_true(get(INDEX_GUEST_RFLAGS) == 0x202);
    assert_true(get(INDEX_PRIMARY_CONTROLS) & PRIMARY_MONITOR_TRAP_FLAG);
    set(INDEX_IDT_VECTORING_INFO, 0);
    exit_with(EXIT_MONITOR_TRAP_FLAG, 0);
    assert_false(get(INDEX_PRIMARY_CONTROLS) & PRIMARY_MONITOR_TRAP_FLAG);
    assert_true(get(INDEX_HOST_RIP) == (uint64_t)vmx_exit_entry);
}

static void rip_wraps_as_the_mode_says(void **state)
{
    (void)state;
    set(INDEX_EXIT_INSTRUCTION_LENGTH, 2);
    cpu_this()->frame->rax = 0;
    set(INDEX_GUEST_RIP, 0xffffffff);
    exit_with(EXIT_CPUID, 0);
    assert_true(get(INDEX_GUEST_RIP) == 1);
    set(INDEX_GUEST_RIP, 0xfffffffe);
    exit_with(EXIT_CPUID, 0);
    assert_true(get(INDEX_GUEST_RIP) == 0);
}

/* Row 4 of the test plan: bounded, and a report that names the reason. */
static void every_reason_has_an_end(void **state)
{
    unsigned crashed = 0;

    for (uint32_t reason = 0; reason <= 0xffff; reason++) {
        enum fake_end end;

        if (reason == EXIT_INIT || reason == EXIT_SIPI || reason == EXIT_PREEMPTION_TIMER)
            continue; /* another state of the CPU; a timer that this one hasn't got */
        rewind_cpu(state);
        set(INDEX_EXIT_REASON, reason);
        set(INDEX_EXIT_INTERRUPTION_INFO, 0x80000202);
        end = fake_exit();
        assert_true(end == FAKE_RETURNED || end == FAKE_CRASHED);
        crashed += end == FAKE_CRASHED;
        if (end == FAKE_RETURNED)
            expect_entry();
        else
            assert_contains(fake_end_text(), "VM exit \"");
    }
    assert_int_equal(crashed, 0x10000 - 30);
}

static void a_failed_entry_ends_in_a_report(void **state)
{
    (void)state;
    set(INDEX_EXIT_REASON, 0x80000021);
    assert_int_equal(fake_exit(), FAKE_CRASHED);
    assert_contains(fake_end_text(), "ENTRY_FAILURE_GUEST_STATE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_step_begins_and_ends, rewind_cpu),
        cmocka_unit_test_setup(a_stepped_popf_loads_the_flags, rewind_cpu),
        cmocka_unit_test_setup(a_pending_single_step_waits_for_the_step, rewind_cpu),
        cmocka_unit_test_setup(a_cancelled_step_leaves_no_trace, rewind_cpu),
        cmocka_unit_test_setup(an_nmi_waits_for_the_end_of_a_step, rewind_cpu),
        cmocka_unit_test_setup(a_delivery_is_stepped_without_the_trap_flag, rewind_cpu),
        cmocka_unit_test_setup(rip_wraps_as_the_mode_says, rewind_cpu),
        cmocka_unit_test_setup(every_reason_has_an_end, rewind_cpu),
        cmocka_unit_test_setup(a_failed_entry_ends_in_a_report, rewind_cpu),
    };

    return cmocka_run_group_tests(tests, boot, NULL);
}
