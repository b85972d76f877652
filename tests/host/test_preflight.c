/* The preflight table: which facts make which rows (arch/x86/vmx/properties.c), and what is printed (boot/preflight.c).
 */
#include "tests/host/support.h"

#include "arch/x86/regs.h"
#include "arch/x86/vmx/controls.h"
#include "arch/x86/vmx/properties.h"
#include "boot/preflight.h"

#define ALL ((uint64_t)0xffffffff << 32)

static struct error error;
static const struct preflight_facts good = {2, 2, true, true, true, true, true, true, true, true, true};

/* A CPU with everything. */
static struct vmx_facts everything(void)
{
    return (struct vmx_facts){.vmx = true,
                              .feature_control_readable = true,
                              .feature_control = FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX,
                              .capabilities = {.pin = ALL,
                                               .primary = ALL,
                                               .secondary = ALL,
                                               .exit = ALL,
                                               .entry = ALL,
                                               .misc = UINT64_MAX,
                                               .ept_vpid = UINT64_MAX}};
}

static const struct property *lacking(const struct vmx_facts *facts)
{
    const struct property_set set = vmx_properties(facts);

    return property_lacking(&set);
}

static void assert_lacks(const struct vmx_facts *facts, const char *lack, const char *remedy)
{
    const struct property *row = lacking(facts);

    assert_non_null(row);
    assert_contains(row->lack, lack);
    assert_contains(row->remedy, remedy);
}

static void the_first_reason_counts(void **state)
{
    struct vmx_facts facts = {.vmx = false};

    (void)state;
    assert_lacks(&facts, "this CPU has none (CPUID.1:ECX.VMX is 0)", "-cpu host,+vmx");
    facts.vmx = true;
    assert_lacks(&facts, "IA32_FEATURE_CONTROL can't be read", "outer hypervisor");
    facts.feature_control_readable = true;
    facts.feature_control = FEATURE_CONTROL_LOCK;
    assert_false(vmx_is_allowed(&facts));
    assert_lacks(&facts, "locked off by the firmware", "enable \"Intel Virtualization Technology\"");
    facts.feature_control = 0; /* unlocked: Plinth sets it */
    assert_true(vmx_is_allowed(&facts));
    assert_lacks(&facts, "no secondary", "2010");
    facts = everything();
    assert_null(lacking(&facts));
}

static void each_control_counts(void **state)
{
    static const struct {
        size_t word;
        uint64_t bit;
        const char *lack; /* NULL: Plinth runs without */
    } cases[] = {
        {offsetof(struct vmx_capabilities, secondary), (uint64_t)SECONDARY_EPT << 32, "no EPT"},
        {offsetof(struct vmx_capabilities, secondary), (uint64_t)SECONDARY_UNRESTRICTED_GUEST << 32, "unrestricted"},
        {offsetof(struct vmx_capabilities, secondary), (uint64_t)SECONDARY_VPID << 32, NULL},
        {offsetof(struct vmx_capabilities, secondary), (uint64_t)SECONDARY_PCONFIG << 32, NULL},
        {offsetof(struct vmx_capabilities, primary), (uint64_t)PRIMARY_MSR_BITMAPS << 32, "no MSR bitmaps"},
        {offsetof(struct vmx_capabilities, pin), (uint64_t)PIN_VIRTUAL_NMIS << 32, "virtual NMIs"},
        {offsetof(struct vmx_capabilities, pin), (uint64_t)PIN_PREEMPTION_TIMER << 32, NULL},
        {offsetof(struct vmx_capabilities, exit), (uint64_t)EXIT_LOAD_EFER << 32, "on VM exits"},
        {offsetof(struct vmx_capabilities, entry), (uint64_t)ENTRY_LOAD_PAT << 32, "on VM entries"},
        {offsetof(struct vmx_capabilities, ept_vpid), EPT_WALK_4, "4-level"},
        {offsetof(struct vmx_capabilities, ept_vpid), EPT_2MIB, "2 MiB"},
        {offsetof(struct vmx_capabilities, ept_vpid), BIT(20), "INVEPT"},
        {offsetof(struct vmx_capabilities, ept_vpid), BIT(25), "INVEPT"}, /* the one type in use */
        {offsetof(struct vmx_capabilities, ept_vpid), EPT_1GIB, NULL},
        {offsetof(struct vmx_capabilities, misc), MISC_WAIT_FOR_SIPI, NULL},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct vmx_facts facts = everything();
        const struct property_set all = vmx_properties(&facts);
        struct property_set set;

        *(uint64_t *)((char *)&facts.capabilities + cases[i].word) &= ~cases[i].bit;
        set = vmx_properties(&facts);
        assert_int_equal(__builtin_popcountll(all.found ^ set.found), 1);
        if (cases[i].lack)
            assert_lacks(&facts, cases[i].lack, "");
        else
            assert_null(property_lacking(&set));
    }
}

static bool report(const struct preflight_facts *facts, const struct vmx_facts *cpu, uint64_t lost, enum preflight how)
{
    const struct property_set firmware = preflight_firmware(facts);
    struct property_set set = vmx_properties(cpu);
    const uint64_t boot_cpu = set.found;

    set.found &= ~lost;
    console_clear();
    return preflight_report(&firmware, &set, boot_cpu, how, &error);
}

static unsigned lines(void)
{
    unsigned count = 0;

    for (const char *at = console_text(); *at; at++)
        count += *at == '\n';
    return count;
}

static void a_good_machine_gets_one_line(void **state)
{
    struct vmx_facts facts = everything();

    (void)state;
    assert_true(report(&good, &facts, 0, PREFLIGHT_SHORT));
    assert_int_equal(lines(), 1);
    assert_contains(console_text(), "(preflight=full lists them)");
    assert_true(report(&good, &facts, 0, PREFLIGHT_FULL));
    assert_int_equal(lines(), 1 + vmx_properties(&facts).count + preflight_firmware(&good).count);
    assert_contains(console_text(), "  needed  found    unrestricted guest\n");
    assert_null(strstr(console_text(), "missing"));
}

static void what_lacks_comes_with_its_remedy(void **state)
{
    struct vmx_facts facts = everything();
    struct preflight_facts firmware = good;

    (void)state;
    facts.capabilities.secondary &= ~((uint64_t)SECONDARY_EPT << 32);
    assert_false(report(&good, &facts, 0, PREFLIGHT_SHORT));
    assert_contains(console_text(), "  needed  MISSING  EPT: this CPU has no EPT: Plinth needs an Intel CPU of 2010");
    assert_string_equal(error.text, "VT-x: this CPU has no EPT: Plinth needs an Intel CPU of 2010 or later (EPT and "
                                    "unrestricted guest)");
    facts = (struct vmx_facts){.vmx = false};
    assert_false(report(&good, &facts, 0, PREFLIGHT_SHORT));
    assert_contains(console_text(), "  needed  MISSING  VT-x: this CPU has none");
    assert_contains(console_text(), "  needed  unknown  VT-x on in the firmware\n");
    assert_contains(console_text(), "  needed  unknown  EPT\n");
    assert_null(
        strstr(strstr(console_text(), "MISSING"), "unknown")); /* what lacks is the end: a screen may be small */
    assert_null(strstr(strstr(console_text(), "unknown"), "  found"));
    firmware.serial = firmware.uefi_map = false;
    facts = everything();
    assert_true(report(&firmware, &facts, 0, PREFLIGHT_FULL));
    assert_contains(console_text(), "  used    missing  serial line: no UART answers");
    assert_contains(console_text(), "UEFI's memory map can't be read: update the firmware");
    firmware.uefi = false;
    assert_true(report(&firmware, &facts, 0, PREFLIGHT_FULL));
    assert_null(strstr(console_text(), "UEFI"));
    firmware.cpus_listed = 0;
    assert_false(report(&firmware, &facts, 0, PREFLIGHT_SHORT));
    assert_contains(error.text, "Firmware: ACPI's MADT lists no CPU: update");
}

static void another_cpu_may_lack_it(void **state)
{
    struct vmx_facts facts = everything();

    (void)state;
    assert_false(report(&good, &facts, 1 << 2, PREFLIGHT_SHORT)); /* say, locked off on one CPU only */
    assert_contains(error.text, "locked off by the firmware (IA32_FEATURE_CONTROL) (a CPU other than the first): ");
    assert_contains(console_text(), "(a CPU other than the first)");
}

/* No row's sentence may be cut in a message. */
static void sentences_fit(void **state)
{
    const struct vmx_facts none = {.vmx = false};
    const struct property_set sets[] = {vmx_properties(&none), preflight_firmware(&good)};

    (void)state;
    for (unsigned s = 0; s < 2; s++)
        for (unsigned i = 0; i < sets[s].count; i++)
            assert_true(strlen(sets[s].rows[i].name) + strlen(sets[s].rows[i].lack) + strlen(sets[s].rows[i].remedy) +
                            strlen("  needed  MISSING  : : (a CPU other than the first)") <
                        LOG_LINE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_reason_counts),      cmocka_unit_test(each_control_counts),
        cmocka_unit_test(a_good_machine_gets_one_line), cmocka_unit_test(what_lacks_comes_with_its_remedy),
        cmocka_unit_test(another_cpu_may_lack_it),      cmocka_unit_test(sentences_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
