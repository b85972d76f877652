/* An INIT that Plinth carries out leaves the local APIC as a power-up does, in both of its modes; and what becomes of
 * NMIs of that time. */
#include "tests/host/exit_fixture.h"

#include "arch/x86/lapic.h"

static const uint64_t xapic = APIC_BASE_ENABLE, x2apic = APIC_BASE_ENABLE | APIC_BASE_EXTD;

static uint32_t *reg(uint32_t offset)
{
    return &fake_cpus[fake_current].lapic.registers[offset / 16];
}

static uint32_t *vector_bits(uint32_t bits, unsigned vector)
{
    return reg(bits + vector / 32 * 16);
}

/* As an OS has it in the middle of its work, and more: what is in service and pending in several classes. */
static void disturb(uint64_t mode)
{
    static const uint8_t in_service[] = {0x31, 0x62, 0xf3}, pending[] = {0x20, 0x62, 0x63, 0xa0, 0xfe, 0xff};
    struct fake_lapic *lapic = &fake_cpus[fake_current].lapic;

    *fake_msr(MSR_IA32_APIC_BASE) = (*fake_msr(MSR_IA32_APIC_BASE) & ~x2apic) | mode;
    fake_lapic_power_up(lapic);
    fake_cpus[fake_current].idt_limit = FAKE_IDT_LIMIT_OF_EXIT;
    *reg(LAPIC_ID) = fake_current << 24;
    *reg(LAPIC_SVR) = 0x1ef;
    *reg(LAPIC_TPR) = 0x50;
    *reg(LAPIC_LDR) = 0x02000000;
    *reg(LAPIC_DFR) = 0x0fffffff;
    *reg(LAPIC_ICR_HIGH) = 0x03000000;
    *reg(LAPIC_ESR) = 0x04;
    lapic->errors = 0x20;
    for (uint32_t lvt = LAPIC_LVT_TIMER; lvt <= LAPIC_LVT_ERROR; lvt += LAPIC_REGISTER_SIZE)
        *reg(lvt) = 0x20040 + lvt / 16;
    *reg(LAPIC_LVT_CMCI) = 0x3f;
    *reg(LAPIC_INITIAL_COUNT) = 12345;
    *reg(LAPIC_DIVIDE) = 0xb;
    for (unsigned i = 0; i < sizeof(in_service); i++)
        *vector_bits(LAPIC_ISR, in_service[i]) |= 1u << in_service[i] % 32;
    for (unsigned i = 0; i < sizeof(pending); i++)
        *vector_bits(LAPIC_IRR, pending[i]) |= 1u << pending[i] % 32;
}

/* Every register; `mode`: an x2APIC has no DFR, its LDR follows from its ID, and its ICR is one with the low half. */
static void expect_power_up(uint64_t mode)
{
    struct fake_lapic fresh;

    fake_lapic_power_up(&fresh);
    fresh.registers[LAPIC_ID / 16] = fake_current << 24;
    if (mode == x2apic) {
        fresh.registers[LAPIC_LDR / 16] = 0x02000000;
        fresh.registers[LAPIC_DFR / 16] = 0x0fffffff;
        fresh.registers[LAPIC_ICR_HIGH / 16] = 0x03000000;
    }
    for (uint32_t i = 0; i < ARRAY_SIZE(fresh.registers); i++)
        if (fake_cpus[fake_current].lapic.registers[i] != fresh.registers[i])
            fail_msg("register %x: %x", i * 16, fake_cpus[fake_current].lapic.registers[i]);
    assert_int_equal(fake_cpus[fake_current].lapic.errors, 0);
    assert_true((*fake_msr(MSR_IA32_APIC_BASE) & x2apic) == mode);
}

/* By hardware, to the boot CPU: it goes on at the reset vector. */
static void an_init_exit_resets_it(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        disturb(i ? x2apic : xapic);
        exit_with(EXIT_INIT, 0);
        assert_true(get(INDEX_GUEST_RIP) == 0xfff0);
        expect_power_up(i ? x2apic : xapic);
    }
}

/* 10.12.5.1: an INIT doesn't enable an APIC, and where there is none there are no registers either. */
static void a_disabled_one_is_left_alone(void **state)
{
    struct fake_lapic before;

    (void)state;
    disturb(0);
    before = fake_cpus[0].lapic;
    exit_with(EXIT_INIT, 0);
    assert_memory_equal(&fake_cpus[0].lapic, &before, sizeof(before));
}

/* Vectors 16 to 31 would be exceptions of Plinth's. */
static void pending_exceptions_stay(void **state)
{
    (void)state;
    disturb(xapic);
    *vector_bits(LAPIC_IRR, 0x12) |= 1u << 0x12;
    exit_with(EXIT_INIT, 0);
    assert_true(*reg(LAPIC_IRR) == 1u << 0x12);
    *reg(LAPIC_IRR) = 0;
    expect_power_up(xapic);
}

/* ap_start=wait: the INIT's exit leads back at once, and what it does to the APIC is made up for with the SIPI. */
static void it_is_reset_when_the_sipi_comes(void **state)
{
    (void)state;
    assert_int_equal(fake_start_waiting(1), FAKE_RETURNED);
    for (unsigned i = 0; i < 2; i++) {
        fake_current = 1;
        disturb(i ? x2apic : xapic);
        exit_with(EXIT_INIT, 0);
        assert_int_equal(get(INDEX_GUEST_ACTIVITY), 3);
        assert_int_equal(fake_start_waiting(1), FAKE_RETURNED);
        fake_current = 1;
        expect_power_up(i ? x2apic : xapic);
    }
}

/* Wait-for-SIPI takes no NMI (24.4.2): neither a kick nor one of the guest's that came then is waited for ever after.
 */
static void no_nmi_is_left_from_before_the_sipi(void **state)
{
    (void)state;
    assert_int_equal(fake_start_waiting(1), FAKE_RETURNED);
    fake_current = 1;
    set(INDEX_GUEST_INTERRUPTIBILITY, BLOCKING_BY_NMI);
    set(INDEX_EXIT_INTERRUPTION_INFO, 0x80000202);
    exit_with(EXIT_EXCEPTION_OR_NMI, 0);
    assert_true(cpu_this()->nmi_count && get(INDEX_PRIMARY_CONTROLS) & PRIMARY_NMI_WINDOW_EXITING);
    exit_with(EXIT_INIT, 0);
    assert_int_equal(get(INDEX_GUEST_ACTIVITY), 3);
    virt_kick(cpu_at(1));
    fake_cpus[1].nmi_pending = false;
    assert_int_equal(fake_start_waiting(1), FAKE_RETURNED);
    fake_current = 1;
    assert_false(get(INDEX_ENTRY_INTERRUPTION_INFO) & INTERRUPTION_VALID || cpu_this()->nmi_count);
    virt_kick(cpu_at(1));
    assert_true(fake_cpus[1].nmi_pending);
}

/* Nor does a kick that could not be sent stand in the way of the next. */
static void a_kick_that_is_not_sent_is_not_under_way(void **state)
{
    (void)state;
    fake_cpus[1].nmi_pending = false;
    cpu_at(1)->kicked = 0;
    fake_lapic_off = true;
    virt_kick(cpu_at(1));
    fake_lapic_off = false;
    virt_kick(cpu_at(1));
    assert_true(fake_cpus[1].nmi_pending);
}

static int boot_waiting(void **state)
{
    const struct fake_setup setup = {.ap_start = AP_START_WAIT, .on_crash = ON_CRASH_HALT};

    (void)state;
    fake_boot(&setup);
    first = fake_cpus[0];
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_init_exit_resets_it, rewind_cpu),
        cmocka_unit_test_setup(a_disabled_one_is_left_alone, rewind_cpu),
        cmocka_unit_test_setup(pending_exceptions_stay, rewind_cpu),
        cmocka_unit_test_setup(it_is_reset_when_the_sipi_comes, rewind_cpu),
        cmocka_unit_test_setup(no_nmi_is_left_from_before_the_sipi, rewind_cpu),
        cmocka_unit_test_setup(a_kick_that_is_not_sent_is_not_under_way, rewind_cpu),
    };

    return cmocka_run_group_tests(tests, boot_waiting, NULL);
}
