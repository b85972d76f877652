/* What the guest sees otherwise than the machine has it, where no emulator has the machine: CPUID bits, MSRs, on the
 * fake machine. */
#include "tests/host/exit_fixture.h"

static bool write_msr(uint32_t index, uint64_t value)
{
    cpu_this()->frame->rcx = index;
    cpu_this()->frame->rax = (uint32_t)value;
    cpu_this()->frame->rdx = value >> 32;
    set(INDEX_EXIT_INSTRUCTION_LENGTH, 2);
    exit_with(EXIT_WRMSR, 0);
    return !(get(INDEX_ENTRY_INTERRUPTION_INFO) & INTERRUPTION_VALID);
}

/* What RDMSR gives is in the frame. */
static bool read_msr(uint32_t index)
{
    cpu_this()->frame->rcx = index;
    set(INDEX_EXIT_INSTRUCTION_LENGTH, 2);
    exit_with(EXIT_RDMSR, 0);
    return !(get(INDEX_ENTRY_INTERRUPTION_INFO) & INTERRUPTION_VALID);
}

static struct cpuid_result ask_cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct guest_regs *regs = cpu_this()->frame;

    regs->rax = leaf;
    regs->rcx = subleaf;
    set(INDEX_EXIT_INSTRUCTION_LENGTH, 2);
    exit_with(EXIT_CPUID, 0);
    return (struct cpuid_result){(uint32_t)regs->rax, (uint32_t)regs->rbx, (uint32_t)regs->rcx, (uint32_t)regs->rdx};
}

/* 10.12.5, figure 10-28: a reserved bit of the trapped ICR is #GP, also in an INIT that no register would see. */
static void reserved_icr_bits_fault(void **state)
{
    const uint64_t reserved = 0xfff33000, init = 0x4500;

    (void)state;
    *fake_msr(MSR_IA32_APIC_BASE) |= APIC_BASE_EXTD;
    for (unsigned bit = 0; bit < 32; bit++)
        if (reserved >> bit & 1)
            assert_false(write_msr(MSR_X2APIC_ICR, (uint64_t)1 << 32 | init | (uint64_t)1 << bit));
    assert_false(cpu_at(1)->kicked);
    assert_true(write_msr(MSR_X2APIC_ICR, (uint64_t)1 << 32 | init));
}

/* The guest must not be able to fill the log. */
static void moves_of_the_apic_are_reported_four_times(void **state)
{
    unsigned lines = 0;

    (void)state;
    log_set_console_level(LOG_WARNING);
    console_clear();
    for (unsigned i = 0; i < 100; i++)
        assert_false(write_msr(MSR_IA32_APIC_BASE, 0xfec00900 + (i << 12)));
    for (const char *at = console_text(); (at = strstr(at, "may not move its APIC")); at++)
        lines++;
    log_set_console_level(LOG_ERROR);
    assert_int_equal(lines, GUEST_REPORTS_MAX);
    assert_contains(console_text(), "no more reports from this cpu");
}

/* Nor by rewriting its MTRRs: what they made of the EPT is for who asks with log=debug. */
static void mtrr_writes_leave_the_log_alone(void **state)
{
    static char before[4096], after[4096];

    (void)state;
    memset(before, 0, sizeof(before));
    memset(after, 0, sizeof(after));
    (void)log_copy(before, sizeof(before));
    for (unsigned i = 0; i < 4; i++)
        assert_true(write_msr(MSR_IA32_MTRR_FIX64K_00000, i & 1 ? 0x0606060606060606 : 0));
    (void)log_copy(after, sizeof(after));
    assert_memory_equal(before, after, sizeof(after));
}

/* Row 16: Intel PT's output would go to physical addresses, past the EPT. */
static void intel_pt_is_hidden(void **state)
{
    const uint32_t pt_structured = 1u << 25, pt_state = 1u << 8;

    (void)state;
    assert_true(cpuid(7, 0).ebx & pt_structured && cpuid(0xd, 1).ecx & pt_state);
    assert_false(ask_cpuid(7, 0).ebx & pt_structured);
    assert_false(ask_cpuid(0xd, 1).ecx & pt_state);
    for (uint32_t subleaf = 0; subleaf < 3; subleaf++) {
        struct cpuid_result r = ask_cpuid(0x14, subleaf);

        assert_false(r.eax | r.ebx | r.ecx | r.edx);
    }
    for (uint32_t index = MSR_IA32_RTIT_OUTPUT_BASE; index <= MSR_IA32_RTIT_ADDR3_B; index++) {
        fake_msr_add(&fake_cpus[0], index, 0);
        assert_false(read_msr(index) || write_msr(index, fake_block.start));
        fake_cpus[0].msr_count--;
    }
    assert_false(write_msr(MSR_IA32_XSS, pt_state));
    assert_true(write_msr(MSR_IA32_XSS, 0x1800) && *fake_msr(MSR_IA32_XSS) == 0x1800);
}

/* Row 17: while the guest samples, its value is in force between an entry and the next exit, and nowhere else. */
static void pebs_is_off_in_root_mode(void **state)
{
    (void)state;
    *fake_msr(MSR_IA32_PERF_GLOBAL_CTRL) = 0x3;
    assert_true(write_msr(MSR_IA32_PEBS_ENABLE, 0x5));
    assert_true(*fake_msr(MSR_IA32_PEBS_ENABLE) == 0 && *fake_msr(MSR_IA32_PERF_GLOBAL_CTRL) == 0x3);
    assert_true(get(INDEX_EXIT_MSR_LOAD_COUNT) == 1 && get(INDEX_ENTRY_MSR_LOAD_COUNT) == 1);
    assert_true(cpu_this()->vcpu->pebs_off.index == MSR_IA32_PEBS_ENABLE && cpu_this()->vcpu->pebs_off.value == 0);
    assert_true(cpu_this()->vcpu->pebs_on.index == MSR_IA32_PEBS_ENABLE && cpu_this()->vcpu->pebs_on.value == 0x5);
    assert_false(write_msr(MSR_IA32_PEBS_ENABLE, (uint64_t)1 << 63)); /* the CPU's #GP, before it is a failed entry */
    assert_true(cpu_this()->vcpu->pebs_on.value == 0x5);
    assert_true(write_msr(MSR_IA32_PEBS_ENABLE, 0));
    assert_true(get(INDEX_EXIT_MSR_LOAD_COUNT) == 0 && get(INDEX_ENTRY_MSR_LOAD_COUNT) == 0);
}

/* Row 18 */
static void misc_enable_keeps_what_plinth_needs(void **state)
{
    const uint64_t kept = MISC_ENABLE_XD_DISABLE | MISC_ENABLE_LIMIT_CPUID;
    uint64_t before = *fake_msr(MSR_IA32_MISC_ENABLE);

    (void)state;
    assert_true(write_msr(MSR_IA32_MISC_ENABLE, before | kept | 1 << 16));
    assert_true(*fake_msr(MSR_IA32_MISC_ENABLE) == (before | 1 << 16));
    *fake_msr(MSR_IA32_MISC_ENABLE) |= MISC_ENABLE_LIMIT_CPUID; /* the firmware's choice stays too */
    assert_true(write_msr(MSR_IA32_MISC_ENABLE, 0));
    assert_true(*fake_msr(MSR_IA32_MISC_ENABLE) == MISC_ENABLE_LIMIT_CPUID);
}

/* Row 45: the CPU, which has no such MSR here, is not asked; nor does anybody look at the address. */
static void a_microcode_update_has_no_effect(void **state)
{
    (void)state;
    assert_true(write_msr(MSR_IA32_BIOS_UPDT_TRIG, fake_block.start));
    assert_true(write_msr(MSR_IA32_BIOS_UPDT_TRIG, ~(uint64_t)0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(reserved_icr_bits_fault, rewind_cpu),
        cmocka_unit_test_setup(moves_of_the_apic_are_reported_four_times, rewind_cpu),
        cmocka_unit_test_setup(mtrr_writes_leave_the_log_alone, rewind_cpu),
        cmocka_unit_test_setup(intel_pt_is_hidden, rewind_cpu),
        cmocka_unit_test_setup(pebs_is_off_in_root_mode, rewind_cpu),
        cmocka_unit_test_setup(misc_enable_keeps_what_plinth_needs, rewind_cpu),
        cmocka_unit_test_setup(a_microcode_update_has_no_effect, rewind_cpu),
    };

    return cmocka_run_group_tests(tests, boot, NULL);
}
