/* From the VMCS's exit information to struct vm_exit, with literal values as the SDM's tables have them. */
#include "tests/host/support.h"

#include "tests/fake/fake.h"

#include "arch/x86/regs.h"
#include "arch/x86/vmx/controls.h"
#include "arch/x86/vmx/events.h"
#include "arch/x86/vmx/exit_reasons.h"
#include "arch/x86/vmx/vcpu.h"

static struct guest_regs regs;

static struct vm_exit decode(uint32_t reason, uint64_t qualification)
{
    struct vm_exit exit;

    *fake_field(INDEX_EXIT_QUALIFICATION) = qualification;
    vmx_decode(reason, &regs, &exit);
    return exit;
}

static int clear(void **state)
{
    (void)state;
    memset(&fake_cpus[0], 0, sizeof(fake_cpus[0]));
    memset(&regs, 0, sizeof(regs));
    return 0;
}

/* What the exit path has an answer to; all others are unexpected. */
static const struct {
    uint32_t reason;
    enum vm_exit_kind kind;
} kinds[] = {
    {0, VM_EXIT_EXCEPTION},  {2, VM_EXIT_TRIPLE_FAULT}, {3, VM_EXIT_INIT},       {4, VM_EXIT_STARTUP},
    {8, VM_EXIT_NMI_WINDOW}, {9, VM_EXIT_TASK_SWITCH},  {10, VM_EXIT_CPUID},     {11, VM_EXIT_UNDEFINED},
    {13, VM_EXIT_INVD},      {18, VM_EXIT_VMCALL},      {19, VM_EXIT_UNDEFINED}, {20, VM_EXIT_UNDEFINED},
    {21, VM_EXIT_UNDEFINED}, {22, VM_EXIT_UNDEFINED},   {23, VM_EXIT_UNDEFINED}, {24, VM_EXIT_UNDEFINED},
    {25, VM_EXIT_UNDEFINED}, {26, VM_EXIT_UNDEFINED},   {27, VM_EXIT_UNDEFINED}, {28, VM_EXIT_CR_WRITE},
    {30, VM_EXIT_PORT},      {31, VM_EXIT_MSR_READ},    {32, VM_EXIT_MSR_WRITE}, {36, VM_EXIT_WAIT},
    {48, VM_EXIT_MEMORY},    {50, VM_EXIT_UNDEFINED},   {52, VM_EXIT_POLL},      {53, VM_EXIT_UNDEFINED},
    {55, VM_EXIT_XSETBV},    {59, VM_EXIT_UNDEFINED},   {76, VM_EXIT_UNDEFINED}, {77, VM_EXIT_UNDEFINED},
    {78, VM_EXIT_UNDEFINED}, {79, VM_EXIT_UNDEFINED},   {80, VM_EXIT_UNDEFINED}, {81, VM_EXIT_UNDEFINED},
    {84, VM_EXIT_UNDEFINED}, {85, VM_EXIT_UNDEFINED},
};

static enum vm_exit_kind expected_kind(uint32_t basic)
{
    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)
        if (kinds[i].reason == basic)
            return kinds[i].kind;
    return VM_EXIT_UNEXPECTED;
}

/* Bits 15:0 are the basic reason, whatever the bits above say (24.9.1); bit 31 alone means a failed entry. */
static void every_reason(void **state)
{
    static const uint32_t above[] = {0, 1u << 16, 1u << 26, 1u << 27, 1u << 28, 1u << 29, 0x7fff0000};

    (void)state;
    for (uint32_t basic = 0; basic <= 0xffff; basic++) {
        for (unsigned i = 0; i < ARRAY_SIZE(above); i++)
            assert_int_equal(decode(basic | above[i], 0).kind, expected_kind(basic));
        assert_int_equal(decode(basic | 1u << 31, 0).kind, VM_EXIT_ENTRY_FAILED);
    }
    assert_int_equal(decode(~0u, 0).kind, VM_EXIT_ENTRY_FAILED);
}

/* Table 27-3. MOV to CR0 from RAX, RSP and R15; registers are 64 bits wide in 64-bit mode only:
 * in compatibility mode they have upper halves too, which don't count. */
static void mov_to_cr(void **state)
{
    struct vm_exit exit;

    (void)state;
    regs.rax = UINT64_C(0x180000031);
    regs.r15 = UINT64_C(0x2000000c0002020);
    *fake_field(INDEX_GUEST_RSP) = 0x70;
    *fake_field(INDEX_GUEST_EFER) = EFER_LMA;
    *fake_field(INDEX_GUEST_CS_ACCESS_RIGHTS) = 0xa09b;
    exit = decode(EXIT_CR_ACCESS, 0x000);
    assert_int_equal(exit.cr.number, 0);
    assert_true(exit.cr.value == UINT64_C(0x180000031));
    assert_true(decode(EXIT_CR_ACCESS, 0x400).cr.value == 0x70);
    exit = decode(EXIT_CR_ACCESS, 0xf04);
    assert_int_equal(exit.cr.number, 4);
    assert_true(exit.cr.value == UINT64_C(0x2000000c0002020));
    *fake_field(INDEX_GUEST_CS_ACCESS_RIGHTS) = 0xc09b;
    assert_true(decode(EXIT_CR_ACCESS, 0x000).cr.value == 0x80000031);
    *fake_field(INDEX_GUEST_EFER) = 0;
    assert_true(decode(EXIT_CR_ACCESS, 0x000).cr.value == 0x80000031);
}

static void clts_and_lmsw(void **state)
{
    (void)state;
    *fake_field(INDEX_CR0_MASK) = CR0_NE;
    *fake_field(INDEX_CR0_SHADOW) = 0;
    *fake_field(INDEX_GUEST_CR0) = 0x8001003b; /* PE MP TS ET NE WP PG */
    assert_true(decode(EXIT_CR_ACCESS, 0x20).cr.value == 0x80010013);
    assert_true(decode(EXIT_CR_ACCESS, 0x00000030).cr.value == 0x80010011); /* LMSW 0 leaves PE */
    assert_true(decode(EXIT_CR_ACCESS, 0xfffe0030).cr.value == 0x8001001f);
}

/* No control asks for MOV from a control register. */
static void mov_from_cr(void **state)
{
    (void)state;
    assert_int_equal(decode(EXIT_CR_ACCESS, 0x10).kind, VM_EXIT_UNEXPECTED);
    assert_int_equal(decode(EXIT_CR_ACCESS, 0x18).kind, VM_EXIT_UNEXPECTED);
}

/* Table 27-7 */
static void ept_violation(void **state)
{
    struct vm_exit exit;

    (void)state;
    *fake_field(INDEX_GUEST_PHYSICAL_ADDRESS) = 0xfee00300;
    exit = decode(EXIT_EPT_VIOLATION, 0x181);
    assert_true(exit.memory.address == 0xfee00300);
    assert_true(exit.memory.read && !exit.memory.write && !exit.memory.execute && !vcpu_violated_in_walk(&exit));
    exit = decode(EXIT_EPT_VIOLATION, 0x1aa);
    assert_true(!exit.memory.read && exit.memory.write && !exit.memory.execute);
    exit = decode(EXIT_EPT_VIOLATION, 0x184);
    assert_true(!exit.memory.read && !exit.memory.write && exit.memory.execute);
    exit = decode(EXIT_EPT_VIOLATION, 0x083);
    assert_true(vcpu_violated_in_walk(&exit));
}

/* 27.2.3: an IRET that had ended NMI blocking faulted: it is blocked again, but not if an event was being delivered. */
static void ept_violation_of_an_iret(void **state)
{
    (void)state;
    decode(EXIT_EPT_VIOLATION, 0x181);
    assert_true(*fake_field(INDEX_GUEST_INTERRUPTIBILITY) == 0);
    *fake_field(INDEX_IDT_VECTORING_INFO) = 0x80000020;
    decode(EXIT_EPT_VIOLATION, 0x1181);
    assert_true(*fake_field(INDEX_GUEST_INTERRUPTIBILITY) == 0);
    *fake_field(INDEX_IDT_VECTORING_INFO) = 0;
    decode(EXIT_EPT_VIOLATION, 0x1181);
    assert_true(*fake_field(INDEX_GUEST_INTERRUPTIBILITY) == BLOCKING_BY_NMI);
}

static void exceptions(void **state)
{
    (void)state;
    *fake_field(INDEX_EXIT_INTERRUPTION_INFO) = 0x80000b0e;
    assert_int_equal(decode(EXIT_EXCEPTION_OR_NMI, 0).kind, VM_EXIT_EXCEPTION);
    *fake_field(INDEX_EXIT_INTERRUPTION_INFO) = 0x80000202;
    assert_int_equal(decode(EXIT_EXCEPTION_OR_NMI, 0).kind, VM_EXIT_NMI);
}

static void nmi_window(void **state)
{
    (void)state;
    *fake_field(INDEX_PRIMARY_CONTROLS) = 0x94406172 | PRIMARY_NMI_WINDOW_EXITING;
    assert_int_equal(decode(EXIT_NMI_WINDOW, 0).kind, VM_EXIT_NMI_WINDOW);
    assert_true(*fake_field(INDEX_PRIMARY_CONTROLS) == 0x94006172);
}

static void startup(void **state)
{
    struct vm_exit exit = decode(EXIT_SIPI, 0x9a);

    (void)state;
    assert_int_equal(exit.kind, VM_EXIT_STARTUP);
    assert_int_equal(exit.startup_vector, 0x9a);
}

/* Table 27-5: IN AL, DX at 3f8; OUT 80, EAX; REP OUTSW at 1f0 */
static void ports(void **state)
{
    struct vm_exit exit = decode(EXIT_IO_INSTRUCTION, 0x03f80008);

    (void)state;
    assert_true(exit.port.number == 0x3f8 && exit.port.size == 1 && exit.port.in && !exit.port.string);
    exit = decode(EXIT_IO_INSTRUCTION, 0x00800043);
    assert_true(exit.port.number == 0x80 && exit.port.size == 4 && !exit.port.in && !exit.port.string);
    exit = decode(EXIT_IO_INSTRUCTION, 0x01f00031);
    assert_true(exit.port.number == 0x1f0 && exit.port.size == 2 && !exit.port.in && exit.port.string);
}

/* Table 27-2: CALL to 28h; IRET; through a gate by an exception with an error code */
static void task_switches(void **state)
{
    struct vm_exit exit;

    (void)state;
    *fake_field(INDEX_GUEST_RIP) = 0x1000;
    *fake_field(INDEX_EXIT_INSTRUCTION_LENGTH) = 7;
    exit = decode(EXIT_TASK_SWITCH, 0x00000028);
    assert_int_equal(exit.kind, VM_EXIT_TASK_SWITCH);
    assert_true(exit.task.source == TASK_BY_CALL && exit.task.selector == 0x28 && exit.task.next_eip == 0x1007);
    assert_int_equal(decode(EXIT_TASK_SWITCH, 0x40000028).task.source, TASK_BY_IRET);
    *fake_field(INDEX_IDT_VECTORING_INFO) = 0x80000b0a;
    *fake_field(INDEX_IDT_VECTORING_ERROR_CODE) = 0x33;
    exit = decode(EXIT_TASK_SWITCH, 0xc0000030);
    assert_true(exit.task.source == TASK_BY_GATE && exit.task.is_exception && exit.task.vector == 10);
    assert_true(exit.task.has_error && exit.task.error == 0x33 && exit.task.next_eip == 0x1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_reason, clear),  cmocka_unit_test_setup(mov_to_cr, clear),
        cmocka_unit_test_setup(clts_and_lmsw, clear), cmocka_unit_test_setup(mov_from_cr, clear),
        cmocka_unit_test_setup(ept_violation, clear), cmocka_unit_test_setup(ept_violation_of_an_iret, clear),
        cmocka_unit_test_setup(exceptions, clear),    cmocka_unit_test_setup(nmi_window, clear),
        cmocka_unit_test_setup(startup, clear),       cmocka_unit_test_setup(ports, clear),
        cmocka_unit_test_setup(task_switches, clear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
