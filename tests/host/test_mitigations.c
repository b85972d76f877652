/* What is decided against side channels on CPUs that are known, by what they say of themselves. */
#include "arch/x86/mitigations.h"
#include "arch/x86/regs.h"
#include "tests/host/support.h"

enum { RTM = BIT(11), MD_CLEAR = BIT(10), FLUSH = BIT(28) };

#define RDCL_NO    BIT(0)
#define SKIP_FLUSH BIT(3)
#define MDS_NO     BIT(5)
#define TAA_NO     BIT(8)
#define STALE_NO   (BIT(13) | BIT(14) | BIT(15))
#define FB_CLEAR   BIT(17)
#define RFDS_NO    BIT(27)
#define RFDS_CLEAR BIT(28)

struct expected {
    const char *name;
    struct cpu_security cpu;
    enum l1d_flush l1d_flush;
    bool flush_command, verw;
    const char *l1d_reason, *verw_reason;
};

static const struct expected cpus[] = {
    {"Skylake", {6, 0x5e, RTM, MD_CLEAR | FLUSH, 0}, L1D_FLUSH_COND, true, true, "L1TF", "MDS"},
    {"Skylake, old microcode",
     {6, 0x5e, RTM, 0, 0},
     L1D_FLUSH_COND,
     false,
     false,
     "L1TF",
     "the CPU has MDS, but VERW clears nothing: update its microcode"},
    {"Skylake in a virtual machine whose host flushes",
     {6, 0x5e, 0, MD_CLEAR | FLUSH, SKIP_FLUSH},
     L1D_FLUSH_NEVER,
     true,
     true,
     "an outer hypervisor flushes",
     "MDS"},
    {"Cascade Lake", {6, 0x55, RTM, MD_CLEAR | FLUSH, RDCL_NO | MDS_NO}, L1D_FLUSH_NEVER, true, true, "no L1TF", "TAA"},
    {"Ice Lake",
     {6, 0x6a, 0, MD_CLEAR | FLUSH, RDCL_NO | MDS_NO | TAA_NO | FB_CLEAR},
     L1D_FLUSH_NEVER,
     true,
     true,
     "no L1TF",
     "MMIO stale data: the guest has the devices"},
    {"Alder Lake N",
     {6, 0xbe, 0, MD_CLEAR | FLUSH, RDCL_NO | MDS_NO | TAA_NO | STALE_NO | FB_CLEAR | RFDS_CLEAR},
     L1D_FLUSH_NEVER,
     true,
     true,
     "no L1TF",
     "RFDS"},
    {"Sapphire Rapids",
     {6, 0x8f, RTM, MD_CLEAR | FLUSH, RDCL_NO | MDS_NO | TAA_NO | STALE_NO | FB_CLEAR | RFDS_NO},
     L1D_FLUSH_NEVER,
     true,
     false,
     "no L1TF",
     "no buffer of this CPU's is known to leak"},
    {"Goldmont, old microcode",
     {6, 0x5c, 0, 0, 0},
     L1D_FLUSH_NEVER,
     false,
     false,
     "no L1TF",
     "no buffer of this CPU's is known to leak"},
    {"Silvermont", {6, 0x37, 0, MD_CLEAR, 0}, L1D_FLUSH_NEVER, false, true, "no L1TF", "MDS"},
    {"another family",
     {15, 6, 0, 0, 0},
     L1D_FLUSH_NEVER,
     false,
     false,
     "no L1TF",
     "no buffer of this CPU's is known to leak"},
};

static void known_cpus(void **state)
{
    struct options asked = {.l1d_flush = L1D_FLUSH_AUTO};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cpus); i++) {
        struct mitigations m = mitigations_decide(&cpus[i].cpu, &asked);

        print_message("%s\n", cpus[i].name);
        assert_int_equal(m.l1d_flush, cpus[i].l1d_flush);
        assert_int_equal(m.flush_command, cpus[i].flush_command);
        assert_string_equal(m.l1d_reason, cpus[i].l1d_reason);
        assert_int_equal(m.verw.on, cpus[i].verw);
        assert_string_equal(m.verw.reason, cpus[i].verw_reason);
        assert_false(m.scrub.on);
    }
}

/* Which CPUs can machine-check when the size of an executable page changes. */
static void itlb_multihit(void **state)
{
    static const struct {
        struct cpu_security cpu;
        bool has;
    } known[] = {
        {{6, 0x55, 0, 0, 0}, true},       /* Skylake server */
        {{6, 0x55, 0, 0, BIT(6)}, false}, /* a later stepping says PSCHANGE_MC_NO */
        {{6, 0x1a, 0, 0, 0}, true},       /* Nehalem */
        {{6, 0x6a, 0, 0, BIT(6)}, false}, /* Ice Lake */
        {{6, 0x37, 0, 0, 0}, false},      /* Silvermont */
        {{6, 0x57, 0, 0, 0}, false},      /* Xeon Phi */
        {{6, 0x86, 0, 0, 0}, false},      /* Tremont */
        {{15, 6, 0, 0, 0}, false},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
        struct options asked = {.multihit = CHOICE_AUTO};

        assert_int_equal(mitigations_decide(&known[i].cpu, &asked).small_execute.on, known[i].has);
        asked.multihit = CHOICE_OFF;
        assert_false(mitigations_decide(&known[i].cpu, &asked).small_execute.on);
        asked.multihit = CHOICE_ON;
        assert_true(mitigations_decide(&known[i].cpu, &asked).small_execute.on);
    }
}

static void what_is_asked_for_is_done(void **state)
{
    struct options asked = {.l1d_flush = L1D_FLUSH_ALWAYS, .verw = CHOICE_OFF, .scrub = CHOICE_ON};
    struct mitigations m = mitigations_decide(&cpus[0].cpu, &asked);

    (void)state;
    assert_int_equal(m.l1d_flush, L1D_FLUSH_ALWAYS);
    assert_false(m.verw.on);
    assert_true(m.scrub.on);
    assert_string_equal(m.scrub.reason, "asked for");
    asked.l1d_flush = L1D_FLUSH_NEVER;
    assert_int_equal(mitigations_decide(&cpus[0].cpu, &asked).l1d_flush, L1D_FLUSH_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_cpus),
        cmocka_unit_test(itlb_multihit),
        cmocka_unit_test(what_is_asked_for_is_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
