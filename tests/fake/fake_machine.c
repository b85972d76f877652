/* The rest of the machine, and how Plinth is entered and left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fake/fake.h"

#include "arch/x86/clock.h"
#include "arch/x86/cpu.h"
#include "arch/x86/crash.h"
#include "arch/x86/mitigations.h"
#include "arch/x86/regs.h"
#include "arch/x86/serial.h"
#include "arch/x86/vmx/exit_reasons.h"
#include "arch/x86/vmx/vcpu.h"
#include "arch/x86/vmx/vmcs.h"
#include "arch/x86/window.h"
#include "lib/options.h"
#include "tests/host/ept_world.h"
#include "tests/host/mtrr_model.h"
#include "vmm/ap_start.h"
#include "vmm/monitor.h"
#include "vmm/monitor_step.h"
#include "vmm/vmm.h"

enum { POOL_PAGES = 600 };
#define POOL_BYTES ((POOL_PAGES + 1) * PAGE_SIZE) /* one page for the links */

const struct range fake_block = {0x7fe00000, 0x80000000};

/* vmx_enter.S: only their addresses count */
static char exit_entries[STATISTICS_MODES][1];
const char *const vmx_exit_entries[STATISTICS_MODES][2][2] = {{{exit_entries[0], NULL}, {NULL, NULL}},
                                                              {{exit_entries[1], NULL}, {NULL, NULL}},
                                                              {{exit_entries[2], NULL}, {NULL, NULL}}};
char vmx_exit_entry_any[1], vmx_exit_entry_traced[1], vmx_step_exit_entry[1], vmx_resume_slow[1], vmx_launch_begin[1],
    vmx_launch_end[1], vmx_launch_slow[1], vmx_sleep_begin[1], vmx_sleep_end[1];
const struct code_range vmx_resume_ranges[1];
extern const struct code_range vmx_resume_ranges_end[1] __attribute__((alias("vmx_resume_ranges"))); /* none */

uint32_t cpu_count;
struct mitigations mitigations;

static struct pool pool;
static struct ept ept;
static struct mtrr_state mtrr;
static struct acpi_info acpi;
static bool has_serial;
static jmp_buf way_out;
static char crash_text[256];
static uint8_t *slots, *pages; /* of the CPUs; of the pool */

static struct fake_cpu *me(void)
{
    return &fake_cpus[fake_current];
}

struct cpu *cpu_at(uint32_t index)
{
    return (struct cpu *)(slots + (uint64_t)index * CPU_SLOT + CPU_STRUCT);
}

struct cpu *cpu_this(void)
{
    return cpu_at(fake_current);
}

uint32_t cpu_index(void)
{
    return fake_current;
}

/* ---- what never comes back ---- */

static noreturn void leave(enum fake_end end)
{
    longjmp(way_out, (int)end);
}

const char *fake_end_text(void)
{
    return crash_text;
}

void crash(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(crash_text, sizeof(crash_text), format, args);
    va_end(args);
    leave(FAKE_CRASHED);
}

void reset_with_report(const char *why)
{
    snprintf(crash_text, sizeof(crash_text), "%s", why);
    leave(FAKE_RESET);
}

bool crash_in_progress(void)
{
    return false;
}

void cpu_halt(void)
{
    leave(FAKE_HALTED);
}

void vmx_launch(void)
{
    leave(FAKE_LAUNCHED);
}

void vmx_sleep(const uint32_t *word)
{
    if (*word)
        return;
    me()->waits = true;
    leave(FAKE_PARKED);
}

void vmx_unblock_nmis(void)
{
}

/* ---- devices ---- */

uint64_t clock_tsc_khz(void)
{
    return 100;
}

uint8_t fake_memory[FAKE_PAGES][4096];

volatile void *window_map(uint64_t physical, bool uncached)
{
    (void)uncached;
    if (physical >= fake_block.start && physical < fake_block.end)
        abort();
    return fake_memory[physical / PAGE_SIZE % FAKE_PAGES];
}

/* ---- the monitor: a serial line that nobody types on ---- */

enum { POLL_MICROSECONDS = 50000 };

enum console_owner serial_owner(void)
{
    return has_serial ? CONSOLE_SHARED : CONSOLE_PASSTHROUGH;
}

uint8_t serial_guest_read(unsigned reg)
{
    return (uint8_t)reg;
}

void serial_guest_write(unsigned reg, uint8_t value)
{
    (void)reg, (void)value;
}

uint16_t serial_port(void)
{
    return 0x3f8;
}

bool monitor_init(struct error *error)
{
    return !has_serial || virt_intercept_ports(serial_port(), 8, error);
}

void monitor_start(void)
{
    if (has_serial && virt_can_poll())
        vcpu_poll_in(POLL_MICROSECONDS);
}

void monitor_poll(void)
{
    vcpu_poll_in(POLL_MICROSECONDS);
}

void monitor_guest_ended(void)
{
}

void monitor_step_exit(const struct vm_exit *exit, enum exit_action action)
{
    (void)exit, (void)action;
    abort(); /* nobody steps */
}

void monitor_slow_work(struct cpu *cpu)
{
    (void)cpu;
}

/* As fake_boot() was asked to */
void mitigations_init(void)
{
}

void mitigations_flush_l1d(void)
{
    cpu_this()->l1d_flushes++;
}

/* ---- entry and exit ---- */

/* Who waits for another CPU gives it the time to answer: the kick makes it leave its guest. */
void cpu_pause(void)
{
    static bool nested;
    jmp_buf outer;
    unsigned other = !fake_current;

    if (nested || !fake_cpus[other].nmi_pending || !fake_cpus[other].in_guest || fake_cpus[other].deaf)
        return;
    nested = true;
    memcpy(&outer, &way_out, sizeof(outer));
    fake_current = other;
    *fake_field(INDEX_EXIT_REASON) = 0;
    *fake_field(INDEX_EXIT_INTERRUPTION_INFO) = 0x80000202;
    *fake_field(INDEX_IDT_VECTORING_INFO) = 0;
    (void)fake_exit();
    fake_current = !other;
    memcpy(&way_out, &outer, sizeof(outer));
    nested = false;
}

static void handle_exit(void)
{
    struct cpu *cpu = cpu_this();
    uint64_t host_rip = *fake_field(INDEX_HOST_RIP);

    if (host_rip == (uint64_t)vmx_step_exit_entry)
        vmx_step_exit(cpu->frame);
    else if (host_rip == (uint64_t)vmx_exit_entry_traced)
        vmx_exit_traced(cpu->frame);
    else if (host_rip == (uint64_t)vmx_exit_entry_any)
        vmx_exit_any(cpu->frame);
    else if (host_rip == (uint64_t)exit_entries[STATISTICS_COUNTS])
        vmx_exit(cpu->frame);
    else if (host_rip == (uint64_t)exit_entries[STATISTICS_HISTOGRAM])
        vmx_exit_sorted(cpu->frame);
    else if (host_rip == (uint64_t)exit_entries[STATISTICS_OFF])
        vmx_exit_uncounted(cpu->frame);
    else
        abort();
    while (cpu->slow_work)
        vmx_slow_work();
}

enum fake_end fake_exit(void)
{
    enum fake_end end;

    memset(me()->written, 0, sizeof(me()->written));
    me()->nmi_pending = false;
    me()->in_guest = false;
    me()->idt_limit = FAKE_IDT_LIMIT_OF_EXIT; /* 27.5.2 */
    if (!(*fake_field(INDEX_EXIT_REASON) & EXIT_REASON_ENTRY_FAILURE))
        *fake_field(INDEX_ENTRY_INTERRUPTION_INFO) &= 0x7fffffff; /* 27.2: an exit clears the valid bit */
    end = (enum fake_end)setjmp(way_out);
    if (end == FAKE_RETURNED)
        handle_exit();
    me()->in_guest = end == FAKE_RETURNED;
    return end;
}

/* As park() goes on when it is woken, mostly by a kick: that one it takes in root mode. */
static void continue_parked(void)
{
    struct exception_frame frame = {.rip = 0};

    if (me()->nmi_pending)
        nmi_in_root(&frame);
    me()->nmi_pending = false;
    ap_start_wait();
    while (cpu_this()->slow_work)
        vmx_slow_work();
}

enum fake_end fake_start_parked(unsigned index)
{
    enum fake_end end;

    fake_current = index;
    memset(me()->written, 0, sizeof(me()->written));
    me()->waits = false;
    end = (enum fake_end)setjmp(way_out);
    if (end == FAKE_RETURNED)
        continue_parked();
    me()->in_guest = end == FAKE_RETURNED;
    return end;
}

enum fake_end fake_start_waiting(unsigned index)
{
    enum fake_end end;

    fake_current = index;
    *fake_field(INDEX_EXIT_REASON) = EXIT_SIPI;
    end = fake_exit();
    fake_current = 0;
    return end;
}

struct ept *fake_ept(void)
{
    return &ept;
}

uint64_t fake_access(uint64_t address, uint64_t access)
{
    uint64_t pointer = *fake_field(INDEX_EPT_POINTER), page = ALIGN_DOWN(address, PAGE_SIZE);
    struct fake_translation *cached = &me()->tlb[page / PAGE_SIZE % FAKE_TLB];

    if (cached->pointer != pointer || cached->page != page)
        *cached = (struct fake_translation){pointer, page, translate(&ept, entries_of(&ept.table, pointer), page)};
    if (~cached->entry & access)
        *cached = (struct fake_translation){0};
    return cached->entry;
}

void fake_image(struct entry_image *image)
{
    *image = (struct entry_image){.capabilities = &vmx.capabilities,
                                  .physical_bits = 40,
                                  .linear_bits = 48,
                                  .perf_global_ctrl = UINT64_C(0x70000000f)};
    memcpy(image->value, me()->vmcs, sizeof(image->value));
}

const char *fake_entry_fault(void)
{
    static char text[ENTRY_FINDING_MAX];
    struct entry_finding finding;
    struct entry_image image;

    fake_image(&image);
    if (!entry_checks(&image, &finding, 1))
        return NULL;
    entry_finding_text(&image, &finding, text);
    return text;
}

/* ---- boot ---- */

static void add_vmx_msrs(struct fake_cpu *cpu, const struct fake_setup *setup)
{
    uint64_t pin = UINT64_C(0x3f00000016), primary = UINT64_C(0xf7f9fffe04006172);
    uint64_t secondary = UINT64_C(0x00000000001010ae) << 32, ept_vpid = UINT64_C(0xf0106134141);

    if (setup->preemption_timer)
        pin |= (uint64_t)0x40 << 32;
    if (setup->monitor_trap_flag)
        primary |= (uint64_t)0x8000000 << 32;
    if (!setup->invpcid)
        secondary &= ~((uint64_t)0x1008 << 32);
    if (setup->accessed_dirty)
        ept_vpid |= 0x200000;
    fake_msr_add(cpu, MSR_IA32_VMX_BASIC, UINT64_C(0x00da040000000004) | UINT64_C(1) << 55);
    fake_msr_add(cpu, MSR_IA32_VMX_TRUE_PINBASED_CTLS, pin);
    fake_msr_add(cpu, MSR_IA32_VMX_TRUE_PROCBASED_CTLS, primary);
    fake_msr_add(cpu, MSR_IA32_VMX_TRUE_EXIT_CTLS, UINT64_C(0x01ffffff00036dfb));
    fake_msr_add(cpu, MSR_IA32_VMX_TRUE_ENTRY_CTLS, UINT64_C(0x0003ffff000011fb));
    fake_msr_add(cpu, MSR_IA32_VMX_MISC, UINT64_C(0x000401e0));
    fake_msr_add(cpu, MSR_IA32_VMX_CR0_FIXED0, 0x80000021);
    fake_msr_add(cpu, MSR_IA32_VMX_CR0_FIXED1, 0xffffffff);
    fake_msr_add(cpu, MSR_IA32_VMX_CR4_FIXED0, 0x2000);
    fake_msr_add(cpu, MSR_IA32_VMX_CR4_FIXED1, 0x7727ff);
    fake_msr_add(cpu, MSR_IA32_VMX_PROCBASED_CTLS2, secondary);
    fake_msr_add(cpu, MSR_IA32_VMX_EPT_VPID_CAP, ept_vpid);
}

static void add_msrs(struct fake_cpu *cpu, const struct fake_setup *setup)
{
    add_vmx_msrs(cpu, setup);
    fake_msr_add(cpu, MSR_IA32_APIC_BASE, 0xfee00800 | (cpu == fake_cpus ? APIC_BASE_BSP : 0));
    fake_msr_add(cpu, MSR_IA32_FEATURE_CONTROL, FAKE_FEATURE_CONTROL);
    fake_msr_add(cpu, MSR_IA32_MTRRCAP, mtrr.capability);
    fake_msr_add(cpu, MSR_IA32_SYSENTER_CS, 0);
    fake_msr_add(cpu, MSR_IA32_SYSENTER_ESP, 0);
    fake_msr_add(cpu, MSR_IA32_SYSENTER_EIP, 0);
    fake_msr_add(cpu, MSR_IA32_MISC_ENABLE, 0x850089);
    fake_msr_add(cpu, MSR_IA32_PAT, UINT64_C(0x0007040600070406));
    fake_msr_add(cpu, MSR_IA32_PEBS_ENABLE, 0);
    fake_msr_add(cpu, MSR_IA32_PERF_GLOBAL_CTRL, 0);
    fake_msr_add(cpu, MSR_X2APIC_ICR, 0);
    fake_msr_add(cpu, MSR_IA32_BNDCFGS, 0x1001);
    fake_msr_add(cpu, MSR_IA32_XSS, 0);
    fake_msr_add(cpu, MSR_IA32_EFER, EFER_LME | EFER_LMA | EFER_NXE);
}

static void create_cpu(unsigned index, const struct fake_setup *setup)
{
    struct fake_cpu *fake = &fake_cpus[index];

    *cpu_at(index) = (struct cpu){
        .self = cpu_at(index), .index = index, .apic_id = index, .physical = fake_block.start + index * CPU_SLOT};
    fake->cr0 = 0x80010031;
    fake->cr3 = fake_block.start;
    fake->cr4 = 0x20;
    fake->xcr0 = 1;
    fake_lapic_power_up(&fake->lapic);
    add_msrs(fake, setup);
    cpu_count++;
}

static void must(bool done, const struct error *error)
{
    if (done)
        return;
    fprintf(stderr, "fake machine: %s\n", error->text);
    abort();
}

static void start_virtualization(void)
{
    struct error error;

    for (fake_current = 0; fake_current < FAKE_CPUS; fake_current++) {
        virt_examine_cpu();
        if (fake_current == 0) {
            must(ept_init(&ept, &pool, &mtrr, fake_block, 40, false, &error), &error);
            must(virt_init(&pool, &ept, &error), &error);
        }
        must(virt_start_cpu(&error), &error);
    }
    fake_current = 0;
    must(vmm_init(&pool, &ept, &mtrr, &acpi, &error), &error);
}

static const struct entry32 entry = {.eip = 0x1000000,
                                     .esi = 0x90000,
                                     .gdt_base = 0x91000,
                                     .gdt_limit = 31,
                                     .code_selector = 0x10,
                                     .data_selector = 0x18};

static void launch(void)
{
    for (fake_current = FAKE_CPUS; fake_current-- > 0;) {
        enum fake_end end = (enum fake_end)setjmp(way_out);

        if (end == FAKE_RETURNED && fake_current == 0)
            vmm_run_boot_cpu(&entry);
        else if (end == FAKE_RETURNED)
            vmm_run_application_cpu();
        me()->in_guest = end == FAKE_LAUNCHED;
    }
    fake_current = 0;
}

static void make_memory(void)
{
    slots = aligned_alloc(CPU_SLOT, FAKE_CPUS * CPU_SLOT);
    memset(slots, 0, FAKE_CPUS * CPU_SLOT);
    pages = aligned_alloc(PAGE_SIZE, POOL_BYTES);
    memset(pages, 0, POOL_BYTES);
}

static void boot(const struct fake_setup *setup)
{
    options_parse("", &options);
    options.ap_start = (enum ap_start)setup->ap_start;
    options.on_crash = (enum on_crash)setup->on_crash;
    options.statistics = (enum statistics)setup->statistics;
    log_set_console_level(LOG_ERROR);
    mitigations.l1d_flush = (enum l1d_flush)setup->l1d_flush;
    pool_init(&pool, pages, fake_block.start + 16 * CPU_SLOT,
              setup->pool_pages ? (setup->pool_pages + 1) * PAGE_SIZE : POOL_BYTES);
    mtrr = usual_mtrr();
    has_serial = setup->serial;
    for (unsigned i = 0; i < FAKE_CPUS; i++)
        create_cpu(i, setup);
    start_virtualization();
    launch();
}

void fake_boot(const struct fake_setup *setup)
{
    make_memory();
    boot(setup);
}

/* ---- several machines ---- */

/* What the linker knows of the sections; not there when the compiler made none */
extern char __start_fake_bss[], __stop_fake_bss[], __start_fake_data[], __stop_fake_data[];
#pragma weak __start_fake_bss
#pragma weak __stop_fake_bss
#pragma weak __start_fake_data
#pragma weak __stop_fake_data

struct part {
    char *from;
    size_t size;
    char *copy;
};

/* The variables of all that is linked from the exit path and from here; the CPUs' pages; the pool. */
enum { PARTS = 4 };
struct machine {
    struct part parts[PARTS];
    struct options options;
    uint32_t pages; /* of the pool that were ever used */
};

/* Not among what they restore */
static struct machine *machines;

/* Past the guard zones that ASan puts between variables, which memcpy() may not touch */
static void copy(void *to, const void *from, size_t size)
{
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

static struct part keep(void *from, size_t size)
{
    struct part part = {from, size, malloc(size)};

    copy(part.copy, from, size);
    return part;
}

static struct machine remember(void)
{
    return (struct machine){
        {keep(__start_fake_bss, (size_t)(__stop_fake_bss - __start_fake_bss)),
         keep(__start_fake_data, (size_t)(__stop_fake_data - __start_fake_data)), keep(slots, FAKE_CPUS * CPU_SLOT),
         keep(pages, POOL_BYTES)},
        options,
        pool.untouched,
    };
}

/* Of the pool only what was used. The links behind the last page change with the pages. */
static void restore(const struct machine *machine)
{
    uint32_t used = pool.untouched > machine->pages ? pool.untouched : machine->pages;
    const struct part *memory = &machine->parts[PARTS - 1];

    for (unsigned i = 0; i < PARTS - 1; i++)
        copy(machine->parts[i].from, machine->parts[i].copy, machine->parts[i].size);
    copy(memory->from, memory->copy, used * PAGE_SIZE);
    copy(memory->from + pool.pages * PAGE_SIZE, memory->copy + pool.pages * PAGE_SIZE, PAGE_SIZE);
    options = machine->options;
}

void fake_boot_all(const struct fake_setup *setups, unsigned count)
{
    struct machine *all = malloc((count + 1) * sizeof(*all)), nothing;

    make_memory();
    machines = all;
    nothing = remember();
    for (unsigned i = 0; i < count; i++) {
        restore(&nothing);
        boot(&setups[i]);
        all[i] = remember();
    }
    for (unsigned i = 0; i < PARTS; i++)
        free(nothing.parts[i].copy);
}

void fake_choose(unsigned number)
{
    restore(&machines[number]);
}
