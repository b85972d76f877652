/* Entry checks of event injection and of the guest's non-register state (SDM vol. 3, 26.2.1.3, 26.3.1.5). A failure is
 * VMfail with error 7, or exit reason 33. */
#include "arch/x86/vmx/entry_expect.h"
#include "arch/x86/vmx/events.h"

/* IA32_VMX_BASIC, IA32_VMX_MISC (appendix A.1, A.6) */
enum { BASIC_ANY_ERROR_CODE_SHIFT = 56, MISC_ACTIVITY_SHIFT = 6, MISC_LENGTH_0_SHIFT = 30 };
enum { ACTIVITY_ACTIVE, ACTIVITY_HLT, ACTIVITY_SHUTDOWN, ACTIVITY_WAIT_FOR_SIPI, ACTIVITIES };

/* 24.4.2, table 24-4 "Format of Pending-Debug-Exceptions" */
enum { PENDING_ENABLED_BREAKPOINT = BIT(12), PENDING_RTM = BIT(16) };

struct event {
    bool valid;
    uint32_t type;
    unsigned vector;
};

static struct event event_of(const struct entry_checker *c)
{
    uint32_t info = (uint32_t)entry_get(c, INDEX_ENTRY_INTERRUPTION_INFO);

    return (struct event){info & INTERRUPTION_VALID, info & INTERRUPTION_TYPE, info & INTERRUPTION_VECTOR};
}

static bool type_allowed(const struct entry_checker *c, uint32_t type)
{
    const uint32_t reserved = 1 << 8;

    if (type == INTERRUPTION_OTHER)
        return c->image->capabilities->primary >> 32 & PRIMARY_MONITOR_TRAP_FLAG;
    return type != reserved;
}

static bool vector_allowed(struct event event)
{
    switch (event.type) {
    case INTERRUPTION_NMI:
        return event.vector == VECTOR_NMI;
    case INTERRUPTION_HARDWARE_EXCEPTION:
        return event.vector < EXCEPTION_VECTORS;
    case INTERRUPTION_OTHER:
        return event.vector == 0;
    }
    return true;
}

/* Newer CPUs (IA32_VMX_BASIC bit 56) leave it to software which hardware exceptions have an error code. */
static bool error_code_allowed(const struct entry_checker *c, struct event event, bool delivered)
{
    const uint32_t with_code = 1 << VECTOR_DF | 0x1f << 10 | 1 << 17;
    bool real_mode = entry_secondary(c, SECONDARY_UNRESTRICTED_GUEST) && !(entry_get(c, INDEX_GUEST_CR0) & CR0_PE);

    if (real_mode || event.type != INTERRUPTION_HARDWARE_EXCEPTION)
        return !delivered;
    if (c->image->capabilities->basic >> BASIC_ANY_ERROR_CODE_SHIFT & 1)
        return true;
    return delivered == (event.vector < EXCEPTION_VECTORS && with_code >> event.vector & 1);
}

static bool length_allowed(const struct entry_checker *c)
{
    uint64_t length = entry_get(c, INDEX_ENTRY_INSTRUCTION_LENGTH);

    return length <= 15 && (length > 0 || c->image->capabilities->misc >> MISC_LENGTH_0_SHIFT & 1);
}

static void check_injection(struct entry_checker *c)
{
    const uint32_t reserved = 0x7ffff000;
    uint64_t info = entry_get(c, INDEX_ENTRY_INTERRUPTION_INFO);
    struct event event = event_of(c);

    if (!event.valid)
        return;
    entry_expect(c, INDEX_ENTRY_INTERRUPTION_INFO, type_allowed(c, event.type),
                 "the type (bits 10:8) must not be 1, nor 7 on a CPU without \"monitor trap flag\"");
    entry_expect(c, INDEX_ENTRY_INTERRUPTION_INFO, vector_allowed(event),
                 "the vector must be 2 for an NMI, at most 31 for a hardware exception, 0 for type 7");
    entry_expect(c, INDEX_ENTRY_INTERRUPTION_INFO, error_code_allowed(c, event, info & INTERRUPTION_ERROR_CODE),
                 "bit 11 must be 1 for an exception that has an error code, in protected mode, and only then");
    entry_expect(c, INDEX_ENTRY_INTERRUPTION_INFO, !(info & reserved), "bits 30:12 must be 0");
    entry_expect(c, INDEX_ENTRY_EXCEPTION_ERROR_CODE,
                 !(info & INTERRUPTION_ERROR_CODE) || !(entry_get(c, INDEX_ENTRY_EXCEPTION_ERROR_CODE) >> 16),
                 "bits 31:16 must be 0");
    entry_expect(c, INDEX_ENTRY_INSTRUCTION_LENGTH,
                 event.type < INTERRUPTION_SOFTWARE_INTERRUPT || event.type > INTERRUPTION_SOFTWARE_EXCEPTION ||
                     length_allowed(c),
                 "the length must be 1 to 15 for a software event (0 too where IA32_VMX_MISC bit 30 says so)");
}

void entry_check_entry_controls(struct entry_checker *c)
{
    c->section = "26.2.1.3";
    entry_expect(c, INDEX_ENTRY_CONTROLS,
                 entry_controls_allowed(entry_get(c, INDEX_ENTRY_CONTROLS), c->image->capabilities->entry),
                 "its bits must be as IA32_VMX_(TRUE_)ENTRY_CTLS allows");
    entry_expect(c, INDEX_ENTRY_CONTROLS, !entry_entry(c, ENTRY_TO_SMM | ENTRY_DEACTIVATE_DUAL_MONITOR),
                 "\"entry to SMM\" and \"deactivate dual-monitor treatment\" must be 0 outside SMM");
    check_injection(c);
    entry_expect_msr_area(c, INDEX_ENTRY_MSR_LOAD_COUNT, INDEX_ENTRY_MSR_LOAD_ADDRESS);
}

static bool activity_supported(const struct entry_checker *c, uint64_t activity)
{
    if (activity == ACTIVITY_ACTIVE)
        return true;
    return activity < ACTIVITIES && c->image->capabilities->misc >> (MISC_ACTIVITY_SHIFT + activity - 1) & 1;
}

static bool event_allowed_in(uint64_t activity, struct event event)
{
    bool exception = event.type == INTERRUPTION_HARDWARE_EXCEPTION;
    bool machine_check = exception && event.vector == VECTOR_MC, nmi = event.type == INTERRUPTION_NMI;

    switch (activity) {
    case ACTIVITY_HLT:
        return event.type == INTERRUPTION_EXTERNAL || nmi || machine_check ||
               (exception && event.vector == VECTOR_DB) || event.type == INTERRUPTION_OTHER;
    case ACTIVITY_SHUTDOWN:
        return nmi || machine_check;
    case ACTIVITY_WAIT_FOR_SIPI:
        return false;
    }
    return true;
}

static void check_activity(struct entry_checker *c)
{
    const uint64_t dpl = 3 << 5;
    uint64_t activity = entry_get(c, INDEX_GUEST_ACTIVITY);
    uint64_t blocking = entry_get(c, INDEX_GUEST_INTERRUPTIBILITY) & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS);
    struct event event = event_of(c);

    entry_expect(c, INDEX_GUEST_ACTIVITY, activity_supported(c, activity),
                 "the activity state must be one that IA32_VMX_MISC bits 8:6 allow");
    entry_expect(c, INDEX_GUEST_ACTIVITY,
                 activity != ACTIVITY_HLT || !(entry_get(c, INDEX_GUEST_SS_ACCESS_RIGHTS) & dpl),
                 "the activity state must not be HLT if SS.DPL is not 0");
    entry_expect(c, INDEX_GUEST_ACTIVITY, activity == ACTIVITY_ACTIVE || !blocking,
                 "the activity state must be active under blocking by STI or MOV SS");
    entry_expect(c, INDEX_GUEST_ACTIVITY, !event.valid || event_allowed_in(activity, event),
                 "the injected event must be one that can come in this activity state");
}

static void check_injection_blocked(struct entry_checker *c, uint64_t state)
{
    struct event event = event_of(c);
    bool external = event.valid && event.type == INTERRUPTION_EXTERNAL;
    bool nmi = event.valid && event.type == INTERRUPTION_NMI;

    entry_expect(c, INDEX_GUEST_INTERRUPTIBILITY, !external || !(state & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS)),
                 "blocking by STI and MOV SS must be 0 if an external interrupt is injected");
    entry_expect(c, INDEX_GUEST_INTERRUPTIBILITY, !nmi || !(state & BLOCKING_BY_MOV_SS),
                 "blocking by MOV SS must be 0 if an NMI is injected");
    entry_expect(c, INDEX_GUEST_INTERRUPTIBILITY, !nmi || !(state & BLOCKING_BY_STI),
                 "blocking by STI must be 0 if an NMI is injected (some CPUs demand it)");
    entry_expect(c, INDEX_GUEST_INTERRUPTIBILITY, !nmi || !entry_pin(c, PIN_VIRTUAL_NMIS) || !(state & BLOCKING_BY_NMI),
                 "blocking by NMI must be 0 if an NMI is injected with \"virtual NMIs\"");
}

static void check_interruptibility(struct entry_checker *c)
{
    const uint64_t both = BLOCKING_BY_STI | BLOCKING_BY_MOV_SS, reserved = 0xffffffe0;
    uint64_t state = entry_get(c, INDEX_GUEST_INTERRUPTIBILITY);

    entry_expect(c, INDEX_GUEST_INTERRUPTIBILITY, !(state & reserved), "bits 31:5 must be 0");
    entry_expect(c, INDEX_GUEST_INTERRUPTIBILITY, (state & both) != both,
                 "blocking by STI and by MOV SS must not both be 1");
    entry_expect(c, INDEX_GUEST_INTERRUPTIBILITY,
                 !(state & BLOCKING_BY_STI) || entry_get(c, INDEX_GUEST_RFLAGS) & RFLAGS_IF,
                 "blocking by STI must be 0 if RFLAGS.IF is 0");
    entry_expect(c, INDEX_GUEST_INTERRUPTIBILITY, !(state & BLOCKING_BY_SMI), "blocking by SMI must be 0 outside SMM");
    entry_expect(c, INDEX_GUEST_INTERRUPTIBILITY, !(state & ENCLAVE_INTERRUPTION) || !(state & BLOCKING_BY_MOV_SS),
                 "blocking by MOV SS must be 0 if enclave interruption is 1");
    check_injection_blocked(c, state);
}

/* Under such blocking, or halted, a single step that is due must be noted as pending, and none that is not due. */
static bool single_step_consistent(const struct entry_checker *c, uint64_t pending)
{
    uint64_t state = entry_get(c, INDEX_GUEST_INTERRUPTIBILITY) & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS);
    bool due = entry_get(c, INDEX_GUEST_RFLAGS) & RFLAGS_TF && !(entry_get(c, INDEX_GUEST_DEBUGCTL) & DEBUGCTL_BTF);

    if (!state && entry_get(c, INDEX_GUEST_ACTIVITY) != ACTIVITY_HLT)
        return true;
    return !(pending & PENDING_DEBUG_BS) == !due;
}

static void check_pending_debug(struct entry_checker *c)
{
    const uint64_t defined = 0xf | BIT(11) | PENDING_ENABLED_BREAKPOINT | PENDING_DEBUG_BS | PENDING_RTM;
    const uint64_t beside_rtm = PENDING_ENABLED_BREAKPOINT | PENDING_RTM;
    uint64_t pending = entry_get(c, INDEX_GUEST_PENDING_DEBUG);

    entry_expect(c, INDEX_GUEST_PENDING_DEBUG, !(pending & ~defined), "bits 63:17, 15, 13 and 10:4 must be 0");
    entry_expect(c, INDEX_GUEST_PENDING_DEBUG, single_step_consistent(c, pending),
                 "under blocking by STI or MOV SS or in HLT, BS (bit 14) must be 1 if RFLAGS.TF is 1 and "
                 "IA32_DEBUGCTL.BTF is 0, and else 0");
    entry_expect(c, INDEX_GUEST_PENDING_DEBUG, !(pending & PENDING_RTM) || pending == beside_rtm,
                 "bit 12 must be 1 and all others 0 if RTM (bit 16) is 1");
    entry_expect(c, INDEX_GUEST_INTERRUPTIBILITY,
                 !(pending & PENDING_RTM) || !(entry_get(c, INDEX_GUEST_INTERRUPTIBILITY) & BLOCKING_BY_MOV_SS),
                 "blocking by MOV SS must be 0 if a debug exception in an RTM region is pending");
}

void entry_check_guest_activity(struct entry_checker *c)
{
    c->section = "26.3.1.5";
    check_activity(c);
    check_interruptibility(c);
    check_pending_debug(c);
    if (entry_get(c, INDEX_VMCS_LINK_POINTER) != ~(uint64_t)0)
        entry_expect_page(c, INDEX_VMCS_LINK_POINTER);
}
