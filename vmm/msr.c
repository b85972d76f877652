/* MSRs: the default is through, without an exit. The table lists the others; it builds the bitmap and drives the
 * handlers. */
#include "arch/x86/exception.h"
#include "arch/x86/instr.h"
#include "arch/x86/lapic.h"
#include "arch/x86/regs.h"
#include "lib/log.h"
#include "vmm/apic_trap.h"
#include "vmm/guest_mtrr.h"
#include "vmm/vmm.h"

enum { XSS_PT = BIT(8) };

enum msr_policy {
    MSR_THROUGH,         /* the CPU's own answer */
    MSR_FEEDBACK_WRITE,  /* a table anywhere but in the block */
    MSR_FAULT,           /* #GP: as far as the guest knows there is no such MSR */
    MSR_DROP,            /* written without effect */
    MSR_LOCKED,          /* IA32_FEATURE_CONTROL: locked, without VMX and SMX; SGX and LMCE as they are */
    MSR_APIC_BASE_WRITE, /* any mode, but not another address */
    MSR_X2APIC_ICR_WRITE,
    MSR_MTRR,              /* the guest's own; Plinth keeps the machine's */
    MSR_XSS_WRITE,         /* any component but Intel PT's */
    MSR_PEBS_WRITE,        /* off in root mode */
    MSR_MISC_ENABLE_WRITE, /* but for what would change Plinth's own CPU */
};

struct msr_rule {
    uint32_t first, last;
    enum msr_policy read, write;
    const char *reason;
};

static const struct msr_rule rules[] = {
    {MSR_IA32_APIC_BASE, MSR_IA32_APIC_BASE, MSR_THROUGH, MSR_APIC_BASE_WRITE,
     "the APIC's page must not come to lie on the block"},
    {MSR_IA32_FEATURE_CONTROL, MSR_IA32_FEATURE_CONTROL, MSR_LOCKED, MSR_FAULT, "VMX is hidden"},
    {MSR_IA32_BIOS_UPDT_TRIG, MSR_IA32_BIOS_UPDT_TRIG, MSR_THROUGH, MSR_DROP,
     "the update's address would be read in root mode"},
    {MSR_IA32_SMM_MONITOR_CTL, MSR_IA32_SMM_MONITOR_CTL, MSR_FAULT, MSR_FAULT, "VMX is hidden"},
    {MSR_IA32_MTRR_PHYSBASE0, MSR_IA32_MTRR_PHYSBASE0 + 2 * MTRR_VARIABLE_MAX - 1, MSR_MTRR, MSR_MTRR,
     "the EPT holds the types"},
    {MSR_IA32_MTRR_FIX64K_00000, MSR_IA32_MTRR_FIX64K_00000, MSR_MTRR, MSR_MTRR, "the EPT holds the types"},
    {MSR_IA32_MTRR_FIX16K_80000, MSR_IA32_MTRR_FIX16K_80000 + 1, MSR_MTRR, MSR_MTRR, "the EPT holds the types"},
    {MSR_IA32_MTRR_FIX4K_C0000, MSR_IA32_MTRR_FIX4K_C0000 + 7, MSR_MTRR, MSR_MTRR, "the EPT holds the types"},
    {MSR_IA32_MTRR_DEF_TYPE, MSR_IA32_MTRR_DEF_TYPE, MSR_MTRR, MSR_MTRR, "the EPT holds the types"},
    {MSR_IA32_MISC_ENABLE, MSR_IA32_MISC_ENABLE, MSR_THROUGH, MSR_MISC_ENABLE_WRITE,
     "Plinth needs no-execute, and CPUID whole"},
    {MSR_IA32_PEBS_ENABLE, MSR_IA32_PEBS_ENABLE, MSR_THROUGH, MSR_PEBS_WRITE,
     "no sample may be written to Plinth's memory"},
    {MSR_IA32_VMX_BASIC, MSR_IA32_VMX_EXIT_CTLS2, MSR_FAULT, MSR_FAULT, "VMX is hidden"},
    {MSR_IA32_RTIT_OUTPUT_BASE, MSR_IA32_RTIT_ADDR3_B, MSR_FAULT, MSR_FAULT, "Intel PT is hidden"},
    {MSR_IA32_FRED_RSP0, MSR_IA32_FRED_CONFIG, MSR_FAULT, MSR_FAULT, "FRED is hidden"},
    {MSR_X2APIC_ICR, MSR_X2APIC_ICR, MSR_THROUGH, MSR_X2APIC_ICR_WRITE,
     "INIT and SIPI by message, while ap_start=icr needs it"},
    {MSR_IA32_TME_ACTIVATE, MSR_IA32_TME_ACTIVATE, MSR_THROUGH, MSR_FAULT,
     "as if locked: with a key in it, an address of the block would be another one"},
    {MSR_IA32_XSS, MSR_IA32_XSS, MSR_THROUGH, MSR_XSS_WRITE, "Intel PT is hidden, and XRSTORS could load its MSRs"},
    {MSR_IA32_HW_FEEDBACK_PTR, MSR_IA32_HW_FEEDBACK_PTR, MSR_THROUGH, MSR_FEEDBACK_WRITE,
     "the hardware writes its table past the EPT"},
};

/* The rules once more, by index, so that an exit needs no search. What lies above is for write_through(). */
struct policed {
    uint8_t read, write; /* enum msr_policy */
    uint8_t word;        /* MSR_MTRR: guest_mtrr_word() */
};
enum { POLICED_END = 0x1000 };
static struct policed policed[POLICED_END] __attribute__((section(".sealed")));

/* It is locked, so what it was at boot it is. */
static uint64_t feature_control __attribute__((section(".sealed")));

static struct policed police(const struct msr_rule *rule, uint32_t index)
{
    uint8_t word = guest_mtrr_word(index);

    if (rule->read == MSR_MTRR && !word)
        return (struct policed){MSR_THROUGH, MSR_THROUGH, 0}; /* not one that this CPU has */
    return (struct policed){(uint8_t)rule->read, (uint8_t)rule->write, word};
}

static void spread_rules(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(rules); i++)
        for (uint32_t index = rules[i].first; index <= rules[i].last && index < POLICED_END; index++)
            policed[index] = police(&rules[i], index);
}

void msr_init(void)
{
    spread_rules();
    feature_control = rdmsr(MSR_IA32_FEATURE_CONTROL) & ~(FEATURE_CONTROL_VMX | FEATURE_CONTROL_SMX);
    feature_control |= FEATURE_CONTROL_LOCK;
    for (unsigned i = 0; i < ARRAY_SIZE(rules); i++) {
        const struct msr_rule *rule = &rules[i];

        if (rule->write == MSR_X2APIC_ICR_WRITE)
            continue; /* apic_trap.c decides when */
        for (uint32_t index = rule->first; index <= rule->last; index++)
            virt_intercept_msr(index, rule->read != MSR_THROUGH, rule->write != MSR_THROUGH);
    }
}

void msr_log_ledger(void)
{
    static const char *const names[] = {
        [MSR_THROUGH] = "passed",
        [MSR_FAULT] = "#GP",
        [MSR_DROP] = "no effect",
        [MSR_LOCKED] = "locked, no VMX",
        [MSR_APIC_BASE_WRITE] = "passed but for the address",
        [MSR_X2APIC_ICR_WRITE] = "INIT and SIPI by message",
        [MSR_MTRR] = "virtual",
        [MSR_XSS_WRITE] = "passed but for bit 8",
        [MSR_PEBS_WRITE] = "in force in the guest only",
        [MSR_MISC_ENABLE_WRITE] = "bits 22 and 34 stay",
        [MSR_FEEDBACK_WRITE] = "passed but for the block",
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rules); i++)
        log_info("ledger: MSR %x-%x: read %s, write %s (%s)", rules[i].first, rules[i].last, names[rules[i].read],
                 names[rules[i].write], rules[i].reason);
    log_info("ledger: every other CPUID bit and MSR is the machine's own");
}

static inline struct policed find(uint32_t index)
{
    return likely(index < POLICED_END) ? policed[index] : (struct policed){MSR_THROUGH, MSR_THROUGH, 0};
}

static void report_apic_move(uint64_t value)
{
    uint32_t moves = ++vmm_cpu(cpu_this())->apic_moves;

    if (moves <= GUEST_REPORTS_MAX)
        log_warning("cpu%u: the guest may not move its APIC to %lx: #GP%s", cpu_this()->index, value,
                    moves == GUEST_REPORTS_MAX ? "; no more reports from this cpu" : "");
}

static bool write_apic_base(uint64_t value)
{
    uint64_t now = rdmsr(MSR_IA32_APIC_BASE);

    if (value == now)
        return true;
    if ((value ^ now) & ~APIC_BASE_FLAGS) {
        report_apic_move(value);
        return false;
    }
    return wrmsr_safe(MSR_IA32_APIC_BASE, value);
}

/* A CPU that has no such MSR, and an emulator, answer with #GP on the read. */
static bool write_misc_enable(uint64_t value)
{
    const uint64_t kept = MISC_ENABLE_LIMIT_CPUID | MISC_ENABLE_XD_DISABLE;
    uint64_t now;

    return rdmsr_safe(MSR_IA32_MISC_ENABLE, &now) && wrmsr_safe(MSR_IA32_MISC_ENABLE, (value & ~kept) | (now & kept));
}

/* Figure 10-28: bits that aren't there raise #GP, also where the register isn't what is written in the end. */
static bool write_x2apic_icr(uint64_t value)
{
    return !(value & X2APIC_ICR_RESERVED) && (apic_trap_x2apic_icr(value) || wrmsr_safe(MSR_X2APIC_ICR, value));
}

static bool read(struct policed msr, uint32_t index, uint64_t *value)
{
    switch ((enum msr_policy)msr.read) {
    case MSR_FAULT:
        return false;
    case MSR_LOCKED:
        *value = feature_control;
        return true;
    case MSR_MTRR:
        *value = *guest_mtrr(msr.word);
        return true;
    case MSR_THROUGH:
    case MSR_DROP:
    case MSR_APIC_BASE_WRITE:
    case MSR_X2APIC_ICR_WRITE:
    case MSR_XSS_WRITE:
    case MSR_PEBS_WRITE:
    case MSR_MISC_ENABLE_WRITE:
    case MSR_FEEDBACK_WRITE:
        break;
    }
    return rdmsr_safe(index, value);
}

enum exit_action msr_read(struct guest_regs *regs)
{
    uint32_t index = (uint32_t)regs->rcx;
    uint64_t value;

    if (!read(find(index), index, &value))
        return ACTION_GP;
    regs->rax = (uint32_t)value;
    regs->rdx = value >> 32;
    return ACTION_NEXT;
}

/* SDM vol. 3, "Hardware Feedback Interface": CPUID says how many pages the table has. */
static bool feedback_spares_block(uint64_t value)
{
    uint64_t start = ALIGN_DOWN(value, PAGE_SIZE), pages = (cpuid(6, 0).edx >> 8 & 0xf) + 1;

    return !range_overlaps((struct range){start, start + pages * PAGE_SIZE}, guest_ept->block);
}

/* With the one policy for an MSR above the table, in a function of its own: here it costs no policed write anything. */
static noinline bool write_through(uint32_t index, uint64_t value)
{
    return (index != MSR_IA32_HW_FEEDBACK_PTR || feedback_spares_block(value)) && wrmsr_safe(index, value);
}

static bool write(struct policed msr, uint32_t index, uint64_t value)
{
    switch ((enum msr_policy)msr.write) {
    case MSR_THROUGH:
        break;
    case MSR_DROP:
        return true;
    case MSR_FAULT:
    case MSR_LOCKED:
        return false;
    case MSR_APIC_BASE_WRITE:
        return write_apic_base(value);
    case MSR_X2APIC_ICR_WRITE:
        return write_x2apic_icr(value);
    case MSR_MTRR:
        return value == *guest_mtrr(msr.word) || guest_mtrr_write(index, value);
    case MSR_XSS_WRITE:
        if (value & XSS_PT)
            return false;
        break;
    case MSR_PEBS_WRITE:
        return vcpu_write_pebs_enable(value);
    case MSR_MISC_ENABLE_WRITE:
        return write_misc_enable(value);
    case MSR_FEEDBACK_WRITE:
        break;
    }
    return write_through(index, value);
}

enum exit_action msr_write(struct guest_regs *regs)
{
    uint32_t index = (uint32_t)regs->rcx;
    uint64_t value = regs->rdx << 32 | (uint32_t)regs->rax;

    return write(find(index), index, value) ? ACTION_NEXT : ACTION_GP;
}
