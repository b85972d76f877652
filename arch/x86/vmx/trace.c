/*
 * The exits' trace, by a HOST_RIP of its own: with trace=off nothing of this is on the exit path.
 * Each CPU writes its own pages; whoever reads may do so while it runs.
 */
#include "arch/x86/vmx/trace.h"

#include "arch/x86/clock.h"
#include "arch/x86/instr.h"
#include "arch/x86/vmx/exit_reasons.h"
#include "arch/x86/vmx/vcpu.h"
#include "arch/x86/vmx/vmcs.h"
#include "lib/format.h"
#include "lib/log.h"
#include "lib/options.h"
#include "lib/string.h"

/* One exit (trace=on). The words are what tells most: the guest-physical address of an EPT violation, else RAX; RCX. */
struct trace_entry {
    uint64_t tsc; /* when it came; 0: not whole yet */
    uint32_t reason, ticks;
    uint64_t rip, qualification, words[2];
};
enum {
    RING_PAGES = 4,
    ENTRIES_A_PAGE = PAGE_SIZE / sizeof(struct trace_entry),
    RING_ENTRIES = RING_PAGES * ENTRIES_A_PAGE,
    NAME_MAX = 32,
};

struct vmx_trace {
    uint64_t next; /* entries ever written */
    struct trace_entry *ring[RING_PAGES];
};

static uint8_t wanted[EXIT_REASONS]; /* by the option */
static bool enabled;

static bool is_on(void)
{
    return options.trace[0] != '\0' && strcmp(options.trace, "off") != 0;
}

uint32_t vmx_trace_pages(void)
{
    return is_on() ? 1 + RING_PAGES : 0;
}

const char *vmx_trace_entry(void)
{
    return is_on() ? vmx_exit_entry_traced : NULL;
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static bool is_named(const char *name, const char *word, size_t length)
{
    if (strlen(name) != length)
        return false;
    for (size_t i = 0; i < length; i++)
        if (upper(word[i]) != name[i])
            return false;
    return true;
}

/* A word of the option: a reason by its name, in small letters or capitals. */
static bool want(const char *word, size_t length)
{
    bool found = false;

    for (uint32_t reason = 0; reason < EXIT_REASONS; reason++) {
        if (virt_exit_name(reason) && is_named(virt_exit_name(reason), word, length)) {
            wanted[reason] = 1;
            found = true;
        }
    }
    return found;
}

void vmx_trace_init(void)
{
    const char *at = options.trace, *end;
    bool any = false;

    if (!is_on())
        return;
    enabled = true;
    log_info("trace: tsc %lu kHz", clock_tsc_khz()); /* so that tools/plinth-trace can read a crash report's entries */
    for (; *at != '\0'; at = *end ? end + 1 : end) {
        end = strchr(at, ',') ? strchr(at, ',') : at + strlen(at);
        if (is_named("ON", at, (size_t)(end - at)))
            continue;
        if (want(at, (size_t)(end - at)))
            any = true;
        else
            log_warning("option trace: \"%.*s\" is no exit reason: use names as info exits shows them", (int)(end - at),
                        at);
    }
    if (!any)
        memset(wanted, 1, sizeof(wanted));
}

bool vmx_trace_start_cpu(struct vcpu *vcpu, struct error *error)
{
    struct vmx_trace *trace;

    if (!is_on())
        return true;
    trace = pool_get(vmx.pool);
    for (unsigned i = 0; trace && i < RING_PAGES; i++)
        if (!(trace->ring[i] = pool_get(vmx.pool)))
            trace = NULL;
    vcpu->trace = trace;
    return trace || fail(error, "Memory: no pages for the trace of cpu%u: report this as a defect", cpu_this()->index);
}

static struct trace_entry *slot(const struct vmx_trace *trace, uint64_t number)
{
    uint32_t at = (uint32_t)(number % RING_ENTRIES);

    return &trace->ring[at / ENTRIES_A_PAGE][at % ENTRIES_A_PAGE];
}

static void keep(struct vmx_trace *trace, const struct trace_entry *entry)
{
    struct trace_entry *to = slot(trace, trace->next);

    __atomic_store_n(&to->tsc, 0, __ATOMIC_RELEASE); /* not whole */
    to->reason = entry->reason;
    to->ticks = entry->ticks;
    to->rip = entry->rip;
    to->qualification = entry->qualification;
    to->words[0] = entry->words[0];
    to->words[1] = entry->words[1];
    __atomic_store_n(&to->tsc, entry->tsc, __ATOMIC_RELEASE);
    __atomic_store_n(&trace->next, trace->next + 1, __ATOMIC_RELEASE);
}

void vmx_exit_traced(struct guest_regs *regs)
{
    struct trace_entry entry = {.tsc = rdtsc(),
                                .reason = vmread32(VMCS_EXIT_REASON),
                                .rip = vmread_natural(VMCS_GUEST_RIP),
                                .qualification = vmread_natural(VMCS_EXIT_QUALIFICATION),
                                .words = {regs->rax, regs->rcx}};
    struct vmx_trace *trace = cpu_this()->vcpu->trace;

    if (entry.reason == EXIT_EPT_VIOLATION)
        entry.words[0] = vmread64(VMCS_GUEST_PHYSICAL_ADDRESS);
    vmx_exit_any(regs);
    entry.ticks = (uint32_t)(rdtsc() - entry.tsc);
    if (entry.reason < EXIT_REASONS && wanted[entry.reason] && __atomic_load_n(&enabled, __ATOMIC_RELAXED))
        keep(trace, &entry);
}

bool virt_trace_set(bool on)
{
    __atomic_store_n(&enabled, on, __ATOMIC_RELAXED);
    return is_on();
}

static bool get(uint32_t cpu, uint64_t number, struct trace_entry *out)
{
    const struct trace_entry *from;

    if (cpu >= cpu_count || !cpu_at(cpu)->vcpu || !cpu_at(cpu)->vcpu->trace)
        return false;
    from = slot(cpu_at(cpu)->vcpu->trace, number);
    *out = *(const volatile struct trace_entry *)from;
    return out->tsc && out->tsc == __atomic_load_n(&from->tsc, __ATOMIC_ACQUIRE);
}

bool virt_trace_text(uint32_t cpu, uint64_t number, char text[VIRT_TRACE_TEXT])
{
    struct trace_entry e;

    if (!get(cpu, number, &e))
        return false;
    format_text(text, VIRT_TRACE_TEXT,
                "trace: cpu%u entry %lu tsc %lu ticks %u %s rip %lx qualification %lx words %lx %lx", cpu, number,
                e.tsc, e.ticks, vmx_exit_name(e.reason), e.rip, e.qualification, e.words[0], e.words[1]);
    return true;
}

void virt_trace_range(uint32_t cpu, uint64_t *first, uint64_t *end)
{
    *first = *end = 0;
    if (cpu >= cpu_count || !cpu_at(cpu)->vcpu || !cpu_at(cpu)->vcpu->trace)
        return;
    *end = __atomic_load_n(&cpu_at(cpu)->vcpu->trace->next, __ATOMIC_ACQUIRE);
    *first = *end > RING_ENTRIES ? *end - RING_ENTRIES : 0;
}
