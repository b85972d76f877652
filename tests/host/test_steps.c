/* The one instruction that Plinth lets the guest execute by itself (arch/x86/vmx/step.c), on the fake machine. */
#include "tests/host/exit_fixture.h"

#include "vmm/guest_watch.h"

enum { APIC_PAGE = 0xfee00000, SINGLE_STEP = 1 << 14, BREAKPOINT_ENABLED = 1 << 12 };

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

static void a_stepped_sti_sets_the_flag(void **state)
{
    (void)state;
    set(INDEX_GUEST_RFLAGS, 0x2);
    touch_apic();
    set(INDEX_GUEST_RFLAGS, 0x302);
    single_step();
    assert_true(get(INDEX_GUEST_RFLAGS) == 0x202);
}

/* POPF leaves IF alone where CPL > IOPL: what it left is the step's. */
static void a_stepped_popf_of_a_program_keeps_the_flag(void **state)
{
    const uint64_t ring3 = 0x60;

    (void)state;
    set(INDEX_GUEST_SS_ACCESS_RIGHTS, get(INDEX_GUEST_SS_ACCESS_RIGHTS) | ring3);
    set(INDEX_GUEST_CS_ACCESS_RIGHTS, get(INDEX_GUEST_CS_ACCESS_RIGHTS) | ring3);
    set(INDEX_GUEST_SS_SELECTOR, get(INDEX_GUEST_SS_SELECTOR) | 3);
    set(INDEX_GUEST_CS_SELECTOR, get(INDEX_GUEST_CS_SELECTOR) | 3);
    set(INDEX_GUEST_RFLAGS, 0x202);
    touch_apic();
    set(INDEX_GUEST_RFLAGS, 0x2);
    single_step();
    assert_true(get(INDEX_GUEST_RFLAGS) == 0x202);
}

/* With BTF the trap flag would stop at branches only (17.4.3): not the step's, but the guest's own. */
static void a_step_ends_before_a_branch(void **state)
{
    const uint64_t btf = 2;

    (void)state;
    set(INDEX_GUEST_RFLAGS, 0x302);
    set(INDEX_GUEST_DEBUGCTL, btf);
    touch_apic();
    assert_true(get(INDEX_GUEST_DEBUGCTL) == 0);
    single_step();
    assert_true(get(INDEX_GUEST_DEBUGCTL) == btf && get(INDEX_GUEST_RFLAGS) == 0x302);
    assert_true(get(INDEX_GUEST_PENDING_DEBUG) == 0);
}

/* INT n clears TF, so it is injected, and the step ends with its delivery. */
static void an_int_is_stepped_as_an_injection(void **state)
{
    (void)state;
    set(INDEX_GUEST_RFLAGS, 0x202);
    set(INDEX_IDT_VECTORING_INFO, 0);
    vcpu_inject_int(0x81, 2);
    assert_true(vcpu_is_delivering());
    vcpu_step_begin();
    assert_true(get(INDEX_ENTRY_INTERRUPTION_INFO) == 0x80000481 && get(INDEX_ENTRY_INSTRUCTION_LENGTH) == 2);
    assert_true(get(INDEX_GUEST_RFLAGS) == 0x202);
    assert_true(get(INDEX_PRIMARY_CONTROLS) & PRIMARY_MONITOR_TRAP_FLAG);
    expect_entry();
}

/* SYSCALL is carried out: where to, with which flags, what is kept of the old ones. */
static void a_syscall_is_carried_out(void **state)
{
    struct cpu *cpu = cpu_this();

    (void)state;
    fake_msr_add(&fake_cpus[0], MSR_IA32_STAR, UINT64_C(0x0023001b00000000));
    fake_msr_add(&fake_cpus[0], MSR_IA32_LSTAR, UINT64_C(0xffffffff81000000));
    fake_msr_add(&fake_cpus[0], MSR_IA32_FMASK, 0x700);
    set(INDEX_GUEST_RIP, 0x401000);
    set(INDEX_GUEST_RFLAGS, 0x10646);
    set(INDEX_GUEST_INTERRUPTIBILITY, BLOCKING_BY_STI | BLOCKING_BY_NMI);
    set(INDEX_GUEST_EFER, get(INDEX_GUEST_EFER) & ~(uint64_t)EFER_SCE);
    set(INDEX_GUEST_CS_ACCESS_RIGHTS, 0xa0fb);
    assert_false(vcpu_syscall(2));
    assert_true(get(INDEX_GUEST_RIP) == 0x401000);
    set(INDEX_GUEST_EFER, EFER_LMA | EFER_LME | EFER_SCE);
    assert_true(vcpu_syscall(2));
    assert_true(get(INDEX_GUEST_RIP) == UINT64_C(0xffffffff81000000) && get(INDEX_GUEST_RFLAGS) == 0x46);
    assert_true(cpu->frame->rcx == 0x401002 && cpu->frame->r11 == 0x646);
    assert_true(get(INDEX_GUEST_CS_SELECTOR) == 0x18 && get(INDEX_GUEST_SS_SELECTOR) == 0x23);
    assert_int_equal(vcpu_cpl(), 0);
    assert_true(get(INDEX_GUEST_INTERRUPTIBILITY) == BLOCKING_BY_NMI);
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
    assert_true(get(INDEX_GUEST_RFLAGS) == 0x302 && get(INDEX_HOST_RIP) == (uint64_t)vmx.exit_entry);
    assert_true(get(INDEX_EXCEPTION_BITMAP) == 0);
}

/* An exit before the step's #DB may save what the step's own trap flag made pending: the guest must not get that. */
static void a_cancelled_step_leaves_no_trap_pending(void **state)
{
    (void)state;
    set(INDEX_GUEST_RFLAGS, 0x202);
    set(INDEX_GUEST_PENDING_DEBUG, 0);
    touch_apic();
    set(INDEX_GUEST_PENDING_DEBUG, SINGLE_STEP);
    exit_with(EXIT_INVD, 0);
    assert_true(get(INDEX_GUEST_PENDING_DEBUG) == 0);
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
    assert_true(get(INDEX_HOST_RIP) == (uint64_t)vmx.exit_entry);
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
    assert_true(get(INDEX_HOST_RIP) == (uint64_t)vmx.exit_entry);
}

/* What came instead of the step's end, and what the guest gets of it. */
static void exit_by_exception(uint32_t info, uint64_t qualification)
{
    set(INDEX_EXIT_INTERRUPTION_INFO, info);
    exit_with(EXIT_EXCEPTION_OR_NMI, qualification);
    set(INDEX_EXIT_INTERRUPTION_INFO, 0);
    assert_true(get(INDEX_ENTRY_INTERRUPTION_INFO) == info);
    assert_true(get(INDEX_HOST_RIP) == (uint64_t)vmx.exit_entry);
}

/* 27.1, 27.2.1: a page fault with what the CPU would have written to CR2 */
static void a_fault_in_a_step_is_the_guests(void **state)
{
    (void)state;
    touch_apic();
    set(INDEX_EXIT_INTERRUPTION_ERROR_CODE, 0x6);
    exit_by_exception(0x80000b0e, 0x1234567);
    assert_true(get(INDEX_ENTRY_EXCEPTION_ERROR_CODE) == 0x6);
    assert_true(fake_cpus[0].cr2 == 0x1234567);
}

/* INT3, INTO, INT1: the handler is to return behind them, however long their prefixes make them. */
static void a_stepped_int3_stays_one(void **state)
{
    const uint32_t kinds[] = {0x80000603, 0x80000604, 0x80000501};

    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
        rewind_cpu(state);
        fake_cpus[0].dr6 = 0xffff0ff0;
        touch_apic();
        set(INDEX_EXIT_INSTRUCTION_LENGTH, 2);
        exit_by_exception(kinds[i], SINGLE_STEP);
        assert_true(get(INDEX_ENTRY_INSTRUCTION_LENGTH) == 2);
        assert_true(fake_cpus[0].dr6 == 0xffff0ff0);
    }
}

/* 17.2.3, 17.2.4, 17.4.1: MOV DR under general detect. What a delivery does to the debug registers, an injection
 * doesn't. */
static void a_debug_fault_in_a_step_is_the_guests(void **state)
{
    const uint64_t detected = 1 << 13, bus_lock = 1 << 11;

    (void)state;
    fake_cpus[0].dr6 = 0xffff0ff0;
    set(INDEX_GUEST_DR7, 0x2400);
    set(INDEX_GUEST_DEBUGCTL, 0x3);
    set(INDEX_GUEST_RFLAGS, 0x102);
    set(INDEX_GUEST_INTERRUPTIBILITY, BLOCKING_BY_MOV_SS);
    touch_apic();
    exit_by_exception(0x80000301, detected | bus_lock);
    assert_true(fake_cpus[0].dr6 == 0xffff27f0);
    assert_true(get(INDEX_GUEST_DR7) == 0x400 && get(INDEX_GUEST_DEBUGCTL) == 0);
}

/* The instruction's data lies under a breakpoint: its #DB comes with the step's own. */
static void a_breakpoint_met_in_a_step_is_kept(void **state)
{
    (void)state;
    set(INDEX_GUEST_DR7, 0x400 | 1 << 2); /* L1 */
    touch_apic();
    set(INDEX_EXIT_INTERRUPTION_INFO, 0x80000301);
    exit_with(EXIT_EXCEPTION_OR_NMI, SINGLE_STEP | 1 << 1);
    assert_true(get(INDEX_GUEST_PENDING_DEBUG) == (BREAKPOINT_ENABLED | 1 << 1));
    set(INDEX_GUEST_PENDING_DEBUG, 0);
    touch_apic();
    exit_with(EXIT_EXCEPTION_OR_NMI, SINGLE_STEP | 1 << 2); /* met, but not enabled */
    assert_true(get(INDEX_GUEST_PENDING_DEBUG) == 0);
}

/* It ends the old state whole: what was borrowed for the step must not come back over the new one. */
static void an_init_by_message_cancels_a_step(void **state)
{
    (void)state;
    set(INDEX_GUEST_RFLAGS, 0x302);
    set(INDEX_GUEST_DEBUGCTL, 0x2);
    set(INDEX_GUEST_PHYSICAL_ADDRESS, APIC_PAGE + 0x80);
    assert_true(ap_mailbox_send_init(&vmm_cpu(cpu_this())->mailbox));
    cpu_this()->slow_work = 1; /* it comes while the exit is handled */
    exit_with(EXIT_EPT_VIOLATION, 0x182);
    assert_true(get(INDEX_GUEST_RIP) == 0xfff0 && get(INDEX_GUEST_RFLAGS) == 0x2 && get(INDEX_GUEST_DEBUGCTL) == 0);
    assert_true(get(INDEX_EXCEPTION_BITMAP) == 0 && get(INDEX_HOST_RIP) == (uint64_t)vmx.exit_entry);
    assert_true(get(INDEX_EPT_POINTER) == guest_ept_pointer());
    exit_with(EXIT_INVD, 0);
    assert_true(get(INDEX_GUEST_RFLAGS) == 0x2 && get(INDEX_GUEST_PENDING_DEBUG) == 0);
}

/* PUSHF on a watched stack: the image that it stored under the step becomes the guest's own flags. And another
 * instruction that stores there is left alone. */
static void a_stepped_pushf_stores_the_guests_flags(void **state)
{
    const struct range stack = {0x92000, 0x93000};
    const uint8_t codes[][2] = {{0x66, 0x9c}, {0x9c, 0x90}, {0x50, 0x90}}; /* the last: PUSH EAX */
    uint8_t *code = fake_memory[0], *image = fake_memory[0x92 % FAKE_PAGES] + 0x3c;
    struct error error;
    int number = guest_watch_add(stack, EPT_WRITE, 0, &error);

    (void)state;
    assert_true(number >= 0 && get(INDEX_GUEST_RIP) / PAGE_SIZE % FAKE_PAGES == 0);
    for (unsigned i = 0; i < ARRAY_SIZE(codes); i++) {
        rewind_cpu(state);
        memcpy(code, codes[i], sizeof(codes[i]));
        set(INDEX_GUEST_RFLAGS, 0x246);
        set(INDEX_GUEST_RSP, stack.start + 0x40);
        set(INDEX_GUEST_PHYSICAL_ADDRESS, stack.start + 0x3c);
        exit_with(EXIT_EPT_VIOLATION, 0x182);
        assert_true(get(INDEX_HOST_RIP) == (uint64_t)vmx_step_exit_entry);
        set(INDEX_GUEST_RSP, stack.start + 0x3c);
        memcpy(image, "\x46\x01\x00\x00", 4);
        single_step();
        assert_memory_equal(image, i < 2 ? "\x46\x02\x00\x00" : "\x46\x01\x00\x00", 4);
    }
    memset(code, 0, 2);
    assert_true(guest_watch_remove(number, &error));
}

/* A step that was cancelled by an event may be followed by one of something else: no help for that. */
static void help_is_for_its_own_step(void **state)
{
    const struct range stack = {0x92000, 0x93000};
    uint8_t *image = fake_memory[0x92 % FAKE_PAGES] + 0x3c;
    struct error error;
    int number = guest_watch_add(stack, EPT_WRITE, 0, &error);

    (void)state;
    fake_memory[0][0] = 0x9c;
    set(INDEX_GUEST_RFLAGS, 0x246);
    set(INDEX_GUEST_RSP, stack.start + 0x3c);
    set(INDEX_GUEST_PHYSICAL_ADDRESS, stack.start + 0x3c);
    exit_with(EXIT_EPT_VIOLATION, 0x182);
    exit_with(EXIT_INVD, 0);
    set(INDEX_GUEST_RIP, get(INDEX_GUEST_RIP) & ~UINT64_C(0xfff));
    memset(image, 0x55, 4);
    touch_apic();
    single_step();
    assert_memory_equal(image, "\x55\x55\x55\x55", 4);
    fake_memory[0][0] = 0;
    assert_true(guest_watch_remove(number, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_syscall_is_carried_out, rewind_cpu),
        cmocka_unit_test_setup(a_step_begins_and_ends, rewind_cpu),
        cmocka_unit_test_setup(a_stepped_popf_loads_the_flags, rewind_cpu),
        cmocka_unit_test_setup(a_stepped_sti_sets_the_flag, rewind_cpu),
        cmocka_unit_test_setup(a_stepped_popf_of_a_program_keeps_the_flag, rewind_cpu),
        cmocka_unit_test_setup(a_step_ends_before_a_branch, rewind_cpu),
        cmocka_unit_test_setup(an_int_is_stepped_as_an_injection, rewind_cpu),
        cmocka_unit_test_setup(a_pending_single_step_waits_for_the_step, rewind_cpu),
        cmocka_unit_test_setup(a_cancelled_step_leaves_no_trace, rewind_cpu),
        cmocka_unit_test_setup(a_cancelled_step_leaves_no_trap_pending, rewind_cpu),
        cmocka_unit_test_setup(an_nmi_waits_for_the_end_of_a_step, rewind_cpu),
        cmocka_unit_test_setup(a_delivery_is_stepped_without_the_trap_flag, rewind_cpu),
        cmocka_unit_test_setup(a_fault_in_a_step_is_the_guests, rewind_cpu),
        cmocka_unit_test_setup(a_stepped_int3_stays_one, rewind_cpu),
        cmocka_unit_test_setup(a_debug_fault_in_a_step_is_the_guests, rewind_cpu),
        cmocka_unit_test_setup(a_breakpoint_met_in_a_step_is_kept, rewind_cpu),
        cmocka_unit_test_setup(an_init_by_message_cancels_a_step, rewind_cpu),
        cmocka_unit_test_setup(a_stepped_pushf_stores_the_guests_flags, rewind_cpu),
        cmocka_unit_test_setup(help_is_for_its_own_step, rewind_cpu),
    };

    return cmocka_run_group_tests(tests, boot, NULL);
}
