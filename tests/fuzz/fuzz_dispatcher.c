/*
 * The exit path on a fake machine of two CPUs: any sequence of exits that a CPU could make, in any mode of the guest.
 * After each the guest can be entered (every entry check of the SDM holds), RIP stands where it stood or one reported
 * length further, registers changed only if they are the result, no VMCS field was written that is none of the exit
 * path's business, the block is mapped nowhere, and Plinth stopped only for what it has no answer to.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fake/fake.h"
#include "tests/host/ept_world.h"
#include "tests/host/vmcs_images.h"

#include "arch/x86/cpu.h"
#include "arch/x86/vmx/exit_reasons.h"
#include "arch/x86/vmx/vcpu.h"
#include "lib/options.h"
#include "vmm/vmm.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EXITS_MAX = 24 };

struct input {
    const uint8_t *data;
    size_t size;
};

static uint64_t take(struct input *input, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes && input->size; i++, input->size--)
        value |= (uint64_t)*input->data++ << 8 * i;
    return value;
}

static bool one_of(struct input *input, unsigned n)
{
    return take(input, 1) % n == 0;
}

static const struct fake_setup setups[] = {
    {.ap_start = AP_START_ICR, .preemption_timer = true, .accessed_dirty = true, .invpcid = true},
    {.ap_start = AP_START_ICR, .on_crash = ON_CRASH_HALT, .l1d_flush = L1D_FLUSH_COND, .monitor_trap_flag = true},
    {.ap_start = AP_START_ICR_ALWAYS,
     .serial = true,
     .preemption_timer = true,
     .monitor_trap_flag = true,
     .statistics = STATISTICS_HISTOGRAM},
    {.ap_start = AP_START_WAIT, .preemption_timer = true, .l1d_flush = L1D_FLUSH_ALWAYS},
    {.ap_start = AP_START_WAIT, .monitor_trap_flag = true, .invpcid = true, .statistics = STATISTICS_OFF},
    {.ap_start = AP_START_ICR, .preemption_timer = true, .pool_pages = 24},
};

/* ---- what the guest has done until the exit ---- */

static bool is_guest_field(enum vmcs_index i)
{
    return (vmcs_field_encoding(i) >> 10 & 3) == 2 && i != INDEX_VMCS_LINK_POINTER && i != INDEX_PREEMPTION_TIMER_VALUE;
}

static const uint64_t edges[] = {
    0, 0xfffe, 0xffff, 0x7ffffffe, 0xfffffffe, 0xffffffff, 0x7fffffffffff, 0xffff800000000000, ~UINT64_C(0)};

static bool is_64bit(void)
{
    return *fake_field(INDEX_ENTRY_CONTROLS) & ENTRY_IA32E_MODE_GUEST &&
           *fake_field(INDEX_GUEST_CS_ACCESS_RIGHTS) & BIT(13);
}

static void take_rip(struct input *input)
{
    uint64_t rip = one_of(input, 2) ? edges[take(input, 1) % ARRAY_SIZE(edges)] - take(input, 1) % 4 : take(input, 6);

    if (is_64bit())
        *fake_field(INDEX_GUEST_RIP) = (uint64_t)((int64_t)(rip << 16) >> 16);
    else
        *fake_field(INDEX_GUEST_RIP) = (uint32_t)rip;
}

/* Another mode: what 27.3 saves of it */
static void take_mode(struct input *input)
{
    static void (*const makers[])(struct entry_image *) = {make_long_mode, make_real_mode, make_protected_mode,
                                                           make_virtual_8086};
    struct entry_image image;

    makers[take(input, 1) % ARRAY_SIZE(makers)](&image);
    for (enum vmcs_index i = 0; i < VMCS_FIELDS; i++)
        if (is_guest_field(i))
            *fake_field(i) = image.value[i];
    *fake_field(INDEX_ENTRY_CONTROLS) &= ~(uint64_t)ENTRY_IA32E_MODE_GUEST;
    *fake_field(INDEX_ENTRY_CONTROLS) |= image.value[INDEX_ENTRY_CONTROLS] & ENTRY_IA32E_MODE_GUEST;
}

/* Flags, shadows and pending debug exceptions that go together (26.3.1.5) */
static void take_flags(struct input *input)
{
    const uint64_t free = RFLAGS_TF | RFLAGS_IF | RFLAGS_RF | BIT(18) | 0xcd5;
    uint64_t rflags = (*fake_field(INDEX_GUEST_RFLAGS) & ~free) | (take(input, 3) & free);
    uint64_t blocking = take(input, 1) & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS | BLOCKING_BY_NMI), pending = 0;

    if (blocking & BLOCKING_BY_MOV_SS || !(rflags & RFLAGS_IF))
        blocking &= ~(uint64_t)BLOCKING_BY_STI;
    *fake_field(INDEX_GUEST_DEBUGCTL) = one_of(input, 4) ? 2 : 0;
    if (blocking & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS) && rflags & RFLAGS_TF && !*fake_field(INDEX_GUEST_DEBUGCTL))
        pending = BIT(14);
    *fake_field(INDEX_GUEST_RFLAGS) = rflags;
    *fake_field(INDEX_GUEST_INTERRUPTIBILITY) = blocking;
    *fake_field(INDEX_GUEST_PENDING_DEBUG) = pending;
}

static bool is_stepping(void)
{
    return cpu_this()->vcpu->step != STEP_NONE;
}

static void take_guest(struct input *input)
{
    uint64_t *regs = (uint64_t *)cpu_this()->frame;

    for (unsigned i = 0; i < sizeof(struct guest_regs) / 8; i++)
        if (one_of(input, 4))
            regs[i] = take(input, 8);
    if (is_stepping())
        return; /* one instruction, by which little changes */
    *fake_field(INDEX_GUEST_ACTIVITY) = 0;
    if (one_of(input, 4))
        take_mode(input);
    if (one_of(input, 2))
        take_flags(input);
    take_rip(input);
}

/* ---- the exit ---- */

/* An event whose delivery the exit has interrupted (24.9.3), as hardware would report it */
static uint32_t take_vectoring(struct input *input)
{
    static const uint32_t events[] = {0x80000020, 0x80000202, 0x80000301, 0x80000306,
                                      0x80000480, 0x80000603, 0x80000b0e};
    uint32_t event = events[take(input, 1) % ARRAY_SIZE(events)];

    if (!one_of(input, 3) || (cpu_this()->vcpu->step == STEP_TRAP_FLAG && event != 0x80000480))
        return 0; /* a step holds off all else */
    if (event & INTERRUPTION_ERROR_CODE && !(*fake_field(INDEX_GUEST_CR0) & CR0_PE))
        event &= ~(uint32_t)INTERRUPTION_ERROR_CODE;
    return event;
}

/* No shadow outlives the beginning of a delivery, and it needed IF or began NMI blocking. */
static void set_vectoring(struct input *input)
{
    uint32_t event = take_vectoring(input);

    *fake_field(INDEX_IDT_VECTORING_INFO) = event;
    *fake_field(INDEX_IDT_VECTORING_ERROR_CODE) = take(input, 2) & 0xfff8;
    if (!event)
        return;
    *fake_field(INDEX_GUEST_INTERRUPTIBILITY) &= ~(uint64_t)(BLOCKING_BY_STI | BLOCKING_BY_MOV_SS);
    *fake_field(INDEX_GUEST_PENDING_DEBUG) = 0;
    if ((event & INTERRUPTION_TYPE) == INTERRUPTION_EXTERNAL)
        *fake_field(INDEX_GUEST_RFLAGS) |= RFLAGS_IF;
    if ((event & INTERRUPTION_TYPE) == INTERRUPTION_NMI)
        *fake_field(INDEX_GUEST_INTERRUPTIBILITY) |= BLOCKING_BY_NMI;
}

static uint64_t take_address(struct input *input)
{
    uint64_t offset = take(input, 2);

    switch (take(input, 1) % 6) {
    case 0:
        return fake_block.start + (offset << 5);
    case 1:
        return 0xfee00000 + (offset & 0xfff);
    case 2:
        return 4 * GIB + (offset << 24);
    case 3:
        return fake_block.start - PAGE_SIZE + offset;
    case 4:
        return take(input, 6);
    }
    return offset << 16;
}

static void exit_memory(struct input *input)
{
    *fake_field(INDEX_EXIT_QUALIFICATION) = take(input, 2) & 0x1fff;
    *fake_field(INDEX_GUEST_PHYSICAL_ADDRESS) = take_address(input);
    set_vectoring(input);
}

/* While stepping all exceptions exit; at other times only NMIs do. */
static void exit_exception(struct input *input)
{
    static const uint32_t exceptions[] = {0x80000301, 0x80000306, 0x80000b0d, 0x80000b0e,
                                          0x80000603, 0x80000b08, 0x80000312};
    uint32_t info = 0x80000202;

    if (*fake_field(INDEX_EXCEPTION_BITMAP) && !one_of(input, 4))
        info = exceptions[take(input, 1) % ARRAY_SIZE(exceptions)];
    if (!(*fake_field(INDEX_GUEST_CR0) & CR0_PE))
        info &= ~(uint32_t)INTERRUPTION_ERROR_CODE;
    *fake_field(INDEX_EXIT_INTERRUPTION_INFO) = info;
    *fake_field(INDEX_EXIT_INTERRUPTION_ERROR_CODE) = take(input, 1) << 3;
    *fake_field(INDEX_EXIT_QUALIFICATION) = one_of(input, 2) ? BIT(14) : take(input, 2) & 0xe00f;
    if (info == 0x80000202 && !is_stepping() && one_of(input, 4) &&
        !(*fake_field(INDEX_GUEST_SS_ACCESS_RIGHTS) & 0x60) && !(*fake_field(INDEX_GUEST_INTERRUPTIBILITY) & 3)) {
        *fake_field(INDEX_GUEST_ACTIVITY) = 1; /* it halted */
        *fake_field(INDEX_GUEST_RFLAGS) &= ~RFLAGS_TF;
        *fake_field(INDEX_GUEST_PENDING_DEBUG) = 0;
    }
}

static const uint32_t msrs[] = {0x1b,  0x3a,  0x79,  0x9b,  0xfe,  0x174,  0x1a0,      0x200,     0x201, 0x20f,
                                0x250, 0x258, 0x26f, 0x277, 0x2ff, 0x38f,  0x3f1,      0x480,     0x493, 0x560,
                                0x587, 0x802, 0x830, 0xda0, 0xfff, 0x1000, 0xc0000080, 0xc0000101};

static void exit_msr(struct input *input)
{
    struct guest_regs *regs = cpu_this()->frame;

    regs->rcx = one_of(input, 8) ? take(input, 4) : msrs[take(input, 1) % ARRAY_SIZE(msrs)];
    if (one_of(input, 2))
        return;
    regs->rax = take(input, 4);
    regs->rdx = take(input, 1);
    if (regs->rcx == 0x1b && one_of(input, 2))
        regs->rax = 0xfee00900 | (regs->rax & 0x400);
    if (regs->rcx == 0x830) { /* INIT and SIPI to the other CPU, to all */
        regs->rax = (take(input, 1) & 1 ? 0x4500 : 0x4600) | (regs->rax & 0xc00ff);
        regs->rdx = take(input, 1) & 3;
    }
}

static const uint32_t leaves[] = {0,          1,          7,          0xd,        0x14,       0x16,
                                  0x17,       0x40000000, 0x40000001, 0x4001000a, 0x4001ffff, 0x400200a2,
                                  0x4002ffff, 0x4fffffff, 0x80000001, ~0u};

static void exit_cpuid(struct input *input)
{
    struct guest_regs *regs = cpu_this()->frame;

    regs->rax = leaves[take(input, 1) % ARRAY_SIZE(leaves)];
    regs->rcx = one_of(input, 2) ? take(input, 1) : ~UINT64_C(0);
}

/* Tables 27-5, of 1, 2 or 4 bytes, and 27-8 */
static void exit_port(struct input *input)
{
    static const uint8_t sizes[] = {0, 1, 3};

    *fake_field(INDEX_EXIT_QUALIFICATION) =
        (0x3f0 + take(input, 1) % 24) << 16 | (take(input, 1) & 0x78) | sizes[take(input, 1) % ARRAY_SIZE(sizes)];
    *fake_field(INDEX_EXIT_INSTRUCTION_INFO) = take(input, 1) % 3 << 7 | take(input, 1) % 6 << 15;
}

static const uint16_t reasons[] = {
    EXIT_CPUID,
    EXIT_RDMSR,
    EXIT_WRMSR,
    EXIT_WRMSR,
    EXIT_EPT_VIOLATION,
    EXIT_EPT_VIOLATION,
    EXIT_EPT_VIOLATION,
    EXIT_EXCEPTION_OR_NMI,
    EXIT_EXCEPTION_OR_NMI,
    EXIT_XSETBV,
    EXIT_CR_ACCESS,
    EXIT_VMCALL,
    EXIT_VMREAD,
    EXIT_INVD,
    EXIT_TASK_SWITCH,
    EXIT_INIT,
    EXIT_NMI_WINDOW,
    EXIT_PREEMPTION_TIMER,
    EXIT_TRIPLE_FAULT,
    EXIT_IO_INSTRUCTION,
    EXIT_MONITOR_TRAP_FLAG,
};

static bool is_possible(uint32_t reason)
{
    if (reason == EXIT_SIPI)
        return false;
    if (reason == EXIT_NMI_WINDOW)
        return *fake_field(INDEX_PRIMARY_CONTROLS) & PRIMARY_NMI_WINDOW_EXITING;
    if (reason == EXIT_PREEMPTION_TIMER)
        return *fake_field(INDEX_PIN_BASED_CONTROLS) & PIN_PREEMPTION_TIMER;
    if (reason == EXIT_MONITOR_TRAP_FLAG)
        return *fake_field(INDEX_PRIMARY_CONTROLS) & PRIMARY_MONITOR_TRAP_FLAG;
    return true;
}

static uint32_t take_reason(struct input *input)
{
    uint32_t reason = one_of(input, 16) ? (uint32_t)take(input, 4) : reasons[take(input, 1) % ARRAY_SIZE(reasons)];

    if (*fake_field(INDEX_GUEST_ACTIVITY) == 3)
        return EXIT_SIPI;
    return is_possible(reason & EXIT_REASON_BASIC) ? reason : EXIT_CPUID;
}

static uint32_t make_exit(struct input *input)
{
    uint32_t reason = fake_cpus[fake_current].nmi_pending ? EXIT_EXCEPTION_OR_NMI : take_reason(input);

    *fake_field(INDEX_EXIT_REASON) = reason;
    *fake_field(INDEX_IDT_VECTORING_INFO) = 0;
    *fake_field(INDEX_EXIT_INTERRUPTION_INFO) = 0;
    *fake_field(INDEX_EXIT_QUALIFICATION) = take(input, 4);
    if (reason == EXIT_SIPI)
        return reason;
    take_guest(input);
    *fake_field(INDEX_EXIT_INSTRUCTION_LENGTH) = 1 + take(input, 1) % 15;
    if (fake_cpus[fake_current].nmi_pending)
        *fake_field(INDEX_EXIT_INTERRUPTION_INFO) = 0x80000202;
    else if (reason == EXIT_EPT_VIOLATION)
        exit_memory(input);
    else if (reason == EXIT_EXCEPTION_OR_NMI)
        exit_exception(input);
    else if (reason == EXIT_RDMSR || reason == EXIT_WRMSR)
        exit_msr(input);
    else if ((reason & EXIT_REASON_BASIC) == EXIT_IO_INSTRUCTION)
        exit_port(input);
    else if (reason == EXIT_CPUID)
        exit_cpuid(input);
    else if (reason == EXIT_TASK_SWITCH)
        set_vectoring(input);
    return reason;
}

/* ---- what must hold afterwards ---- */

struct before {
    uint32_t reason;
    uint64_t rip, length, qualification;
    bool wide, stepping;
    struct guest_regs regs;
    uint64_t exits;
};

static noreturn void broken(const struct before *before, const char *what)
{
    fprintf(stderr, "after reason %x on cpu%u: %s\n", before->reason, fake_current, what);
    abort();
}

static void check_entry(const struct before *before)
{
    const char *fault = fake_entry_fault();

    if (fault)
        broken(before, fault);
}

/* INIT and SIPI, by hardware or by message, make all registers new. */
static bool is_reset(void)
{
    return (*fake_field(INDEX_GUEST_RIP) == 0xfff0 && *fake_field(INDEX_GUEST_CS_BASE) == 0xffff0000) ||
           (!*fake_field(INDEX_GUEST_RIP) && !(*fake_field(INDEX_GUEST_CR0) & CR0_PE)) ||
           *fake_field(INDEX_GUEST_ACTIVITY) == 3;
}

static bool is_skipped(uint32_t reason)
{
    return reason == EXIT_CPUID || reason == EXIT_RDMSR || reason == EXIT_WRMSR || reason == EXIT_XSETBV ||
           reason == EXIT_INVD || reason == EXIT_IO_INSTRUCTION || reason == EXIT_MWAIT;
}

/* INS and OUTS with REP are executed again until RCX is 0. */
static bool goes_on(const struct before *before)
{
    const uint64_t string = 1 << 4, repeat = 1 << 5;

    return before->reason == EXIT_IO_INSTRUCTION && before->qualification & string && before->qualification & repeat;
}

static void check_rip(const struct before *before)
{
    uint64_t rip = *fake_field(INDEX_GUEST_RIP), next = before->rip + before->length;
    bool injected = *fake_field(INDEX_ENTRY_INTERRUPTION_INFO) & INTERRUPTION_VALID;

    if (!before->wide)
        next = (uint32_t)next;
    if (rip == before->rip && (!is_skipped(before->reason) || injected || goes_on(before)))
        return;
    if (rip == next && is_skipped(before->reason))
        return;
    if (!is_reset())
        broken(before, "RIP stands elsewhere");
}

/* IN: RAX; INS and OUTS: what they address by, and REP's count */
static void forgive_port(const struct before *before, struct guest_regs *now)
{
    const uint64_t in = 1 << 3, string = 1 << 4, repeat = 1 << 5;

    if (!(before->qualification & string)) {
        now->rax = before->regs.rax;
        return;
    }
    if (before->qualification & in)
        now->rdi = before->regs.rdi;
    else
        now->rsi = before->regs.rsi;
    if (before->qualification & repeat)
        now->rcx = before->regs.rcx;
}

static void check_registers(const struct before *before)
{
    struct guest_regs now = *cpu_this()->frame;
    bool cpuid = before->reason == EXIT_CPUID, rdmsr = before->reason == EXIT_RDMSR;

    if (is_reset())
        return;
    if (before->reason == EXIT_IO_INSTRUCTION)
        forgive_port(before, &now);
    if (cpuid || rdmsr) {
        now.rax = before->regs.rax;
        now.rdx = before->regs.rdx;
    }
    if (cpuid) {
        now.rbx = before->regs.rbx;
        now.rcx = before->regs.rcx;
    }
    if (memcmp(&now, &before->regs, sizeof(now)) != 0)
        broken(before, "a register changed that isn't its result");
}

static const enum vmcs_index may_be_written[] = {
    INDEX_EPT_POINTER,
    INDEX_PIN_BASED_CONTROLS,
    INDEX_PRIMARY_CONTROLS,
    INDEX_EXCEPTION_BITMAP,
    INDEX_ENTRY_CONTROLS,
    INDEX_ENTRY_INTERRUPTION_INFO,
    INDEX_ENTRY_EXCEPTION_ERROR_CODE,
    INDEX_ENTRY_INSTRUCTION_LENGTH,
    INDEX_CR0_SHADOW,
    INDEX_CR4_SHADOW,
    INDEX_HOST_RIP,
    INDEX_EXIT_MSR_LOAD_COUNT,
    INDEX_EXIT_MSR_LOAD_ADDRESS,
    INDEX_ENTRY_MSR_LOAD_COUNT,
    INDEX_ENTRY_MSR_LOAD_ADDRESS,
    INDEX_PREEMPTION_TIMER_VALUE,
};

static bool writable[VMCS_FIELDS];

static void check_writes(const struct before *before)
{
    for (enum vmcs_index i = 0; i < VMCS_FIELDS; i++)
        if (fake_cpus[fake_current].written[i] && !writable[i])
            broken(before, vmcs_field_name(i));
}

/* What is taken for a step is there for a step only. */
static void check_step(const struct before *before)
{
    bool stepping = *fake_field(INDEX_HOST_RIP) == (uint64_t)vmx_step_exit_entry;

    if (stepping != is_stepping())
        broken(before, "HOST_RIP doesn't say whether this is a step");
    if (*fake_field(INDEX_EXCEPTION_BITMAP) != (cpu_this()->vcpu->step == STEP_TRAP_FLAG ? 0xffffffff : 0))
        broken(before, "the exception bitmap");
    if (!(*fake_field(INDEX_PIN_BASED_CONTROLS) & PIN_PREEMPTION_TIMER) !=
        (cpu_this()->vcpu->step != STEP_PREEMPTION_TIMER && !cpu_this()->vcpu->polls))
        broken(before, "the preemption timer");
}

/* The tree that the CPU walks leads nowhere into the block but to this CPU's scratch page. */
static void check_block(const struct before *before)
{
    const struct ept *ept = fake_ept();
    const uint64_t *root = entries_of(&ept->table, *fake_field(INDEX_EPT_POINTER));
    uint64_t scratch = vmm_cpu(cpu_this())->detour.scratch_physical;
    const uint64_t size = fake_block.end - fake_block.start;

    for (uint64_t offset = 0; offset < size; offset += size / 4) {
        uint64_t shared = translate(ept, ept->table.root, fake_block.start + offset);
        uint64_t seen = translate(ept, root, fake_block.start + offset);

        if (shared & EPT_ALL || (seen & EPT_ALL && (seen & ENTRY_ADDRESS) != scratch))
            broken(before, "the block is mapped");
    }
}

/* Exits of the reason on this CPU, as the guest may read them; buckets and counters alike. */
static uint64_t exits_of(uint32_t reason)
{
    uint64_t exits, ticks;

    return virt_statistics(fake_current, reason, &exits, &ticks) ? exits : 0;
}

/* Each exit is counted once, on its CPU. */
static void check_count(const struct before *before)
{
    uint32_t reason = (uint32_t)*fake_field(INDEX_EXIT_REASON); /* with flags in it, it is no reason that is counted */
    uint64_t more = reason < EXIT_REASONS && options.statistics != STATISTICS_OFF;

    if (exits_of(reason) != before->exits + more)
        broken(before, "its count");
}

static bool may_crash(const struct before *before)
{
    switch (before->reason) {
    case EXIT_CPUID:
    case EXIT_RDMSR:
    case EXIT_WRMSR:
    case EXIT_XSETBV:
    case EXIT_VMCALL:
    case EXIT_VMREAD:
    case EXIT_INVD:
    case EXIT_TASK_SWITCH:
    case EXIT_EXCEPTION_OR_NMI:
    case EXIT_NMI_WINDOW:
    case EXIT_INIT:
    case EXIT_SIPI:
    case EXIT_IO_INSTRUCTION:
        return false;
    case EXIT_EPT_VIOLATION:
    case EXIT_PREEMPTION_TIMER:
    case EXIT_MWAIT:
        return false;
    case EXIT_MONITOR_TRAP_FLAG:
        return !before->stepping;
    case EXIT_TRIPLE_FAULT:
        return options.on_crash != ON_CRASH_RESET;
    }
    return true;
}

static void check(const struct before *before, enum fake_end end)
{
    switch (end) {
    case FAKE_RETURNED:
        break;
    case FAKE_CRASHED:
        if (!may_crash(before))
            broken(before, fake_end_text());
        return;
    case FAKE_RESET:
        if (before->reason != EXIT_TRIPLE_FAULT)
            broken(before, fake_end_text());
        return;
    case FAKE_PARKED:
        return;
    case FAKE_LAUNCHED:
    case FAKE_HALTED:
        broken(before, "it didn't come back");
    }
    check_count(before);
    check_entry(before);
    if (before->reason != EXIT_TASK_SWITCH) {
        check_rip(before);
        check_registers(before);
    }
    check_writes(before);
    check_step(before);
    check_block(before);
}

/* ---- */

static bool one_exit(struct input *input)
{
    uint32_t reason = make_exit(input);
    struct before before = {reason & EXIT_REASON_ENTRY_FAILURE ? reason : reason & EXIT_REASON_BASIC,
                            *fake_field(INDEX_GUEST_RIP),
                            *fake_field(INDEX_EXIT_INSTRUCTION_LENGTH),
                            *fake_field(INDEX_EXIT_QUALIFICATION),
                            is_64bit(),
                            is_stepping(),
                            *cpu_this()->frame,
                            exits_of(reason)};
    enum fake_end end = fake_exit();

    check(&before, end);
    return end == FAKE_RETURNED || end == FAKE_PARKED;
}

/* CPU 1, if it waits and was sent something; else it stays where it is. */
static void wake_parked(void)
{
    unsigned current = fake_current;

    for (unsigned i = 0; i < FAKE_CPUS; i++)
        if (fake_cpus[i].waits && cpu_at(i)->slow_work)
            (void)fake_start_parked(i);
    fake_current = current;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    for (enum vmcs_index i = 0; i < VMCS_FIELDS; i++)
        writable[i] = is_guest_field(i);
    for (unsigned i = 0; i < ARRAY_SIZE(may_be_written); i++)
        writable[may_be_written[i]] = true;
    fake_boot_all(setups, ARRAY_SIZE(setups));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};

    fake_choose((unsigned)take(&input, 1) % ARRAY_SIZE(setups));
    for (unsigned i = 0; i < EXITS_MAX && (i == 0 || input.size); i++) {
        fake_current = one_of(&input, 3) ? 1 : 0;
        if (!fake_cpus[fake_current].in_guest)
            fake_current = !fake_current;
        if (!fake_cpus[fake_current].in_guest)
            break;
        if (!one_exit(&input))
            break;
        wake_parked();
    }
    return 0;
}
