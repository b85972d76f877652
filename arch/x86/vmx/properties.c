#include "arch/x86/vmx/properties.h"

#include "arch/x86/regs.h"
#include "arch/x86/vmx/controls.h"

/* Which of struct vmx_facts a row looks at, with all control words reduced to what may be 1. */
enum word {
    ALLOWED_BY_CPUID,
    READABLE,
    ALLOWED_BY_FIRMWARE,
    PIN,
    PRIMARY,
    SECONDARY,
    EXIT,
    ENTRY,
    EPT,
    MISC,
    STEPPING,
    WORDS
};

#define OLD_CPU   "Plinth needs an Intel CPU of 2010 or later (EPT and unrestricted guest)"
#define OUTER     "in a virtual machine, use a newer outer hypervisor, in QEMU -cpu host,+vmx"
#define NO_MATTER "nothing to do: the guest only lacks this instruction, as CPUID tells it"
#define SLOWER    "nothing to do: some accesses are a little slower"

enum { ONE = 1 }; /* of a word that is only true or false */

static const struct {
    struct property property;
    enum word word;
    uint64_t mask;
} table[] = {
    {{true, "VT-x", "this CPU has none (CPUID.1:ECX.VMX is 0), or an outer hypervisor hides it",
      "use an Intel CPU with VT-x; in QEMU use -accel kvm -cpu host,+vmx"},
     ALLOWED_BY_CPUID,
     ONE},
    {{true, "IA32_FEATURE_CONTROL", "IA32_FEATURE_CONTROL can't be read",
      "the outer hypervisor's VT-x is incomplete: update it"},
     READABLE,
     ONE},
    {{true, "VT-x on in the firmware", "locked off by the firmware (IA32_FEATURE_CONTROL)",
      "enable \"Intel Virtualization Technology\" (VT-x, VMX) in the firmware setup, then switch the machine off and "
      "on"},
     ALLOWED_BY_FIRMWARE,
     ONE},
    {{true, "secondary controls", "this CPU has no secondary processor-based controls", OLD_CPU},
     PRIMARY,
     PRIMARY_SECONDARY_CONTROLS},
    {{true, "EPT", "this CPU has no EPT", OLD_CPU}, SECONDARY, SECONDARY_EPT},
    {{true, "EPT: 4 levels, write-back", "this CPU's EPT lacks a 4-level write-back walk", OUTER},
     EPT,
     EPT_WALK_4 | EPT_WRITE_BACK},
    {{true, "EPT: 2 MiB pages", "this CPU's EPT lacks 2 MiB pages", OUTER}, EPT, EPT_2MIB},
    {{true, "INVEPT", "this CPU lacks INVEPT", OUTER}, EPT, EPT_INVEPT},
    {{true, "unrestricted guest", "this CPU has EPT but no unrestricted guest", OLD_CPU},
     SECONDARY,
     SECONDARY_UNRESTRICTED_GUEST},
    {{true, "MSR bitmaps", "this CPU has no MSR bitmaps", OUTER}, PRIMARY, PRIMARY_MSR_BITMAPS},
    {{true, "NMI exiting, virtual NMIs", "this CPU lacks NMI exiting or virtual NMIs", OUTER},
     PIN,
     PIN_NMI_EXITING | PIN_VIRTUAL_NMIS},
    {{true, "PAT and EFER on exits", "this CPU can't switch PAT and EFER on VM exits", OUTER},
     EXIT,
     EXIT_SAVE_PAT | EXIT_LOAD_PAT | EXIT_SAVE_EFER | EXIT_LOAD_EFER},
    {{true, "PAT and EFER on entries", "this CPU can't switch PAT and EFER on VM entries", OUTER},
     ENTRY,
     ENTRY_LOAD_PAT | ENTRY_LOAD_EFER},
    {{true, "preemption timer or MTF", "this CPU has neither VMX preemption timer nor monitor trap flag", OUTER},
     STEPPING,
     ONE},
    {{false, "wait-for-SIPI", "this CPU can't hold a guest's CPU in wait-for-SIPI",
      "nothing to do: CPUs are started by trapping the local APIC (ap_start=icr)"},
     MISC,
     MISC_WAIT_FOR_SIPI},
    {{false, "EPT: 1 GiB pages", "this CPU's EPT has no 1 GiB pages", SLOWER}, EPT, EPT_1GIB},
    {{false, "EPT: accessed and dirty bits", "this CPU's EPT has no accessed and dirty bits", SLOWER},
     EPT,
     EPT_ACCESSED_DIRTY_FLAGS},
    {{false, "VPID", "this CPU has no VPID", SLOWER}, SECONDARY, SECONDARY_VPID},
    {{false, "preemption timer", "this CPU has no VMX preemption timer",
      "nothing to do: the monitor trap flag is used in its place"},
     PIN,
     PIN_PREEMPTION_TIMER},
    {{false, "RDTSCP", "VT-x can't give RDTSCP to the guest", NO_MATTER}, SECONDARY, SECONDARY_RDTSCP},
    {{false, "INVPCID", "VT-x can't give INVPCID to the guest", NO_MATTER}, SECONDARY, SECONDARY_INVPCID},
    {{false, "XSAVES", "VT-x can't give XSAVES to the guest", NO_MATTER}, SECONDARY, SECONDARY_XSAVES},
    {{false, "TPAUSE, UMWAIT", "VT-x can't give TPAUSE and UMWAIT to the guest", NO_MATTER},
     SECONDARY,
     SECONDARY_USER_WAIT_PAUSE},
    {{false, "PCONFIG", "VT-x can't give PCONFIG to the guest", NO_MATTER}, SECONDARY, SECONDARY_PCONFIG},
};
_Static_assert(ARRAY_SIZE(table) <= 64, "property_set.found");

/* SDM vol. 3, 23.7: unlocked is as good, as Plinth may set it then. */
static bool firmware_allows(const struct vmx_facts *facts)
{
    return !(facts->feature_control & FEATURE_CONTROL_LOCK) || facts->feature_control & FEATURE_CONTROL_VMX;
}

bool vmx_is_allowed(const struct vmx_facts *facts)
{
    return facts->vmx && facts->feature_control_readable && firmware_allows(facts);
}

/* What can't be asked, since an earlier row is missing. */
static bool is_known(const struct vmx_facts *facts, enum word word)
{
    switch (word) {
    case ALLOWED_BY_CPUID:
        return true;
    case READABLE:
        return facts->vmx;
    case ALLOWED_BY_FIRMWARE:
        return facts->vmx && facts->feature_control_readable;
    default:
        return vmx_is_allowed(facts);
    }
}

static void collect(const struct vmx_facts *facts, uint64_t words[WORDS])
{
    const struct vmx_capabilities *c = &facts->capabilities;

    words[ALLOWED_BY_CPUID] = facts->vmx;
    words[READABLE] = facts->vmx && facts->feature_control_readable;
    words[ALLOWED_BY_FIRMWARE] = vmx_is_allowed(facts);
    words[PIN] = c->pin >> 32;
    words[PRIMARY] = c->primary >> 32;
    words[SECONDARY] = c->secondary >> 32;
    words[EXIT] = c->exit >> 32;
    words[ENTRY] = c->entry >> 32;
    words[EPT] = c->ept_vpid;
    words[MISC] = c->misc;
    words[STEPPING] = c->pin >> 32 & PIN_PREEMPTION_TIMER || c->primary >> 32 & PRIMARY_MONITOR_TRAP_FLAG;
}

/* The rows in the form that goes out. */
static const struct property *rows(void)
{
    static struct property list[ARRAY_SIZE(table)];

    for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
        list[i] = table[i].property;
    return list;
}

struct property_set vmx_properties(const struct vmx_facts *facts)
{
    struct property_set set = {rows(), ARRAY_SIZE(table), 0, 0};
    uint64_t words[WORDS];

    collect(facts, words);
    for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
        if (is_known(facts, table[i].word))
            set.known |= (uint64_t)1 << i;
        if ((words[table[i].word] & table[i].mask) == table[i].mask)
            set.found |= (uint64_t)1 << i;
    }
    return set;
}
