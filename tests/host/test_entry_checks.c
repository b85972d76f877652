/*
 * The entry checks in software: valid images have no finding, and each rule is broken once in an image that is valid
 * but for that, and found by its field's name. The last test demands that no rule was left out.
 */
#include "tests/host/support.h"

#include "tests/host/vmcs_images.h"

enum { FINDINGS = 64, PAIRS_MAX = 1024 };

struct pair {
    enum vmcs_index field;
    const char *rule;
};

/* All (field, rule) that were looked at in any test so far, and those that a planted fault has broken. */
static struct pair looked_at[PAIRS_MAX], broken[PAIRS_MAX];
static unsigned looked_at_count, broken_count;

static bool contains(const struct pair *pairs, unsigned count, enum vmcs_index field, const char *rule)
{
    for (unsigned i = 0; i < count; i++)
        if (pairs[i].field == field && !strcmp(pairs[i].rule, rule))
            return true;
    return false;
}

static void add(struct pair *pairs, unsigned *count, enum vmcs_index field, const char *rule)
{
    if (contains(pairs, *count, field, rule))
        return;
    assert_true(*count < PAIRS_MAX);
    pairs[(*count)++] = (struct pair){field, rule};
}

/* In place of entry_expect(), by the linker (tests/host/host.mk) */
struct entry_checker;
void __real_entry_expect(struct entry_checker *c, enum vmcs_index field, bool holds, const char *rule);
void __wrap_entry_expect(struct entry_checker *c, enum vmcs_index field, bool holds, const char *rule);
void __wrap_entry_expect(struct entry_checker *c, enum vmcs_index field, bool holds, const char *rule)
{
    add(looked_at, &looked_at_count, field, rule);
    __real_entry_expect(c, field, holds, rule);
}

static void expect_none(const struct entry_image *image, const char *what)
{
    struct entry_finding findings[FINDINGS];
    char text[ENTRY_FINDING_MAX];

    if (!entry_checks(image, findings, FINDINGS))
        return;
    entry_finding_text(image, &findings[0], text);
    fail_msg("%s: %s", what, text);
}

/* Among what is found is this field with a rule that has `part` in it. */
static void expect_finding(const struct entry_image *image, enum vmcs_index field, const char *section,
                           const char *part)
{
    struct entry_finding findings[FINDINGS];
    unsigned count = entry_checks(image, findings, FINDINGS);
    bool found = false;

    assert_true(count <= FINDINGS);
    for (unsigned i = 0; i < count; i++) {
        if (findings[i].field != field || !strstr(findings[i].rule, part))
            continue;
        assert_string_equal(findings[i].section, section);
        add(broken, &broken_count, field, findings[i].rule);
        found = true;
    }
    if (!found)
        fail_msg("%s = %lx: no finding \"%s\" among %u", vmcs_field_name(field), image->value[field], part, count);
}

enum mode { REAL, PROTECTED, LONG, VIRTUAL_8086, ALL_CONTROLS, MODES };
static void (*const makers[MODES])(struct entry_image *) = {make_real_mode, make_protected_mode, make_long_mode,
                                                            make_virtual_8086, make_all_controls};
static const char *const mode_names[MODES] = {"real mode", "protected mode", "long mode", "virtual-8086 mode",
                                              "all controls"};

/* A valid image of this mode but for one field */
static void plant(enum mode mode, enum vmcs_index field, uint64_t value, const char *section, const char *part)
{
    struct entry_image image;

    makers[mode](&image);
    set(&image, field, value);
    expect_finding(&image, field, section, part);
}

static void toggle(enum mode mode, enum vmcs_index field, uint64_t bits, const char *section, const char *part)
{
    struct entry_image image;

    makers[mode](&image);
    plant(mode, field, image.value[field] ^ bits, section, part);
}

static void valid_images_pass(void **state)
{
    (void)state;
    for (enum mode mode = 0; mode < MODES; mode++) {
        struct entry_image image;

        makers[mode](&image);
        expect_none(&image, mode_names[mode]);
    }
}

#define CONTROLS "26.2.1.1"
#define EXIT     "26.2.1.2"
#define ENTRY    "26.2.1.3"

static const enum vmcs_index pages[] = {
    INDEX_IO_BITMAP_A,
    INDEX_IO_BITMAP_B,
    INDEX_MSR_BITMAPS,
    INDEX_VMREAD_BITMAP,
    INDEX_VMWRITE_BITMAP,
    INDEX_PML_ADDRESS,
    INDEX_SUB_PAGE_TABLE_POINTER,
    INDEX_VE_INFORMATION_ADDRESS,
    INDEX_EPTP_LIST_ADDRESS,
    INDEX_VIRTUAL_APIC_ADDRESS,
    INDEX_APIC_ACCESS_ADDRESS,
};

static void addresses_of_pages(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(pages); i++) {
        plant(ALL_CONTROLS, pages[i], 0x800, CONTROLS, "bits 11:0");
        plant(ALL_CONTROLS, pages[i], UINT64_C(1) << 40, CONTROLS, "physical-address width");
    }
    plant(ALL_CONTROLS, INDEX_VMCS_LINK_POINTER, 0x800, "26.3.1.5", "bits 11:0");
    plant(ALL_CONTROLS, INDEX_VMCS_LINK_POINTER, UINT64_C(1) << 40, "26.3.1.5", "physical-address width");
}

static void msr_areas(void **state)
{
    static const struct {
        enum vmcs_index address;
        const char *section;
    } areas[] = {{INDEX_EXIT_MSR_STORE_ADDRESS, EXIT},
                 {INDEX_EXIT_MSR_LOAD_ADDRESS, EXIT},
                 {INDEX_ENTRY_MSR_LOAD_ADDRESS, ENTRY}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(areas); i++) {
        plant(ALL_CONTROLS, areas[i].address, 8, areas[i].section, "bits 3:0");
        plant(ALL_CONTROLS, areas[i].address, (UINT64_C(1) << 40) - 16, areas[i].section, "physical-address width");
        plant(ALL_CONTROLS, areas[i].address, ~UINT64_C(15), areas[i].section, "physical-address width");
    }
}

static void reserved_control_bits(void **state)
{
    (void)state;
    toggle(LONG, INDEX_PIN_BASED_CONTROLS, BIT(1), CONTROLS, "PINBASED_CTLS");
    toggle(LONG, INDEX_PIN_BASED_CONTROLS, BIT(8), CONTROLS, "PINBASED_CTLS");
    toggle(LONG, INDEX_PRIMARY_CONTROLS, BIT(1), CONTROLS, "PROCBASED_CTLS");
    toggle(LONG, INDEX_PRIMARY_CONTROLS, BIT(17), CONTROLS, "PROCBASED_CTLS");
    toggle(LONG, INDEX_EXIT_CONTROLS, BIT(0), EXIT, "EXIT_CTLS");
    toggle(LONG, INDEX_ENTRY_CONTROLS, BIT(0), ENTRY, "ENTRY_CTLS");
}

/* A CPU without some secondary controls: they must be 0, unless none of them counts */
static void secondary_controls(void **state)
{
    struct vmx_capabilities old = full_capabilities;
    struct entry_image image;

    (void)state;
    make_long_mode(&image);
    old.secondary = (uint64_t)(SECONDARY_EPT | SECONDARY_UNRESTRICTED_GUEST) << 32;
    image.capabilities = &old;
    expect_finding(&image, INDEX_SECONDARY_CONTROLS, CONTROLS, "PROCBASED_CTLS2");
    set(&image, INDEX_SECONDARY_CONTROLS, SECONDARY_EPT | SECONDARY_UNRESTRICTED_GUEST);
    expect_none(&image, "only what the CPU has");
    set(&image, INDEX_PRIMARY_CONTROLS, image.value[INDEX_PRIMARY_CONTROLS] & ~(uint64_t)PRIMARY_SECONDARY_CONTROLS);
    set(&image, INDEX_SECONDARY_CONTROLS, ~0u);
    expect_none(&image, "secondary controls that don't count");
}

static void execution_controls(void **state)
{
    (void)state;
    plant(LONG, INDEX_CR3_TARGET_COUNT, 5, CONTROLS, "more CR3 targets");
    toggle(LONG, INDEX_PIN_BASED_CONTROLS, PIN_NMI_EXITING, CONTROLS, "\"virtual NMIs\" must be 0");
    plant(LONG, INDEX_VPID, 0, CONTROLS, "VPID");
    toggle(LONG, INDEX_EXIT_CONTROLS, EXIT_SAVE_PREEMPTION_TIMER, EXIT, "activate VMX-preemption timer");
    toggle(LONG, INDEX_ENTRY_CONTROLS, ENTRY_TO_SMM, ENTRY, "entry to SMM");
    toggle(LONG, INDEX_ENTRY_CONTROLS, ENTRY_DEACTIVATE_DUAL_MONITOR, ENTRY, "entry to SMM");
}

static void nmi_window(void **state)
{
    struct entry_image image;

    (void)state;
    make_long_mode(&image);
    set_bits(&image, INDEX_PRIMARY_CONTROLS, PRIMARY_NMI_WINDOW_EXITING);
    expect_none(&image, "NMI window");
    set(&image, INDEX_PIN_BASED_CONTROLS, 0x16 | PIN_NMI_EXITING);
    expect_finding(&image, INDEX_PRIMARY_CONTROLS, CONTROLS, "NMI-window exiting");
}

static void ept_pointer(void **state)
{
    struct vmx_capabilities old = full_capabilities;
    struct entry_image image;

    (void)state;
    old.ept_vpid &= ~UINT64_C(0x200080); /* no A/D flags, no 5 levels */
    plant(LONG, INDEX_EPT_POINTER, 0x7fe52018 | 1, CONTROLS, "memory type");
    plant(LONG, INDEX_EPT_POINTER, 0x7fe52006, CONTROLS, "bits 5:3");
    plant(LONG, INDEX_EPT_POINTER, 0x7fe5209e, CONTROLS, "bit 7");
    plant(LONG, INDEX_EPT_POINTER, 0x7fe5211e, CONTROLS, "bits 11:8");
    plant(LONG, INDEX_EPT_POINTER, UINT64_C(0x1007fe5201e), CONTROLS, "bits 11:8");
    make_long_mode(&image);
    image.capabilities = &old;
    expect_finding(&image, INDEX_EPT_POINTER, CONTROLS, "bit 6");
    set(&image, INDEX_EPT_POINTER, 0x7fe52026);
    expect_finding(&image, INDEX_EPT_POINTER, CONTROLS, "bits 5:3");
    old.ept_vpid |= 0x80;
    expect_none(&image, "5 levels");
}

static void what_needs_ept(void **state)
{
    static const uint32_t needs[] = {SECONDARY_UNRESTRICTED_GUEST, SECONDARY_MODE_BASED_EXECUTE, SECONDARY_PML,
                                     SECONDARY_SUB_PAGE_WRITE};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(needs); i++)
        plant(PROTECTED, INDEX_SECONDARY_CONTROLS, SECONDARY_VPID | needs[i], CONTROLS, "if \"enable EPT\" is 0");
    toggle(ALL_CONTROLS, INDEX_SECONDARY_CONTROLS, SECONDARY_EPT, CONTROLS, "PT uses guest physical");
    toggle(LONG, INDEX_SECONDARY_CONTROLS, SECONDARY_PT_GUEST_PHYSICAL, CONTROLS, "PT uses guest physical");
}

static void vm_functions(void **state)
{
    struct entry_image image;

    (void)state;
    plant(ALL_CONTROLS, INDEX_VM_FUNCTION_CONTROLS, 3, CONTROLS, "bits 63:1");
    make_all_controls(&image);
    set(&image, INDEX_SECONDARY_CONTROLS, SECONDARY_VM_FUNCTIONS);
    expect_finding(&image, INDEX_VM_FUNCTION_CONTROLS, CONTROLS, "EPTP switching");
}

static void apic_controls(void **state)
{
    static const uint32_t needs[] = {SECONDARY_VIRTUALIZE_X2APIC, SECONDARY_APIC_REGISTERS,
                                     SECONDARY_VIRTUAL_INTERRUPTS};
    struct entry_image image;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(needs); i++)
        toggle(LONG, INDEX_SECONDARY_CONTROLS, needs[i], CONTROLS, "if \"use TPR shadow\" is 0");
    make_long_mode(&image);
    set_bits(&image, INDEX_PRIMARY_CONTROLS, PRIMARY_TPR_SHADOW);
    set(&image, INDEX_TPR_THRESHOLD, 0x10);
    expect_finding(&image, INDEX_TPR_THRESHOLD, CONTROLS, "bits 31:4");
    toggle(ALL_CONTROLS, INDEX_SECONDARY_CONTROLS, SECONDARY_VIRTUALIZE_X2APIC, CONTROLS, "must not both be 1");
    toggle(ALL_CONTROLS, INDEX_PIN_BASED_CONTROLS, PIN_EXTERNAL_INTERRUPT_EXITING, CONTROLS,
           "external-interrupt exiting");
    toggle(LONG, INDEX_PIN_BASED_CONTROLS, PIN_POSTED_INTERRUPTS, CONTROLS, "process posted interrupts");
    plant(ALL_CONTROLS, INDEX_POSTED_INTERRUPT_VECTOR, 0x100, CONTROLS, "0 to 255");
    plant(ALL_CONTROLS, INDEX_POSTED_INTERRUPT_DESCRIPTOR, 0x20, CONTROLS, "aligned to 64");
    plant(ALL_CONTROLS, INDEX_POSTED_INTERRUPT_DESCRIPTOR, UINT64_C(1) << 40, CONTROLS, "aligned to 64");
}

static void inject(enum mode mode, uint32_t info, const char *part)
{
    struct entry_image image;

    makers[mode](&image);
    set(&image, INDEX_ENTRY_INTERRUPTION_INFO, info | INTERRUPTION_VALID);
    set(&image, INDEX_ENTRY_INSTRUCTION_LENGTH, 2);
    if (part)
        expect_finding(&image, INDEX_ENTRY_INTERRUPTION_INFO, ENTRY, part);
    else
        expect_none(&image, "valid injection");
}

static void injected_events(void **state)
{
    (void)state;
    inject(PROTECTED, 0x020, NULL);
    inject(LONG, 0x202, NULL);
    inject(LONG, 0xb0d, NULL);
    inject(LONG, 0x306, NULL);
    inject(REAL, 0x30d, NULL);
    inject(LONG, 0x480, NULL);
    inject(LONG, 0x603, NULL);
    inject(LONG, 0x100, "the type");
    inject(LONG, 0x203, "the vector");
    inject(LONG, 0x320, "the vector");
    inject(LONG, 0x701, "the vector");
    inject(LONG, 0x30d, "bit 11");
    inject(LONG, 0xb06, "bit 11");
    inject(LONG, 0xc80, "bit 11");
    inject(REAL, 0xb0d, "bit 11");
    inject(LONG, 0x1306, "bits 30:12");
}

static void injected_event_details(void **state)
{
    struct vmx_capabilities other = full_capabilities;
    struct entry_image image;

    (void)state;
    make_long_mode(&image);
    image.capabilities = &other;
    set(&image, INDEX_ENTRY_INTERRUPTION_INFO, 0x80000b0d);
    set(&image, INDEX_ENTRY_EXCEPTION_ERROR_CODE, 0x10000);
    expect_finding(&image, INDEX_ENTRY_EXCEPTION_ERROR_CODE, ENTRY, "bits 31:16");
    set(&image, INDEX_ENTRY_INTERRUPTION_INFO, 0x80000480);
    expect_finding(&image, INDEX_ENTRY_INSTRUCTION_LENGTH, ENTRY, "the length");
    other.misc |= BIT(30);
    expect_none(&image, "length 0 where the CPU takes it");
    set(&image, INDEX_ENTRY_INSTRUCTION_LENGTH, 16);
    expect_finding(&image, INDEX_ENTRY_INSTRUCTION_LENGTH, ENTRY, "the length");
    set(&image, INDEX_ENTRY_INTERRUPTION_INFO, 0x80000b15);
    expect_finding(&image, INDEX_ENTRY_INTERRUPTION_INFO, ENTRY, "bit 11");
    other.basic |= BIT(56);
    set(&image, INDEX_ENTRY_EXCEPTION_ERROR_CODE, 0);
    expect_none(&image, "an error code for #CP where the CPU takes it");
    set(&image, INDEX_ENTRY_INTERRUPTION_INFO, 0x80000700);
    expect_none(&image, "a pending MTF exit");
    other.primary &= ~((uint64_t)PRIMARY_MONITOR_TRAP_FLAG << 32);
    expect_finding(&image, INDEX_ENTRY_INTERRUPTION_INFO, ENTRY, "the type");
}

/* bit 47 set and the ones above not */
static const uint64_t not_canonical = UINT64_C(0x0000800000000000);

static void host_registers(void **state)
{
    (void)state;
    toggle(LONG, INDEX_HOST_CR0, BIT(5), "26.2.2", "CR0_FIXED0");
    toggle(LONG, INDEX_HOST_CR0, BIT(32), "26.2.2", "CR0_FIXED0");
    toggle(LONG, INDEX_HOST_CR4, BIT(13), "26.2.2", "CR4_FIXED0");
    toggle(LONG, INDEX_HOST_CR4, BIT(25), "26.2.2", "CR4_FIXED0");
    plant(LONG, INDEX_HOST_CR0, 0x80000031 ^ BIT(5), "26.2.2", "CR0_FIXED0");
    plant(LONG, INDEX_HOST_CR3, UINT64_C(1) << 40, "26.2.2", "physical-address width");
    plant(LONG, INDEX_HOST_PAT, UINT64_C(0x0007040600070402), "26.2.2", "each byte");
    plant(LONG, INDEX_HOST_PAT, UINT64_C(0x0807040600070406), "26.2.2", "each byte");
    toggle(LONG, INDEX_HOST_EFER, BIT(1), "26.2.2", "reserved bits");
    toggle(LONG, INDEX_HOST_EFER, EFER_LMA, "26.2.2", "LMA and LME");
    plant(ALL_CONTROLS, INDEX_HOST_PERF_GLOBAL_CTRL, BIT(20), "26.2.2", "reserved bits");
    plant(ALL_CONTROLS, INDEX_HOST_PKRS, BIT(32), "26.2.2", "bits 63:32");
    toggle(LONG, INDEX_HOST_CR4, CR4_PAE, "26.2.4", "CR4.PAE must be 1");
    toggle(LONG, INDEX_EXIT_CONTROLS, EXIT_HOST_ADDRESS_SPACE_64, "26.2.4", "host address-space size");
    plant(LONG, INDEX_HOST_RIP, not_canonical, "26.2.4", "canonical");
}

/* CET without CR0.WP: two fields at once */
static void control_flow_enforcement(void **state)
{
    static const struct {
        enum vmcs_index cr0, cr4, s_cet, ssp, table;
        const char *section;
    } sides[] = {
        {INDEX_HOST_CR0, INDEX_HOST_CR4, INDEX_HOST_S_CET, INDEX_HOST_SSP, INDEX_HOST_INTERRUPT_SSP_TABLE, "26.2.2"},
        {INDEX_GUEST_CR0, INDEX_GUEST_CR4, INDEX_GUEST_S_CET, INDEX_GUEST_SSP, INDEX_GUEST_INTERRUPT_SSP_TABLE,
         "26.3.1.1"},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(sides); i++) {
        struct entry_image image;

        make_all_controls(&image);
        set_bits(&image, sides[i].cr4, CR4_CET);
        expect_none(&image, "CET with CR0.WP");
        image.value[sides[i].cr0] &= ~CR0_WP;
        expect_finding(&image, sides[i].cr4, sides[i].section, "CR4.CET must be 0");
        plant(ALL_CONTROLS, sides[i].s_cet, 0x40, sides[i].section, "bits 9:6");
        plant(ALL_CONTROLS, sides[i].s_cet, 0xc00, sides[i].section, "SUPPRESS");
        plant(ALL_CONTROLS, sides[i].s_cet, not_canonical, sides[i].section, "canonical");
        plant(ALL_CONTROLS, sides[i].ssp, 2, sides[i].section, "bits 1:0");
        plant(ALL_CONTROLS, sides[i].ssp, not_canonical, sides[i].section, "canonical");
        plant(ALL_CONTROLS, sides[i].table, not_canonical, sides[i].section, "canonical");
    }
}

static void host_segments(void **state)
{
    (void)state;
    for (enum vmcs_index i = INDEX_HOST_ES_SELECTOR; i <= INDEX_HOST_TR_SELECTOR; i++) {
        toggle(LONG, i, 3, "26.2.3", "RPL and TI");
        toggle(LONG, i, 4, "26.2.3", "RPL and TI");
    }
    plant(LONG, INDEX_HOST_CS_SELECTOR, 0, "26.2.3", "must not be 0");
    plant(LONG, INDEX_HOST_TR_SELECTOR, 0, "26.2.3", "must not be 0");
    for (enum vmcs_index i = INDEX_HOST_FS_BASE; i <= INDEX_HOST_IDTR_BASE; i++)
        plant(LONG, i, not_canonical, "26.2.3", "canonical");
    plant(LONG, INDEX_HOST_SYSENTER_ESP, not_canonical, "26.2.2", "canonical");
    plant(LONG, INDEX_HOST_SYSENTER_EIP, not_canonical, "26.2.2", "canonical");
}

#define REGISTERS "26.3.1.1"

static void guest_control_registers(void **state)
{
    struct entry_image image;

    (void)state;
    toggle(LONG, INDEX_GUEST_CR0, BIT(5), REGISTERS, "CR0_FIXED0");
    toggle(LONG, INDEX_GUEST_CR0, BIT(32), REGISTERS, "CR0_FIXED0");
    toggle(PROTECTED, INDEX_GUEST_CR0, CR0_PE, REGISTERS, "CR0.PE must be 1 if");
    toggle(LONG, INDEX_GUEST_CR0, CR0_PG, REGISTERS, "CR0.PG must be 1 if \"IA-32e");
    toggle(LONG, INDEX_GUEST_CR4, BIT(13), REGISTERS, "CR4_FIXED0");
    toggle(LONG, INDEX_GUEST_CR4, BIT(25), REGISTERS, "CR4_FIXED0");
    toggle(LONG, INDEX_GUEST_CR4, CR4_PAE, REGISTERS, "CR4.PAE must be 1 if");
    toggle(PROTECTED, INDEX_GUEST_CR4, CR4_PCIDE, REGISTERS, "CR4.PCIDE must be 0 if");
    plant(LONG, INDEX_GUEST_CR3, UINT64_C(1) << 40, REGISTERS, "physical-address width");
    make_real_mode(&image);
    set(&image, INDEX_SECONDARY_CONTROLS, SECONDARY_EPT | SECONDARY_VPID);
    expect_finding(&image, INDEX_GUEST_CR0, REGISTERS, "CR0_FIXED0"); /* real mode needs unrestricted guest */
}

/* A guest's CR3 with linear-address masking is no finding in every report. */
static void masked_linear_addresses(void **state)
{
    const uint64_t lam_u57 = BIT(61), lam_u48 = BIT(62);
    struct vmx_capabilities with_lam;
    struct entry_image image;

    (void)state;
    toggle(LONG, INDEX_GUEST_CR3, lam_u48, REGISTERS, "physical-address width");
    toggle(LONG, INDEX_GUEST_CR3, lam_u57, REGISTERS, "physical-address width");
    make_long_mode(&image);
    with_lam = *image.capabilities;
    with_lam.cr4_fixed1 |= CR4_LAM_SUP;
    image.capabilities = &with_lam;
    set(&image, INDEX_GUEST_CR3, image.value[INDEX_GUEST_CR3] | lam_u57 | lam_u48);
    expect_none(&image, "LAM");
    set(&image, INDEX_GUEST_CR3, BIT(63));
    expect_finding(&image, INDEX_GUEST_CR3, REGISTERS, "physical-address width");
}

static void guest_msrs(void **state)
{
    (void)state;
    toggle(LONG, INDEX_GUEST_DEBUGCTL, BIT(3), REGISTERS, "reserved bits");
    toggle(LONG, INDEX_GUEST_DR7, BIT(32), REGISTERS, "bits 63:32");
    plant(LONG, INDEX_GUEST_SYSENTER_ESP, not_canonical, REGISTERS, "canonical");
    plant(LONG, INDEX_GUEST_SYSENTER_EIP, not_canonical, REGISTERS, "canonical");
    plant(LONG, INDEX_GUEST_PAT, UINT64_C(0x0007030600070406), REGISTERS, "each byte");
    toggle(LONG, INDEX_GUEST_EFER, BIT(9), REGISTERS, "reserved bits");
    toggle(LONG, INDEX_GUEST_EFER, EFER_LMA, REGISTERS, "LMA must be as \"IA-32e mode guest\"");
    toggle(LONG, INDEX_GUEST_EFER, EFER_LME, REGISTERS, "LMA must be as LME");
    plant(ALL_CONTROLS, INDEX_GUEST_PERF_GLOBAL_CTRL, BIT(20), REGISTERS, "reserved bits");
    plant(ALL_CONTROLS, INDEX_GUEST_BNDCFGS, 4, REGISTERS, "bits 11:2");
    plant(ALL_CONTROLS, INDEX_GUEST_BNDCFGS, not_canonical, REGISTERS, "canonical");
    plant(ALL_CONTROLS, INDEX_GUEST_PKRS, BIT(32), REGISTERS, "bits 63:32");
}

static void guest_tables_and_flags(void **state)
{
    struct entry_image image;

    (void)state;
    plant(LONG, INDEX_GUEST_GDTR_BASE, not_canonical, "26.3.1.3", "canonical");
    plant(LONG, INDEX_GUEST_IDTR_BASE, not_canonical, "26.3.1.3", "canonical");
    plant(LONG, INDEX_GUEST_GDTR_LIMIT, 0x10000, "26.3.1.3", "bits 31:16");
    plant(LONG, INDEX_GUEST_IDTR_LIMIT, 0x10000, "26.3.1.3", "bits 31:16");
    plant(LONG, INDEX_GUEST_RIP, 2 * not_canonical, "26.3.1.4", "must be alike");
    make_long_mode(&image);
    set(&image, INDEX_GUEST_RIP, not_canonical);
    expect_none(&image, "RIP behind the last byte of the lower half");
    plant(PROTECTED, INDEX_GUEST_RIP, UINT64_C(1) << 32, "26.3.1.4", "bits 63:32");
    plant(LONG, INDEX_GUEST_RFLAGS, 0, "26.3.1.4", "bit 1 must be 1");
    plant(LONG, INDEX_GUEST_RFLAGS, 0x8002, "26.3.1.4", "bit 1 must be 1");
    plant(LONG, INDEX_GUEST_RFLAGS, 0x400002, "26.3.1.4", "bit 1 must be 1");
    plant(LONG, INDEX_GUEST_RFLAGS, 0x20002, "26.3.1.4", "VM must be 0");
    plant(REAL, INDEX_GUEST_RFLAGS, 0x20002, "26.3.1.4", "VM must be 0");
    make_real_mode(&image);
    set(&image, INDEX_ENTRY_INTERRUPTION_INFO, 0x80000008);
    expect_finding(&image, INDEX_GUEST_RFLAGS, "26.3.1.4", "IF must be 1");
    make_all_controls(&image);
    set(&image, INDEX_GUEST_CS_ACCESS_RIGHTS, 0xc09b);
    set(&image, INDEX_GUEST_RIP, 0x1000);
    expect_none(&image, "compatibility mode");
    set(&image, INDEX_GUEST_SSP, UINT64_C(1) << 32);
    expect_finding(&image, INDEX_GUEST_SSP, "26.3.1.4", "bits 63:32");
}

static void pdptes(void **state)
{
    (void)state;
    for (enum vmcs_index i = INDEX_GUEST_PDPTE0; i <= INDEX_GUEST_PDPTE3; i++) {
        struct entry_image image;

        plant(PROTECTED, i, 0x100003, "26.3.1.6", "reserved bits");
        plant(PROTECTED, i, 0x100101, "26.3.1.6", "reserved bits");
        plant(PROTECTED, i, (UINT64_C(1) << 40) + 1, "26.3.1.6", "reserved bits");
        make_protected_mode(&image);
        set(&image, i, ~UINT64_C(1));
        expect_none(&image, "a PDPTE that is not present");
        make_long_mode(&image);
        set(&image, i, ~UINT64_C(0));
        expect_none(&image, "no PDPTEs in long mode");
    }
}

#define SEGMENTS "26.3.1.2"
enum { ES, CS, SS, DS, FS, GS, LDTR, TR };

static void plant_rights(enum mode mode, unsigned segment, uint64_t bits, const char *part)
{
    toggle(mode, INDEX_GUEST_ES_ACCESS_RIGHTS + segment, bits, SEGMENTS, part);
}

static void every_usable_segment(void **state)
{
    (void)state;
    for (unsigned i = ES; i <= TR; i++) {
        enum mode mode = i == LDTR ? REAL : PROTECTED;

        plant_rights(mode, i, BIT(7), "P (bit 7)");
        plant_rights(mode, i, BIT(8), "bits 31:17 and 11:8");
        plant_rights(mode, i, BIT(17), "bits 31:17 and 11:8");
        plant_rights(mode, i, BIT(4), i >= LDTR ? "S (bit 4) must be 0" : "S (bit 4) must be 1");
    }
}

/* Granularity against limit */
static void limits(void **state)
{
    (void)state;
    for (unsigned i = ES; i <= TR; i++) {
        struct entry_image image;

        make_real_mode(&image);
        set(&image, INDEX_GUEST_ES_LIMIT + i, 0x100000);
        expect_finding(&image, INDEX_GUEST_ES_ACCESS_RIGHTS + i, SEGMENTS, "must be 1 if a bit of limit 31:20");
        set_bits(&image, INDEX_GUEST_ES_ACCESS_RIGHTS + i, BIT(15));
        expect_finding(&image, INDEX_GUEST_ES_ACCESS_RIGHTS + i, SEGMENTS, "must be 0 if a bit of limit 11:0");
    }
}

static void code_segment(void **state)
{
    (void)state;
    plant_rights(PROTECTED, CS, 1, "accessed code");
    plant_rights(PROTECTED, CS, 3 << 5, "CS.DPL");
    plant_rights(LONG, CS, BIT(14), "D/B");
    plant(PROTECTED, INDEX_GUEST_CS_ACCESS_RIGHTS, 0xc0f3, SEGMENTS, "CS.DPL"); /* type 3 */
    plant(LONG, INDEX_GUEST_CS_ACCESS_RIGHTS, 0xa0ff, SEGMENTS, "CS.DPL");      /* conforming, above CPL */
    plant(LONG, INDEX_GUEST_CS_BASE, UINT64_C(1) << 32, SEGMENTS, "bits 63:32");
}

static void conforming_and_data_code(void **state)
{
    struct entry_image image;

    (void)state;
    make_protected_mode(&image);
    set(&image, INDEX_GUEST_CS_ACCESS_RIGHTS, 0xc09f); /* conforming, DPL 0, at CPL 3 */
    expect_none(&image, "conforming code");
    make_real_mode(&image);
    set(&image, INDEX_GUEST_CS_ACCESS_RIGHTS, 0x93);
    expect_none(&image, "CS of type 3 in an unrestricted guest");
    make_long_mode(&image);
    set(&image, INDEX_SECONDARY_CONTROLS, SECONDARY_EPT | SECONDARY_VPID);
    set(&image, INDEX_GUEST_CS_ACCESS_RIGHTS, 0xc093);
    set(&image, INDEX_GUEST_RIP, 0);
    expect_finding(&image, INDEX_GUEST_CS_ACCESS_RIGHTS, SEGMENTS, "accessed code");
}

static void stack_segment(void **state)
{
    struct entry_image image;

    (void)state;
    plant_rights(PROTECTED, SS, 2, "3 or 7");
    plant_rights(REAL, SS, 3 << 5, "SS.DPL must be 0");
    plant(PROTECTED, INDEX_GUEST_SS_BASE, UINT64_C(1) << 32, SEGMENTS, "bits 63:32");
    make_protected_mode(&image);
    set(&image, INDEX_SECONDARY_CONTROLS, SECONDARY_EPT | SECONDARY_VPID);
    expect_none(&image, "not an unrestricted guest");
    set(&image, INDEX_GUEST_SS_SELECTOR, 0x20);
    expect_finding(&image, INDEX_GUEST_SS_ACCESS_RIGHTS, SEGMENTS, "must be the selector's RPL");
    expect_finding(&image, INDEX_GUEST_SS_SELECTOR, SEGMENTS, "that of CS");
}

static void data_segments(void **state)
{
    static const unsigned data[] = {ES, DS, FS, GS};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(data); i++) {
        struct entry_image image;

        plant_rights(PROTECTED, data[i], 1, "accessed, and readable");
        plant(PROTECTED, INDEX_GUEST_ES_ACCESS_RIGHTS + data[i], 0xc0f9, SEGMENTS, "accessed, and readable");
        make_protected_mode(&image);
        set(&image, INDEX_SECONDARY_CONTROLS, SECONDARY_EPT | SECONDARY_VPID);
        set(&image, INDEX_GUEST_ES_ACCESS_RIGHTS + data[i], 0xc0d3);
        expect_finding(&image, INDEX_GUEST_ES_ACCESS_RIGHTS + data[i], SEGMENTS, "DPL must not be below");
        set(&image, INDEX_GUEST_ES_ACCESS_RIGHTS + data[i], 0x10000);
        expect_none(&image, "an unusable segment");
    }
    plant(PROTECTED, INDEX_GUEST_ES_BASE, UINT64_C(1) << 32, SEGMENTS, "bits 63:32");
    plant(PROTECTED, INDEX_GUEST_DS_BASE, UINT64_C(1) << 32, SEGMENTS, "bits 63:32");
    plant(LONG, INDEX_GUEST_FS_BASE, not_canonical, SEGMENTS, "canonical");
    plant(LONG, INDEX_GUEST_GS_BASE, not_canonical, SEGMENTS, "canonical");
}

static void system_segments(void **state)
{
    (void)state;
    toggle(REAL, INDEX_GUEST_LDTR_SELECTOR, 4, SEGMENTS, "TI");
    plant(REAL, INDEX_GUEST_LDTR_BASE, not_canonical, SEGMENTS, "canonical");
    plant_rights(REAL, LDTR, 1, "type must be 2");
    toggle(LONG, INDEX_GUEST_TR_SELECTOR, 4, SEGMENTS, "TI");
    plant(LONG, INDEX_GUEST_TR_BASE, not_canonical, SEGMENTS, "canonical");
    plant_rights(LONG, TR, 2, "busy TSS");
    plant_rights(LONG, TR, 8, "busy TSS");
    plant_rights(LONG, TR, BIT(16), "usable");
}

static void busy_16_bit_tss(void **state)
{
    struct entry_image image;

    (void)state;
    make_protected_mode(&image);
    set(&image, INDEX_GUEST_TR_ACCESS_RIGHTS, 0x83);
    expect_none(&image, "a busy 16-bit TSS");
}

static void virtual_8086(void **state)
{
    (void)state;
    for (unsigned i = ES; i <= GS; i++) {
        plant(VIRTUAL_8086, INDEX_GUEST_ES_BASE + i, 0x12350, SEGMENTS, "selector * 16");
        plant(VIRTUAL_8086, INDEX_GUEST_ES_LIMIT + i, 0xfffff, SEGMENTS, "limit must be ffff");
        plant(VIRTUAL_8086, INDEX_GUEST_ES_ACCESS_RIGHTS + i, 0x93, SEGMENTS, "must be f3");
    }
}

#define STATE "26.3.1.5"

static void in_activity(uint64_t activity, uint32_t info, const char *part)
{
    struct entry_image image;

    make_long_mode(&image);
    set(&image, INDEX_GUEST_ACTIVITY, activity);
    set(&image, INDEX_ENTRY_INTERRUPTION_INFO, info);
    if (part)
        expect_finding(&image, INDEX_GUEST_ACTIVITY, STATE, part);
    else
        expect_none(&image, "activity state");
}

static void activity(void **state)
{
    struct vmx_capabilities old = full_capabilities;
    struct entry_image image;

    (void)state;
    for (uint64_t i = 0; i < 4; i++)
        in_activity(i, 0, NULL);
    in_activity(4, 0, "IA32_VMX_MISC");
    in_activity(1, 0x80000020, NULL);
    in_activity(1, 0x80000202, NULL);
    in_activity(1, 0x80000301, NULL);
    in_activity(1, 0x80000312, NULL);
    in_activity(1, 0x80000306, "injected event");
    in_activity(2, 0x80000202, NULL);
    in_activity(2, 0x80000020, "injected event");
    in_activity(3, 0x80000202, "injected event");
    plant(PROTECTED, INDEX_GUEST_ACTIVITY, 1, STATE, "SS.DPL");
    make_long_mode(&image);
    set(&image, INDEX_GUEST_ACTIVITY, 3);
    old.misc &= ~BIT(8);
    image.capabilities = &old;
    expect_finding(&image, INDEX_GUEST_ACTIVITY, STATE, "IA32_VMX_MISC");
    make_long_mode(&image);
    set(&image, INDEX_GUEST_ACTIVITY, 1);
    set(&image, INDEX_GUEST_INTERRUPTIBILITY, BLOCKING_BY_MOV_SS);
    expect_finding(&image, INDEX_GUEST_ACTIVITY, STATE, "must be active");
}

static void blocked(uint64_t blocking, uint32_t info, const char *part)
{
    struct entry_image image;

    make_long_mode(&image);
    set(&image, INDEX_GUEST_INTERRUPTIBILITY, blocking);
    set(&image, INDEX_ENTRY_INTERRUPTION_INFO, info);
    if (part)
        expect_finding(&image, INDEX_GUEST_INTERRUPTIBILITY, STATE, part);
    else
        expect_none(&image, "interruptibility");
}

static void interruptibility(void **state)
{
    (void)state;
    blocked(BLOCKING_BY_STI, 0, NULL);
    blocked(BLOCKING_BY_MOV_SS, 0, NULL);
    blocked(BLOCKING_BY_NMI, 0x80000020, NULL);
    blocked(BIT(5), 0, "bits 31:5");
    blocked(3, 0, "must not both be 1");
    blocked(BLOCKING_BY_SMI, 0, "by SMI");
    blocked(ENCLAVE_INTERRUPTION | BLOCKING_BY_MOV_SS, 0, "enclave");
    blocked(BLOCKING_BY_STI, 0x80000020, "an external interrupt is injected");
    blocked(BLOCKING_BY_MOV_SS, 0x80000020, "an external interrupt is injected");
    blocked(BLOCKING_BY_MOV_SS, 0x80000202, "blocking by MOV SS must be 0 if an NMI");
    blocked(BLOCKING_BY_STI, 0x80000202, "blocking by STI must be 0 if an NMI");
    blocked(BLOCKING_BY_NMI, 0x80000202, "with \"virtual NMIs\"");
    plant(REAL, INDEX_GUEST_INTERRUPTIBILITY, BLOCKING_BY_STI, STATE, "RFLAGS.IF");
}

static void pending_debug(void **state)
{
    struct entry_image image;

    (void)state;
    plant(LONG, INDEX_GUEST_PENDING_DEBUG, BIT(4), STATE, "bits 63:17");
    plant(LONG, INDEX_GUEST_PENDING_DEBUG, BIT(17), STATE, "bits 63:17");
    plant(LONG, INDEX_GUEST_PENDING_DEBUG, BIT(16), STATE, "RTM");
    make_long_mode(&image);
    set(&image, INDEX_GUEST_PENDING_DEBUG, BIT(16) | BIT(12));
    expect_none(&image, "RTM");
    set(&image, INDEX_GUEST_INTERRUPTIBILITY, BLOCKING_BY_MOV_SS);
    expect_finding(&image, INDEX_GUEST_INTERRUPTIBILITY, STATE, "RTM region");
    set(&image, INDEX_GUEST_PENDING_DEBUG, BIT(14));
    expect_finding(&image, INDEX_GUEST_PENDING_DEBUG, STATE, "BS (bit 14)");
    set(&image, INDEX_GUEST_RFLAGS, 0x302);
    expect_none(&image, "a step that is due");
    set(&image, INDEX_GUEST_PENDING_DEBUG, 0);
    expect_finding(&image, INDEX_GUEST_PENDING_DEBUG, STATE, "BS (bit 14)");
    set(&image, INDEX_GUEST_DEBUGCTL, 2);
    expect_none(&image, "steps by branches");
}

static void the_text_names_field_value_and_section(void **state)
{
    struct entry_finding finding;
    struct entry_image image;
    char text[ENTRY_FINDING_MAX];

    (void)state;
    make_long_mode(&image);
    set(&image, INDEX_GUEST_TR_ACCESS_RIGHTS, 0x89);
    assert_int_equal(entry_checks(&image, &finding, 1), 1);
    entry_finding_text(&image, &finding, text);
    assert_string_equal(text,
                        "GUEST_TR_ACCESS_RIGHTS = 89: the type must be 11, busy TSS, or outside long mode 3, busy "
                        "16-bit TSS (SDM vol. 3, 26.3.1.2)");
}

static void more_findings_than_asked_for(void **state)
{
    struct entry_finding finding = {.rule = NULL};
    struct entry_image image;

    (void)state;
    make_long_mode(&image);
    set(&image, INDEX_GUEST_RFLAGS, 0);
    set(&image, INDEX_HOST_CS_SELECTOR, 0);
    assert_int_equal(entry_checks(&image, &finding, 1), 2);
    assert_int_equal(finding.field, INDEX_HOST_CS_SELECTOR);
    assert_int_equal(entry_checks(&image, NULL, 0), 2);
}

/* Runs last: every rule that was looked at, in whatever image, has been seen to find its fault. */
static void every_rule_has_been_broken(void **state)
{
    unsigned missing = 0;

    (void)state;
    for (unsigned i = 0; i < looked_at_count; i++)
        if (!contains(broken, broken_count, looked_at[i].field, looked_at[i].rule)) {
            print_error("%s: no test breaks \"%s\"\n", vmcs_field_name(looked_at[i].field), looked_at[i].rule);
            missing++;
        }
    assert_int_equal(missing, 0);
    assert_true(looked_at_count > 150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_images_pass),
        cmocka_unit_test(addresses_of_pages),
        cmocka_unit_test(msr_areas),
        cmocka_unit_test(reserved_control_bits),
        cmocka_unit_test(secondary_controls),
        cmocka_unit_test(execution_controls),
        cmocka_unit_test(nmi_window),
        cmocka_unit_test(ept_pointer),
        cmocka_unit_test(what_needs_ept),
        cmocka_unit_test(vm_functions),
        cmocka_unit_test(apic_controls),
        cmocka_unit_test(injected_events),
        cmocka_unit_test(injected_event_details),
        cmocka_unit_test(host_registers),
        cmocka_unit_test(control_flow_enforcement),
        cmocka_unit_test(host_segments),
        cmocka_unit_test(guest_control_registers),
        cmocka_unit_test(masked_linear_addresses),
        cmocka_unit_test(guest_msrs),
        cmocka_unit_test(guest_tables_and_flags),
        cmocka_unit_test(pdptes),
        cmocka_unit_test(every_usable_segment),
        cmocka_unit_test(limits),
        cmocka_unit_test(code_segment),
        cmocka_unit_test(conforming_and_data_code),
        cmocka_unit_test(stack_segment),
        cmocka_unit_test(data_segments),
        cmocka_unit_test(system_segments),
        cmocka_unit_test(busy_16_bit_tss),
        cmocka_unit_test(virtual_8086),
        cmocka_unit_test(activity),
        cmocka_unit_test(interruptibility),
        cmocka_unit_test(pending_debug),
        cmocka_unit_test(the_text_names_field_value_and_section),
        cmocka_unit_test(more_findings_than_asked_for),
        cmocka_unit_test(every_rule_has_been_broken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
