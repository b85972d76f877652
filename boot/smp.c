/* INIT to every CPU, one wait, then SIPI to one after another: they share the trampoline's parameters. */
#include "boot/smp.h"

#include "arch/x86/clock.h"
#include "arch/x86/cpu.h"
#include "arch/x86/instr.h"
#include "arch/x86/lapic.h"
#include "boot/host_map.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/phys.h"

enum { INIT_WAIT_US = 10000, STARTUP_WAIT_US = 200, ANSWER_WAIT_US = 100000, ANSWER_STEP_US = 20 };

struct trampoline_parameters {
    uint64_t cr3, stack, entry, argument;
};

extern const char trampoline_start[], trampoline_end[], trampoline_parameters[];

static uint8_t saved[PAGE_SIZE];

static void ap_start(struct cpu *cpu)
{
    void (*entry)(void) = (void (*)(void))cpu->tss.rsp[0];

    cpu_load(cpu);
    __atomic_store_n(&cpu->online, 1, __ATOMIC_RELEASE);
    entry();
}

static bool answered(struct cpu *cpu, uint32_t wait_us)
{
    for (uint32_t waited = 0; waited < wait_us; waited += ANSWER_STEP_US) {
        if (__atomic_load_n(&cpu->online, __ATOMIC_ACQUIRE))
            return true;
        clock_delay_us(ANSWER_STEP_US);
    }
    return __atomic_load_n(&cpu->online, __ATOMIC_ACQUIRE);
}

/* A second SIPI only if the first had no effect: the SDM's algorithm, and some boards want it. */
static bool start_one(struct cpu *cpu, uint64_t page)
{
    uint32_t icr = ICR_STARTUP | ICR_ASSERT | (uint32_t)(page >> 12);

    if (!lapic_send(cpu->apic_id, icr))
        return false;
    if (answered(cpu, STARTUP_WAIT_US))
        return true;
    return lapic_send(cpu->apic_id, icr) && answered(cpu, ANSWER_WAIT_US);
}

static void send_init_to_all(const struct acpi_info *acpi, uint32_t self)
{
    for (unsigned i = 0; i < acpi->cpu_count; i++)
        if (acpi->cpus[i].apic_id != self && !lapic_send(acpi->cpus[i].apic_id, ICR_INIT | ICR_ASSERT))
            log_warning("cpu with APIC ID %u: can't be sent an INIT", acpi->cpus[i].apic_id);
    clock_delay_us(INIT_WAIT_US);
}

void smp_reset(const struct acpi_info *acpi)
{
    send_init_to_all(acpi, lapic_id());
}

/* One that came now would take what lies ready for the next: back to where it waits for a SIPI. */
static void leave_out(uint32_t apic_id)
{
    (void)lapic_send(apic_id, ICR_INIT | ICR_ASSERT);
    log_warning("cpu with APIC ID %u doesn't answer INIT-SIPI-SIPI: left out; check the firmware's CPU settings",
                apic_id);
}

/* The next index goes to a CPU only when it has come, so indexes have no gaps. */
static bool start_next(const struct smp_plan *plan, uint32_t apic_id, struct trampoline_parameters *parameters,
                       uint64_t page, struct error *error)
{
    uint64_t physical = plan->pages + (uint64_t)cpu_count * plan->cpu_pages * PAGE_SIZE;
    struct cpu *cpu;

    if (!host_map_cpu(cpu_count, physical, error))
        return false;
    cpu = cpu_create(cpu_count, apic_id, physical, host_map_window(cpu_count));
    cpu->tss.rsp[0] = (uint64_t)plan->entry;
    parameters->cr3 = plan->cr3;
    parameters->stack = CPU_BASE + (uint64_t)cpu_count * CPU_SLOT + CPU_STACK_BOOT;
    parameters->entry = (uint64_t)ap_start;
    parameters->argument = (uint64_t)cpu;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (start_one(cpu, page))
        cpu_count++;
    else
        leave_out(apic_id);
    return true;
}

static bool start_all(const struct smp_plan *plan, struct trampoline_parameters *parameters, uint64_t page,
                      struct error *error)
{
    uint32_t self = lapic_id();

    send_init_to_all(plan->acpi, self);
    for (unsigned i = 0; i < plan->acpi->cpu_count; i++)
        if (plan->acpi->cpus[i].apic_id != self &&
            !start_next(plan, plan->acpi->cpus[i].apic_id, parameters, page, error))
            return false;
    return true;
}

bool smp_start(const struct smp_plan *plan, struct error *error)
{
    const struct range low = {0x1000, 0xa0000};
    size_t size = (size_t)(trampoline_end - trampoline_start);
    uint64_t page;
    char *code;
    bool ok;

    if (plan->acpi->cpu_count <= 1)
        return true;
    if (!memmap_find_high(plan->map, PAGE_SIZE, PAGE_SIZE, low, NULL, 0, &page))
        return fail(error, "Memory: no free page below 640 KiB to start the other CPUs in: boot with one CPU");
    code = phys_map(page, PAGE_SIZE);
    memcpy(saved, code, PAGE_SIZE);
    memcpy(code, trampoline_start, size);
    ok = start_all(plan, (struct trampoline_parameters *)(code + (trampoline_parameters - trampoline_start)), page,
                   error);
    memcpy(code, saved, PAGE_SIZE);
    return ok;
}
