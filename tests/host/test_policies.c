/* What the guest sees otherwise than the machine has it, where no emulator has the machine: CPUID bits, MSRs, on the
 * fake machine. */
#include "tests/host/exit_fixture.h"

#include "arch/x86/mtrr_msrs.h"

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

/* The CPU itself writes this table, to physical memory, two pages of it here. */
static void the_feedback_table_is_not_in_the_block(void **state)
{
    const uint64_t valid = 1, start = fake_block.start, end = fake_block.end;
    const uint64_t refused[] = {start | valid, (start - PAGE_SIZE) | valid, (end - PAGE_SIZE) | valid};

    (void)state;
    assert_false(write_msr(MSR_IA32_HW_FEEDBACK_PTR, 0x1000 | valid)); /* a CPU without */
    fake_msr_add(&fake_cpus[0], MSR_IA32_HW_FEEDBACK_PTR, 0);
    for (unsigned i = 0; i < ARRAY_SIZE(refused); i++)
        assert_false(write_msr(MSR_IA32_HW_FEEDBACK_PTR, refused[i]));
    assert_true(*fake_msr(MSR_IA32_HW_FEEDBACK_PTR) == 0);
    assert_true(write_msr(MSR_IA32_HW_FEEDBACK_PTR, (start - 2 * PAGE_SIZE) | valid));
    assert_true(write_msr(MSR_IA32_HW_FEEDBACK_PTR, end | valid));
    assert_true(*fake_msr(MSR_IA32_HW_FEEDBACK_PTR) == (end | valid));
}

/* The top bits of an address choose a key, and the rest the page: no guest gets at the block with a key of its own. */
static void keys_are_no_part_of_an_address(void **state)
{
    const uint64_t locked = 1, enabled = 2, keys = (uint64_t)6 << 32;

    (void)state;
    assert_true((cpuid(0x80000008, 0).eax & 0xff) == 40);
    assert_true(cpu_physical_bits() == 40); /* no such MSR */
    fake_msr_add(&fake_cpus[0], MSR_IA32_TME_ACTIVATE, keys);
    assert_true(cpu_physical_bits() == 40);
    *fake_msr(MSR_IA32_TME_ACTIVATE) |= locked;
    assert_true(cpu_physical_bits() == 40);
    *fake_msr(MSR_IA32_TME_ACTIVATE) |= enabled;
    assert_true(cpu_physical_bits() == 34);
    *fake_msr(MSR_IA32_TME_ACTIVATE) = enabled | (uint64_t)15 << 36; /* another field */
    assert_true(cpu_physical_bits() == 40);
    assert_true(read_msr(MSR_IA32_TME_ACTIVATE) && cpu_this()->frame->rdx == 15 << 4);
    assert_false(write_msr(MSR_IA32_TME_ACTIVATE, keys | enabled | locked)); /* unlocked or not */
}

/* Beyond those bits nothing is mapped: the access is a fault, each time again. */
static void an_address_with_a_key_is_a_fault(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        set(INDEX_ENTRY_INTERRUPTION_INFO, 0);
        set(INDEX_GUEST_PHYSICAL_ADDRESS, guest_ept->limit | fake_block.start);
        exit_with(EXIT_EPT_VIOLATION, 1);
        assert_true(get(INDEX_ENTRY_INTERRUPTION_INFO) == 0x80000b0d);
    }
}

/* Row 46: locked, without VMX and SMX; SGX and machine checks for one CPU are the guest's to use. */
static void feature_control_hides_vmx_only(void **state)
{
    const uint64_t sgx_and_lmce = 0x160000;

    (void)state;
    assert_true(FAKE_FEATURE_CONTROL == (sgx_and_lmce | 0xff07));
    assert_true(read_msr(MSR_IA32_FEATURE_CONTROL));
    assert_true(cpu_this()->frame->rax == (sgx_and_lmce | 1) && cpu_this()->frame->rdx == 0);
    assert_false(write_msr(MSR_IA32_FEATURE_CONTROL, sgx_and_lmce | 1));
}

/* Row 39: FRED's state would need VMCS fields that Plinth doesn't switch. */
static void fred_is_hidden(void **state)
{
    (void)state;
    for (uint32_t index = MSR_IA32_FRED_RSP0; index <= MSR_IA32_FRED_CONFIG; index++) {
        fake_msr_add(&fake_cpus[0], index, 0);
        assert_false(read_msr(index) || write_msr(index, 0x1000));
        fake_cpus[0].msr_count--;
    }
    assert_true(get(INDEX_CR4_MASK) & CR4_FRED);
    cpu_this()->frame->rax = get(INDEX_GUEST_CR4) | CR4_FRED;
    exit_with(EXIT_CR_ACCESS, 4); /* MOV CR4, RAX */
    assert_true(get(INDEX_ENTRY_INTERRUPTION_INFO) == 0x80000b0d);
}

/* Instructions that a control of VT-x must allow: not promised if it doesn't. The fake CPU's leaf 7.1 has every bit. */
static void what_would_be_undefined_is_not_promised(void **state)
{
    const uint32_t rdpid = 1u << 22, waitpkg = 1u << 5, fred = 1u << 17, msrlist = 1u << 27, msr_imm = 1u << 5;
    struct cpuid_result r = ask_cpuid(7, 1);

    (void)state;
    assert_true(cpuid(7, 1).eax & fred && cpuid(7, 1).eax & msrlist);
    assert_false(r.eax & (fred | msrlist) || r.ecx & msr_imm || r.edx & 1u << 15);
    assert_true(cpuid(7, 0).ecx & rdpid && cpuid(7, 0).ecx & waitpkg);
    assert_false(ask_cpuid(7, 0).ecx & (rdpid | waitpkg));
}

/* SDM vol. 2, CPUID: outside 64-bit mode there is none. */
static void syscall_is_promised_in_64_bit_mode_only(void **state)
{
    const uint32_t syscall = 1u << 11;

    (void)state;
    assert_true(cpuid(0x80000001, 0).edx & syscall);
    assert_false(ask_cpuid(0x80000001, 0).edx & syscall); /* the guest's first mode is protected mode */
    set(INDEX_GUEST_EFER, EFER_LME | EFER_LMA);
    assert_false(vcpu_is_64bit());
    set(INDEX_GUEST_CS_ACCESS_RIGHTS, 0xa09b);
    assert_true(vcpu_is_64bit());
    set(INDEX_EXIT_REASON, EXIT_CPUID);
    cpu_this()->frame->rax = 0x80000001;
    assert_int_equal(fake_exit(), FAKE_RETURNED);
    assert_true(cpu_this()->frame->rdx & syscall);
}

/* Key Locker's instructions are there when CPUID.19H:EBX bit 0 says so, which it does by the guest's CR4, not Plinth's.
 */
static void key_locker_is_shown_by_the_guests_cr4(void **state)
{
    uint64_t host = fake_cpus[0].cr4;

    (void)state;
    assert_int_equal(ask_cpuid(0x19, 0).ebx, 0x14);
    set(INDEX_GUEST_CR4, get(INDEX_GUEST_CR4) | CR4_KL);
    set(INDEX_EXIT_REASON, EXIT_CPUID);
    cpu_this()->frame->rax = 0x19;
    assert_int_equal(fake_exit(), FAKE_RETURNED);
    assert_int_equal(cpu_this()->frame->rbx, 0x15);
    assert_true(fake_cpus[0].cr4 == host);
}

/* CR0.NE is Plinth's; whether the guest's view of it changes depends on whether the CPU would load the rest. */
static void a_refused_cr0_changes_nothing(void **state)
{
    const uint64_t cd = 1u << 30, nw = 1u << 29, pg = 1u << 31, pe = 1, ne = 1 << 5, high = (uint64_t)1 << 32;
    const uint64_t refused[] = {pe | ne | nw, ne | pg, pe | ne | high, pe | ne | nw | pg};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(refused); i++) {
        rewind_cpu(state);
        set(INDEX_CR0_SHADOW, pe);
        set(INDEX_GUEST_EFER, EFER_LME | EFER_LMA);
        set(INDEX_GUEST_CS_ACCESS_RIGHTS, 0xa09b);
        set(INDEX_ENTRY_CONTROLS, get(INDEX_ENTRY_CONTROLS) | ENTRY_IA32E_MODE_GUEST);
        set(INDEX_GUEST_CR0, get(INDEX_GUEST_CR0) | pg);
        set(INDEX_GUEST_CR4, get(INDEX_GUEST_CR4) | CR4_PAE);
        cpu_this()->frame->rax = refused[i];
        exit_with(EXIT_CR_ACCESS, 0); /* MOV CR0, RAX */
        assert_true(get(INDEX_ENTRY_INTERRUPTION_INFO) == 0x80000b0d && get(INDEX_CR0_SHADOW) == pe);
    }
    rewind_cpu(state);
    cpu_this()->frame->rax = pe | ne | cd | nw;
    exit_with(EXIT_CR_ACCESS, 0);
    assert_true(get(INDEX_CR0_SHADOW) == (pe | ne | cd | nw));
    assert_true(get(INDEX_GUEST_RFLAGS) & RFLAGS_RF); /* 27.3.3 */
}

/* With PAE paging the PDPTEs are loaded, and may be refused. */
static void a_refused_pdpte_refuses_cr0(void **state)
{
    const uint64_t pg = 1u << 31;
    uint64_t *pdptes = (uint64_t *)fake_memory[0];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        const uint64_t entries[] = {0x1001, 0x1003, 0xffe}; /* present; with a reserved bit; absent */

        rewind_cpu(state);
        pdptes[0] = entries[i];
        set(INDEX_GUEST_CR3, 0);
        set(INDEX_GUEST_CR4, get(INDEX_GUEST_CR4) | CR4_PAE);
        cpu_this()->frame->rax = pg | 0x21;
        exit_with(EXIT_CR_ACCESS, 0);
        assert_true(!(get(INDEX_ENTRY_INTERRUPTION_INFO) & INTERRUPTION_VALID) == (i != 1));
    }
    pdptes[0] = 0;
}

/* 28.3.3.3: VM entries drop nothing, so who puts another CR0 and CR3 there must. And table 9-1: DR0 to DR3. */
static void an_init_leaves_no_translation(void **state)
{
    unsigned before = fake_cpus[0].linear_flushes;

    (void)state;
    assert_true(get(INDEX_SECONDARY_CONTROLS) & SECONDARY_VPID && get(INDEX_VPID) == 1);
    fake_cpus[0].breakpoints = 1;
    exit_with(EXIT_INIT, 0);
    assert_true(fake_cpus[0].linear_flushes > before);
    assert_true(fake_cpus[0].breakpoints == 0);
}

/* Nor what CET and MPX would go on with when the next OS enables them. */
static void an_init_clears_cet_and_mpx(void **state)
{
    (void)state;
    for (uint32_t index = MSR_IA32_U_CET; index <= MSR_IA32_INTERRUPT_SSP_TABLE_ADDR; index += 2)
        fake_msr_add(&fake_cpus[0], index, 0x1004);
    exit_with(EXIT_INIT, 0);
    for (uint32_t index = MSR_IA32_U_CET; index <= MSR_IA32_INTERRUPT_SSP_TABLE_ADDR; index += 2)
        assert_true(*fake_msr(index) == 0);
    assert_true(get(INDEX_GUEST_BNDCFGS) == 0);
}

/* Protection keys' rights are the guest's live registers, PKRU to be had only with CR4.PKE on, for the moment. */
static void protection_keys_are_read_live(void **state)
{
    struct guest_paging paging;
    uint64_t host = fake_cpus[0].cr4;

    (void)state;
    fake_cpus[0].pkru = 0x55555554;
    vcpu_paging(&paging);
    assert_true(paging.pkru == 0 && paging.pkrs == 0);
    set(INDEX_GUEST_CR4, get(INDEX_GUEST_CR4) | CR4_PKE | CR4_PKS);
    fake_msr_add(&fake_cpus[0], MSR_IA32_PKRS, 0x1234);
    vcpu_paging(&paging);
    assert_true(paging.pkru == 0x55555554 && paging.pkrs == 0x1234 && fake_cpus[0].cr4 == host);
}

/* What a VM exit switches off a VM entry brings back, or neither is used. */
static void controls_come_in_pairs(void **state)
{
    uint32_t exit = EXIT_CLEAR_BNDCFGS | EXIT_CLEAR_LBR_CTL | EXIT_SAVE_PAT, entry = ENTRY_LOAD_LBR_CTL;

    (void)state;
    controls_pair(&exit, &entry);
    assert_true(exit == (EXIT_CLEAR_LBR_CTL | EXIT_SAVE_PAT) && entry == ENTRY_LOAD_LBR_CTL);
    assert_true(get(INDEX_EXIT_CONTROLS) & EXIT_CLEAR_BNDCFGS && get(INDEX_ENTRY_CONTROLS) & ENTRY_LOAD_BNDCFGS);
    assert_true(get(INDEX_GUEST_BNDCFGS) == 0x1001); /* as the machine's was */
}

/* Cores of two kinds, or with different microcode: what one of them lacks none is to use, and what one must have all
 * have; in the VMCS too, as a control that a CPU doesn't have fails the entry. */
static void controls_suit_every_cpu(void **state)
{
    const struct vmx before = vmx;
    const uint64_t clear_bndcfgs = (uint64_t)EXIT_CLEAR_BNDCFGS << 32, xsaves = (uint64_t)SECONDARY_XSAVES << 32;
    const uint32_t must = PRIMARY_MONITOR_TRAP_FLAG; /* any that Plinth doesn't ask for */
    struct error error;

    (void)state;
    assert_true(virt_gives(VIRT_XSAVES) && virt_has_accessed_dirty() && virt_has_wait_for_sipi());
    fake_current = 1;
    *fake_msr(MSR_IA32_VMX_PROCBASED_CTLS2) &= ~xsaves;
    *fake_msr(MSR_IA32_VMX_TRUE_EXIT_CTLS) &= ~clear_bndcfgs;
    *fake_msr(MSR_IA32_VMX_TRUE_PROCBASED_CTLS) |= must;
    *fake_msr(MSR_IA32_VMX_EPT_VPID_CAP) &= ~(uint64_t)EPT_ACCESSED_DIRTY_FLAGS;
    *fake_msr(MSR_IA32_VMX_MISC) &= ~(uint64_t)MISC_WAIT_FOR_SIPI;
    *fake_msr(MSR_IA32_VMX_CR4_FIXED1) &= ~CR4_PKE;
    virt_examine_cpu();
    fake_current = 0;
    assert_true(vmcs_set_controls(&error));
    assert_false(virt_gives(VIRT_XSAVES) || virt_has_accessed_dirty() || virt_has_wait_for_sipi());
    assert_false(get(INDEX_SECONDARY_CONTROLS) & SECONDARY_XSAVES || get(INDEX_EXIT_CONTROLS) & EXIT_CLEAR_BNDCFGS);
    assert_true(get(INDEX_PRIMARY_CONTROLS) & must && get(INDEX_SECONDARY_CONTROLS) & SECONDARY_EPT);
    assert_true(vmx.capabilities.cr4_fixed1 == (before.capabilities.cr4_fixed1 & ~CR4_PKE));
    assert_true(vmx.capabilities.misc == (before.capabilities.misc & ~(uint64_t)MISC_WAIT_FOR_SIPI));
    assert_true(vmx.capabilities.basic == before.capabilities.basic);
    vmx = before;
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
        cmocka_unit_test_setup(the_feedback_table_is_not_in_the_block, rewind_cpu),
        cmocka_unit_test_setup(keys_are_no_part_of_an_address, rewind_cpu),
        cmocka_unit_test_setup(an_address_with_a_key_is_a_fault, rewind_cpu),
        cmocka_unit_test_setup(feature_control_hides_vmx_only, rewind_cpu),
        cmocka_unit_test_setup(fred_is_hidden, rewind_cpu),
        cmocka_unit_test_setup(what_would_be_undefined_is_not_promised, rewind_cpu),
        cmocka_unit_test_setup(syscall_is_promised_in_64_bit_mode_only, rewind_cpu),
        cmocka_unit_test_setup(key_locker_is_shown_by_the_guests_cr4, rewind_cpu),
        cmocka_unit_test_setup(a_refused_cr0_changes_nothing, rewind_cpu),
        cmocka_unit_test_setup(a_refused_pdpte_refuses_cr0, rewind_cpu),
        cmocka_unit_test_setup(an_init_leaves_no_translation, rewind_cpu),
        cmocka_unit_test_setup(an_init_clears_cet_and_mpx, rewind_cpu),
        cmocka_unit_test_setup(protection_keys_are_read_live, rewind_cpu),
        cmocka_unit_test_setup(controls_come_in_pairs, rewind_cpu),
        cmocka_unit_test_setup(controls_suit_every_cpu, rewind_cpu),
    };

    return cmocka_run_group_tests(tests, boot, NULL);
}
