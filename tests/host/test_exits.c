/* Whole exits on the fake machine: what has once gone wrong, and that no reason leads anywhere but to an answer or to a
 * report. */
#include "tests/host/exit_fixture.h"

#include "vmm/guest_memory.h"
#include "vmm/guest_watch.h"

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
            assert_contains(fake_end_text(), reason == EXIT_TRIPLE_FAULT ? "triple fault in the guest" : "VM exit \"");
    }
    assert_int_equal(crashed, 0x10000 - 37);
}

/* Which a CPU may be told not to do; MWAIT may end for no reason. */
static void a_guest_is_kept_awake(void **state)
{
    const uint64_t before = get(INDEX_PRIMARY_CONTROLS), rip = get(INDEX_GUEST_RIP);

    (void)state;
    assert_false(before & PRIMARY_MWAIT_EXITING);
    vcpu_keep_awake(true);
    assert_int_equal(get(INDEX_PRIMARY_CONTROLS), before | PRIMARY_MWAIT_EXITING);
    set(INDEX_EXIT_INSTRUCTION_LENGTH, 3);
    exit_with(EXIT_MWAIT, 0);
    assert_int_equal(get(INDEX_GUEST_RIP), rip + 3);
    vcpu_keep_awake(false);
    assert_int_equal(get(INDEX_PRIMARY_CONTROLS), before);
}

static void a_failed_entry_ends_in_a_report(void **state)
{
    (void)state;
    set(INDEX_EXIT_REASON, 0x80000021);
    assert_int_equal(fake_exit(), FAKE_CRASHED);
    assert_contains(fake_end_text(), "ENTRY_FAILURE_GUEST_STATE");
    rewind_cpu(state);
    set(INDEX_EXIT_REASON, 0x80000029); /* row 52 */
    assert_int_equal(fake_exit(), FAKE_CRASHED);
    assert_contains(fake_end_text(), "ENTRY_FAILURE_MACHINE_CHECK");
}

/* Row 52: with CR4.MCE clear the CPU would shut down, and so the machine be reset without a word. */
static void root_mode_takes_machine_checks(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FAKE_CPUS; i++)
        assert_true(fake_cpus[i].cr4 & CR4_MCE && fake_cpus[i].vmcs[INDEX_HOST_CR4] & CR4_MCE);
    assert_false(get(INDEX_GUEST_CR4) & CR4_MCE); /* that one is the guest's own */
    assert_false(get(INDEX_CR4_MASK) & CR4_MCE);
}

/* On the way to a native start, where the VMCS's memory becomes the guest's. */
static void a_cpu_that_stops_keeps_no_vmcs(void **state)
{
    struct vcpu *vcpu = cpu_this()->vcpu;

    (void)state;
    assert_true(fake_cpus[0].vmcs_active == vcpu->vmcs_physical && fake_cpus[0].cr4 & CR4_VMXE);
    virt_stop_cpu();
    assert_true(!fake_cpus[0].vmcs_active && !(fake_cpus[0].cr4 & CR4_VMXE) && !cpu_this()->vcpu);
    virt_stop_cpu(); /* it has left */
    cpu_this()->vcpu = vcpu;
    vcpu->vmcs_current = true;
}

/* The guest's answer to CPUID beside the machine's; `hidden` in the order EAX, EBX, ECX, EDX. */
static void expect_hidden(uint32_t leaf, uint32_t subleaf, struct cpuid_result hidden)
{
    const struct guest_regs *regs = cpu_this()->frame;
    const struct cpuid_result machine = cpuid(leaf, subleaf);
    const uint32_t hypervisor = leaf == 1 ? CPUID_1_ECX_HYPERVISOR : 0;

    cpu_this()->frame->rax = leaf;
    cpu_this()->frame->rcx = subleaf;
    exit_with(EXIT_CPUID, 0);
    assert_int_equal(regs->rax, machine.eax & ~hidden.eax);
    assert_int_equal(regs->rbx, machine.ebx & ~hidden.ebx);
    assert_int_equal(regs->rcx, (machine.ecx & ~hidden.ecx) | hypervisor);
    assert_int_equal(regs->rdx, machine.edx & ~hidden.edx);
}

/* What the table in cpuid.c must come to, written down a second time: VMX, SMX, Intel PT, FRED, APX with its state, and
 * ways to MSRs that Plinth doesn't know, and, as this CPU's controls give none of them, INVPCID, WAITPKG, PCONFIG,
 * RDTSCP and RDPID; outside 64-bit mode SYSCALL. Nothing else: XSAVES it can have. */
static void cpuid_hides_what_plinth_keeps(void **state)
{
    const uint32_t vmx_bit = BIT(5), smx = BIT(6), osxsave = BIT(27), invpcid = BIT(10), pt = BIT(25), ospke = BIT(4);
    const uint32_t waitpkg = BIT(5), pconfig = BIT(18), fred = BIT(17), xss_pt = BIT(8), rdpid = BIT(22);
    const uint32_t msrlist = BIT(27), msr_immediate = BIT(5), user_msr = BIT(15), rdtscp = BIT(27), syscall = BIT(11);
    const uint32_t apx = BIT(21), apx_state = BIT(19);

    (void)state;
    set(INDEX_GUEST_CR4, CR4_VMXE); /* without OSXSAVE and PKE */
    expect_hidden(0x1, 0, (struct cpuid_result){0, 0, vmx_bit | smx | osxsave, 0});
    expect_hidden(0x7, 0, (struct cpuid_result){0, invpcid | pt, waitpkg | rdpid | ospke, pconfig});
    expect_hidden(0x7, 1, (struct cpuid_result){fred | msrlist, 0, msr_immediate, user_msr | apx});
    expect_hidden(0xd, 0, (struct cpuid_result){apx_state, 0, 0, 0});
    expect_hidden(0xd, 2, (struct cpuid_result){0, 0, 0, 0});
    expect_hidden(0xd, 19, (struct cpuid_result){~0u, ~0u, ~0u, 0});
    expect_hidden(0x29, 1, (struct cpuid_result){0, ~0u, 0, 0});
    expect_hidden(0xd, 1, (struct cpuid_result){0, 0, xss_pt, 0});
    expect_hidden(0x14, 0, (struct cpuid_result){~0u, ~0u, ~0u, ~0u});
    expect_hidden(0x80000001, 0, (struct cpuid_result){0, 0, 0, rdtscp | syscall});
    expect_hidden(0x4, 0, (struct cpuid_result){0, 0, 0, 0});
}

/* Else a MOV to CR0 from R16 would be taken for one from RAX: Plinth sees four bits of the register's number. */
static void apx_state_is_refused(void **state)
{
    (void)state;
    cpu_this()->frame->rcx = cpu_this()->frame->rdx = 0;
    cpu_this()->frame->rax = 7;
    exit_with(EXIT_XSETBV, 0);
    assert_true(fake_cpus[0].xcr0 == 7 && !(get(INDEX_ENTRY_INTERRUPTION_INFO) & INTERRUPTION_VALID));
    cpu_this()->frame->rax = 7 | XCR0_APX;
    exit_with(EXIT_XSETBV, 0);
    assert_true(fake_cpus[0].xcr0 == 7 && get(INDEX_ENTRY_INTERRUPTION_INFO) == 0x80000b0d);
}

/* 26.7.6: an NMI that comes in the shadow of an STI waits; a CPU that opens the window there all the same takes it. */
static void an_nmi_window_in_the_shadow_of_sti_is_used(void **state)
{
    const uint64_t nmi = 0x80000202;

    (void)state;
    set(INDEX_GUEST_RFLAGS, 0x202);
    set(INDEX_GUEST_INTERRUPTIBILITY, BLOCKING_BY_STI);
    set(INDEX_EXIT_INTERRUPTION_INFO, nmi);
    exit_with(EXIT_EXCEPTION_OR_NMI, 0);
    assert_true(get(INDEX_PRIMARY_CONTROLS) & PRIMARY_NMI_WINDOW_EXITING);
    assert_false(get(INDEX_ENTRY_INTERRUPTION_INFO) & INTERRUPTION_VALID);
    exit_with(EXIT_NMI_WINDOW, 0);
    assert_false(get(INDEX_PRIMARY_CONTROLS) & PRIMARY_NMI_WINDOW_EXITING);
    assert_true(get(INDEX_ENTRY_INTERRUPTION_INFO) == nmi);
}

/* Row 21. 27.3.4: behind a MOV SS that is stepped the CPU may save BS as 0, but no entry is possible with that. It is
 * tried again, with what was to be injected, once. */
static void a_single_step_behind_mov_ss_is_made_pending(void **state)
{
    const uint64_t bs = 1 << 14;
    const uint32_t reasons[] = {EXIT_EPT_VIOLATION, EXIT_VMCALL, EXIT_WRMSR};

    for (unsigned i = 0; i < ARRAY_SIZE(reasons); i++) {
        rewind_cpu(state);
        set(INDEX_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_TF);
        set(INDEX_GUEST_INTERRUPTIBILITY, BLOCKING_BY_MOV_SS);
        set(INDEX_GUEST_PHYSICAL_ADDRESS, 0x300000000);
        cpu_this()->frame->rcx = MSR_IA32_VMX_BASIC;
        set(INDEX_EXIT_REASON, reasons[i]);
        set(INDEX_EXIT_QUALIFICATION, 1);
        assert_int_equal(fake_exit(), FAKE_RETURNED);
        assert_contains(fake_entry_fault(), "BS (bit 14) must be 1");
        exit_with(EXIT_REASON_ENTRY_FAILURE | EXIT_ENTRY_FAILURE_GUEST_STATE, 0);
        assert_true(get(INDEX_GUEST_PENDING_DEBUG) == bs);
        assert_true(!(get(INDEX_ENTRY_INTERRUPTION_INFO) & INTERRUPTION_VALID) == !i);
        set(INDEX_EXIT_REASON, EXIT_REASON_ENTRY_FAILURE | EXIT_ENTRY_FAILURE_GUEST_STATE);
        assert_int_equal(fake_exit(), FAKE_CRASHED);
    }
}

/* Row 3: the caches hold lines of Plinth's too. */
static void an_invd_writes_back(void **state)
{
    uint64_t rip = get(INDEX_GUEST_RIP);
    unsigned before = fake_cpus[0].write_backs;

    (void)state;
    set(INDEX_EXIT_INSTRUCTION_LENGTH, 2);
    exit_with(EXIT_INVD, 0);
    assert_int_equal(fake_cpus[0].write_backs, before + 1);
    assert_true(get(INDEX_GUEST_RIP) == rip + 2);
}

static unsigned count_lines(const char *text)
{
    unsigned lines = 0;

    for (const char *at = console_text(); (at = strstr(at, text)); at++)
        lines++;
    return lines;
}

/* A task switch reads and writes in Plinth's own way: watches must see it all the same, and nothing else of Plinth's.
 */
static void a_task_switch_is_watched(void **state)
{
    const struct range gdt = {0x91000, 0x92000};
    uint64_t descriptor;
    struct error error;
    int number = guest_watch_add(gdt, EPT_READ | EPT_WRITE | EPT_EXECUTE, 0, &error);

    (void)state;
    assert_true(number >= 0);
    log_set_console_level(LOG_INFO);
    console_clear();
    assert_true(guest_read_physical(gdt.start + 8, &descriptor, 8));
    set(INDEX_GUEST_GDTR_BASE, gdt.start);
    set(INDEX_GUEST_GDTR_LIMIT, 0xfff);
    exit_with(EXIT_TASK_SWITCH, 2u << 30 | 0x28); /* a jump to what is no TSS: #GP */
    assert_true(get(INDEX_ENTRY_INTERRUPTION_INFO) == 0x80000b0d);
    log_set_console_level(LOG_ERROR);
    assert_int_equal(count_lines("cpu0 reads 91028"), 1);
    assert_int_equal(count_lines("cpu0 reads"), 1);
    assert_true(guest_watch_remove(number, &error));
}

/* What it writes has no step's end to be told of at: the old task's EIP, at 32 of its TSS. */
static void a_task_switch_that_writes_is_watched(void **state)
{
    const struct range gdt = {0x91000, 0x92000}, old_tss = {0x94000, 0x95000};
    const uint64_t new_tss = 0x0000890920000067; /* available, 32 bits, at 92000 */
    struct error error;
    int number = guest_watch_add(old_tss, EPT_WRITE, 0, &error);

    (void)state;
    assert_true(number >= 0);
    log_set_console_level(LOG_INFO);
    console_clear();
    assert_true(guest_write_physical(gdt.start + 0x28, &new_tss, sizeof(new_tss)));
    set(INDEX_GUEST_GDTR_BASE, gdt.start);
    set(INDEX_GUEST_GDTR_LIMIT, 0xfff);
    set(INDEX_GUEST_TR_BASE, old_tss.start);
    set(INDEX_GUEST_RIP, 0x1234);
    set(INDEX_EXIT_INSTRUCTION_LENGTH, 7);
    set(INDEX_EXIT_REASON, EXIT_TASK_SWITCH);
    set(INDEX_EXIT_QUALIFICATION, 2u << 30 | 0x28);
    assert_int_equal(fake_exit(), FAKE_RETURNED);
    log_set_console_level(LOG_ERROR);
    assert_contains(console_text(), "cpu0 writes 94020, rip 1234, cpl 0, value 000000000000123b, was 0000000000000000");
    assert_true(guest_watch_remove(number, &error));
}

/* Row 19: a CPU that loops in the delivery of #AC or #DB takes no NMI. Who waits for it gives up, and says so; when it
 * answers after all, it is asked for what it has missed. */
static void a_deaf_cpu_holds_up_nobody_for_ever(void **state)
{
    struct vmm_cpu *other = vmm_cpu(cpu_at(1));

    (void)state;
    assert_true(ap_mailbox_send_startup(&other->mailbox, 0x9a) || !fake_cpus[1].waits);
    assert_int_equal(fake_start_parked(1), FAKE_RETURNED);
    fake_current = 0;
    fake_cpus[1].deaf = true;
    log_set_console_level(LOG_WARNING);
    console_clear();
    cpu_this()->frame->rcx = MSR_IA32_MTRR_FIX64K_00000;
    cpu_this()->frame->rax = cpu_this()->frame->rdx = 0;
    exit_with(EXIT_WRMSR, 0);
    assert_contains(console_text(), "cpu1 doesn't answer cpu0's request");
    assert_true(cpu_at(1)->kicked && fake_cpus[1].nmi_pending);
    fake_cpus[1].deaf = false;
    console_clear();
    cpu_this()->frame->rax = cpu_this()->frame->rdx = 0x06060606;
    exit_with(EXIT_WRMSR, 0);
    assert_false(strstr(console_text(), "answer"));
    log_set_console_level(LOG_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(rip_wraps_as_the_mode_says, rewind_cpu),
        cmocka_unit_test_setup(every_reason_has_an_end, rewind_cpu),
        cmocka_unit_test_setup(a_guest_is_kept_awake, rewind_cpu),
        cmocka_unit_test_setup(a_failed_entry_ends_in_a_report, rewind_cpu),
        cmocka_unit_test_setup(root_mode_takes_machine_checks, rewind_cpu),
        cmocka_unit_test_setup(a_cpu_that_stops_keeps_no_vmcs, rewind_cpu),
        cmocka_unit_test_setup(cpuid_hides_what_plinth_keeps, rewind_cpu),
        cmocka_unit_test_setup(apx_state_is_refused, rewind_cpu),
        cmocka_unit_test_setup(an_nmi_window_in_the_shadow_of_sti_is_used, rewind_cpu),
        cmocka_unit_test_setup(a_single_step_behind_mov_ss_is_made_pending, rewind_cpu),
        cmocka_unit_test_setup(an_invd_writes_back, rewind_cpu),
        cmocka_unit_test_setup(a_task_switch_is_watched, rewind_cpu),
        cmocka_unit_test_setup(a_task_switch_that_writes_is_watched, rewind_cpu),
        cmocka_unit_test_setup(a_deaf_cpu_holds_up_nobody_for_ever, rewind_cpu), /* the last: CPU 1 runs then */
    };

    return cmocka_run_group_tests(tests, boot, NULL);
}
