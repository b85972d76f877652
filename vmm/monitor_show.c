/* The monitor's commands that show something of this CPU or of all. */
#include "arch/x86/console.h"
#include "arch/x86/exception.h"
#include "arch/x86/mitigations.h"
#include "arch/x86/regs.h"
#include "arch/x86/serial.h"
#include "arch/x86/virt.h"
#include "lib/format.h"
#include "lib/log.h"
#include "lib/options.h"
#include "lib/string.h"
#include "mm/ept_dump.h"
#include "vmm/monitor.h"
#include "vmm/vmm.h"

enum { LOG_BYTES = 8192 };

static void show_segments(const struct vcpu_registers *r)
{
    static const char names[VCPU_SEGMENTS][5] = {"es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"};

    for (unsigned i = 0; i < VCPU_SEGMENTS; i++)
        monitor_say("  %-4s %04x base %016lx limit %08x rights %05x", names[i], r->segments[i].selector,
                    r->segments[i].base, r->segments[i].limit, r->segments[i].rights);
    monitor_say("  gdtr      base %016lx limit %04x", r->gdt_base, r->gdt_limit);
    monitor_say("  idtr      base %016lx limit %04x", r->idt_base, r->idt_limit);
}

static const char *activity_name(uint32_t activity)
{
    static const char names[][14] = {"active", "HLT", "shutdown", "wait-for-SIPI"};

    return activity < ARRAY_SIZE(names) ? names[activity] : "?";
}

static void show_registers(void)
{
    struct vcpu_registers r;
    const struct guest_regs *g = &r.general;

    vcpu_get_registers(&r);
    monitor_say("cpu%u: rip %04x:%016lx rflags %08lx cpl %u, %s, interrupts %s", cpu_this()->index,
                r.segments[VCPU_CS].selector, r.rip, r.rflags, vcpu_cpl(), activity_name(r.activity),
                r.rflags & RFLAGS_IF ? "on" : "off");
    monitor_say("  rax %016lx rbx %016lx rcx %016lx rdx %016lx", g->rax, g->rbx, g->rcx, g->rdx);
    monitor_say("  rsi %016lx rdi %016lx rbp %016lx rsp %016lx", g->rsi, g->rdi, g->rbp, r.rsp);
    monitor_say("  r8  %016lx r9  %016lx r10 %016lx r11 %016lx", g->r8, g->r9, g->r10, g->r11);
    monitor_say("  r12 %016lx r13 %016lx r14 %016lx r15 %016lx", g->r12, g->r13, g->r14, g->r15);
    monitor_say("  cr0 %lx cr2 %lx cr3 %lx cr4 %lx efer %lx dr7 %lx blocking %x", r.cr0, r.cr2, r.cr3, r.cr4, r.efer,
                r.dr7, r.interruptibility);
    show_segments(&r);
    monitor_show_code();
}

static void inject_nmi(void)
{
    vcpu_inject_nmi();
    monitor_say("cpu%u: NMI given to the guest", cpu_this()->index);
}

static void show_version(void)
{
    const char *name, *value;
    unsigned next = 0;
    bool any = options_changed(&options, &next, &name, &value);

    monitor_say("Plinth " PLINTH_VERSION ", %u CPUs; %s", cpu_count,
                any ? "options that aren't as by default:" : "all options are as by default");
    for (; any; any = options_changed(&options, &next, &name, &value))
        monitor_say("  %s=%s", name, value);
}

static void show_cpus(void)
{
    for (uint32_t i = 0; i < cpu_count; i++) {
        uint64_t exits = 0, e, t;

        for (uint32_t reason = 0; virt_statistics(i, reason, &e, &t); reason++)
            exits += e;
        monitor_say("cpu%u: APIC ID %u, %s, %lu exits", i, cpu_at(i)->apic_id, monitor_cpu_state(i), exits);
    }
}

static void show_memory(void)
{
    const struct pool *pool = guest_ept->table.pool;

    monitor_say("block %lx-%lx, %lu KiB; pool: %u of %u pages free", guest_ept->block.start, guest_ept->block.end,
                range_size(guest_ept->block) / KIB, pool_free_pages(pool), pool->pages);
}

static void show_ept(uint64_t address)
{
    uint64_t page = ALIGN_DOWN(address, PAGE_SIZE), next = page;
    char text[EPT_LINE_MAX];

    if (address >= ept_limit(guest_ept))
        monitor_say("error: %lx is beyond the guest's physical addresses, which end at %lx", address,
                    ept_limit(guest_ept));
    else if (range_contains(guest_ept->block, (struct range){page, page + PAGE_SIZE}))
        monitor_say("%lx: Plinth's block, no EPT entry", address);
    else if (!pgtable_lookup(&guest_ept->table, page).entry || !ept_dump_line(guest_ept, &next, text))
        monitor_say("%lx: not touched yet, no EPT entry", address);
    else
        monitor_say("%lx: %s", address, text);
}

static const char *walk_end(enum guest_walk_result result, const struct guest_walk *walk)
{
    if (result == GUEST_WALK_NON_CANONICAL)
        return "not canonical";
    return walk->error & FAULT_RESERVED ? "a reserved bit is set there" : "not mapped";
}

static void show_walk(uint64_t linear)
{
    struct guest_paging paging;
    struct guest_path path;
    struct guest_walk walk;
    enum guest_walk_result result;

    vcpu_paging(&paging);
    result = guest_walk_path(&paging, linear, GUEST_ANY, &path, &walk);
    for (unsigned i = 0; i < path.count; i++)
        monitor_say("cpu%u: level %u, entry at %lx: %016lx", cpu_this()->index, path.levels - i, path.address[i],
                    path.entry[i]);
    if (result != GUEST_WALK_OK) {
        monitor_say("error: %lx: %s", linear, walk_end(result, &walk));
        return;
    }
    monitor_say("cpu%u: %lx is physical %lx, in a page of %lu KiB%s; r%s%s%s", cpu_this()->index, linear, walk.physical,
                walk.page_size / KIB, path.levels ? "" : " (no paging)", path.levels && !path.writable ? "" : "w",
                path.no_execute ? "" : "x", path.user ? ", user" : "");
    show_ept(walk.physical);
}

static void show_mtrrs(void)
{
    const struct mtrr_state *m = &vmm_cpu(cpu_this())->mtrr;

    monitor_say("cpu%u: capability %lx, default type %lx", cpu_this()->index, m->capability, m->default_type);
    for (unsigned i = 0; i < MTRR_FIXED_COUNT; i++)
        monitor_say("  fixed %2u    %016lx", i, m->fixed[i]);
    for (unsigned i = 0; i < (m->capability & 0xff) && i < MTRR_VARIABLE_MAX; i++)
        monitor_say("  variable %2u base %016lx mask %016lx", i, m->variable[i].base, m->variable[i].mask);
}

static void show_msr(uint64_t index)
{
    uint64_t value;

    if (index > UINT32_MAX || !rdmsr_safe((uint32_t)index, &value))
        monitor_say("error: cpu%u has no MSR %lx", cpu_this()->index, index);
    else
        monitor_say("cpu%u: MSR %lx is %016lx (in root mode)", cpu_this()->index, index, value);
}

static void show_cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_result r = cpuid(leaf, subleaf);
    struct guest_regs g = {.rax = leaf, .rcx = subleaf};

    vmm_cpuid_special(&g);
    monitor_say("cpu%u: CPUID %x,%x: eax %08x ebx %08x ecx %08x edx %08x", cpu_this()->index, leaf, subleaf, r.eax,
                r.ebx, r.ecx, r.edx);
    monitor_say("       the guest's: eax %08x ebx %08x ecx %08x edx %08x", (uint32_t)g.rax, (uint32_t)g.rbx,
                (uint32_t)g.rcx, (uint32_t)g.rdx);
}

static void show_exits(uint32_t first, uint32_t last)
{
    uint64_t e, t;

    monitor_say("%-30s %12s %12s", "exit reason", "exits", "ticks each");
    for (uint32_t reason = 0; virt_statistics(first, reason, &e, &t); reason++) {
        uint64_t exits = 0, ticks = 0;

        for (uint32_t i = first; i <= last && virt_statistics(i, reason, &e, &t); i++) {
            exits += e;
            ticks += t;
        }
        if (exits)
            monitor_say("%-30s %12lu %12lu", virt_exit_name(reason) ? virt_exit_name(reason) : "?", exits,
                        ticks / exits);
    }
}

static void show_exits_of(const struct monitor_command *command)
{
    if (!command->value_count)
        show_exits(0, cpu_count - 1);
    else if (command->values[0] < cpu_count)
        show_exits((uint32_t)command->values[0], (uint32_t)command->values[0]);
    else
        monitor_say("error: there is no cpu%lu, the last is cpu%u", command->values[0], cpu_count - 1);
}

/* The newest lines of the log, whole ones. */
static void show_log(void)
{
    static char copy[LOG_BYTES + 1];
    size_t length = log_copy(copy, LOG_BYTES);
    const char *start = copy;

    copy[length] = '\0';
    if (length == LOG_BYTES && strchr(copy, '\n'))
        start = strchr(copy, '\n') + 1;
    serial_talk(start);
}

/* What the log says on its own account too, at a level that may not reach the serial line. */
static void show_by_log(enum monitor_verb verb)
{
    enum log_level before = console_set_serial_level(LOG_DEBUG);

    if (verb == MONITOR_INFO_MITIGATIONS) {
        mitigations_log();
    } else {
        cpuid_log_ledger();
        msr_log_ledger();
    }
    (void)console_set_serial_level(before);
}

void monitor_execute(const struct monitor_command *command)
{
    switch (command->verb) {
    case MONITOR_REGS:
        show_registers();
        break;
    case MONITOR_X:
        monitor_show_memory(command);
        break;
    case MONITOR_DUMP:
        monitor_dump_registers();
        break;
    case MONITOR_NMI:
        inject_nmi();
        break;
    case MONITOR_INFO_VERSION:
        show_version();
        break;
    case MONITOR_INFO_CPUS:
        show_cpus();
        break;
    case MONITOR_INFO_MEMORY:
        show_memory();
        break;
    case MONITOR_INFO_EPT:
        show_ept(command->values[0]);
        break;
    case MONITOR_INFO_WALK:
        show_walk(command->values[0]);
        break;
    case MONITOR_INFO_MTRR:
        show_mtrrs();
        break;
    case MONITOR_INFO_MSR:
        show_msr(command->values[0]);
        break;
    case MONITOR_INFO_CPUID:
        show_cpuid((uint32_t)command->values[0], (uint32_t)command->values[1]);
        break;
    case MONITOR_INFO_EXITS:
        show_exits_of(command);
        break;
    case MONITOR_INFO_MITIGATIONS:
    case MONITOR_INFO_LEDGER:
        show_by_log(command->verb);
        break;
    case MONITOR_INFO_LOG:
        show_log();
        break;
    case MONITOR_NOTHING:
    case MONITOR_HELP:
    case MONITOR_STOP:
    case MONITOR_STEP:
    case MONITOR_XP:
    case MONITOR_WATCH:
    case MONITOR_TRACE_ON:
    case MONITOR_TRACE_OFF:
    case MONITOR_TRACE_SHOW:
    case MONITOR_INFO_TICKS:
    case MONITOR_UNWATCH:
    case MONITOR_INFO_WATCH:
    case MONITOR_CONT:
    case MONITOR_POWEROFF:
    case MONITOR_RESET: /* monitor.c */
        break;
    }
}
