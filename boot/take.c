/* Taking the machine: memory, CPUs, VT-x. */
#include "arch/x86/clock.h"
#include "arch/x86/cpu.h"
#include "arch/x86/exception.h"
#include "arch/x86/instr.h"
#include "arch/x86/lapic.h"
#include "arch/x86/mitigations.h"
#include "arch/x86/mtrr_msrs.h"
#include "arch/x86/regs.h"
#include "arch/x86/serial.h"
#include "arch/x86/virt.h"
#include "boot/boot.h"
#include "boot/host_map.h"
#include "boot/image.h"
#include "boot/old_log.h"
#include "boot/preflight.h"
#include "boot/ram.h"
#include "boot/smp.h"
#include "boot/steps.h"
#include "lib/log.h"
#include "lib/options.h"
#include "mm/ept_execute.h"
#include "mm/phys.h"
#include "vmm/monitor.h"
#include "vmm/vmm.h"

enum { POOL_BYTES_MIN = 256 * 1024 };

static struct pool pool;
static struct mtrr_state mtrr;
static struct ept ept;
static uint32_t pages_before_ept, pages_of_ept; /* of the pool */

/* One table for each 512 GiB of RAM, or, without 1 GiB pages, for each GiB; what lies above RAM is small change. Where
 * only small pages are executable, tables for an eighth of RAM to be code. */
static uint64_t ept_pages(void)
{
    uint64_t code = mitigations.small_execute.on ? memmap_ram_bytes(&boot.info.memmap) / 8 : 0, top = 0;

    for (unsigned i = 0; i < boot.info.memmap.count; i++)
        if (boot.info.memmap.entries[i].kind == MEMORY_RAM)
            top = boot.info.memmap.entries[i].range.end;
    return top / (virt_has_gib_pages() ? 512 * GIB : GIB) + code / (2 * MIB);
}

bool take_block(void)
{
    uint64_t pool_pages = boot.acpi.cpu_count * (virt_cpu_pages() + vmm_cpu_pages()) + ept_pages();

    block_plan(&boot.block, (uint64_t)(image_end - image_start), boot.acpi.cpu_count, CPU_PAGES,
               POOL_BYTES_MIN + pool_pages * PAGE_SIZE);
    return ram_take_block(&boot.info, &boot.free_memory, &boot.block, &boot.error);
}

void take_old_log(void)
{
    const uint64_t ring = boot.block.range.start + ((uint64_t)log_ring() - (uint64_t)image_start);
    struct log_ring *const old = old_log_find(boot.block.range, ring);
    struct range busy[RAM_BUSY_MAX];
    unsigned count = ram_busy(&boot.info, busy);

    busy[count++] = boot.block.range;
    boot.has_old_log = old;
    boot.old_log = old_log_save(&boot.info, old, &boot.free_memory, busy, count);
}

bool take_boot_cpu(void)
{
    uint64_t physical = boot.block.range.start + boot.block.cpus_offset;
    struct cpu *cpu;

    pool_init(&pool, (void *)(VIRT_BASE + boot.block.pool_offset), boot.block.range.start + boot.block.pool_offset,
              boot.block.pool_bytes);
    if (!host_map_init(&boot.block, &pool, boot.acpi.local_apic, boot.screen, &boot.error) ||
        !host_map_cpu(0, physical, &boot.error))
        return false;
    cpu = cpu_create(0, lapic_id(), physical, host_map_window(0));
    cpu_load(cpu);
    exception_use_stacks();
    cpu->online = 1;
    cpu_count = 1;
    return true;
}

bool take_other_cpus(void)
{
    struct smp_plan plan = {
        .acpi = &boot.acpi,
        .map = &boot.info.memmap,
        .cr3 = host_map_cr3(),
        .pages = boot.block.range.start + boot.block.cpus_offset,
        .cpu_pages = CPU_PAGES,
        .entry = steps_entry,
    };

    return smp_start(&plan, &boot.error) && steps_wait(&boot.error);
}

bool take_preflight(void)
{
    const struct efi_map map = boot_info_efi_map(&boot.info);
    const struct preflight_facts facts = {
        .cpus_listed = boot.acpi.cpu_count,
        .cpus_started = cpu_count,
        .serial = serial_is_there(),
        .screen = range_size(boot.screen),
        .reset_register = boot.acpi.reset_address,
        .pm_timer = boot.acpi.pm_timer_port,
        .tsc_by_cpuid = clock_is_told_by_cpuid(),
        .mtrrs = cpuid(1, 0).edx & CPUID_1_EDX_MTRR,
        .x2apic = cpuid(1, 0).ecx & CPUID_1_ECX_X2APIC,
        .uefi = boot.info.efi_system_table,
        .uefi_map = efi_map_check(&map, &boot.error),
    };
    const struct property_set firmware = preflight_firmware(&facts);
    uint64_t boot_cpu_found;
    const struct property_set cpu = virt_properties(&boot_cpu_found);
    bool ok = preflight_report(&firmware, &cpu, boot_cpu_found, options.preflight, &boot.error);

    if (options.preflight == PREFLIGHT_ONLY)
        must(fail(&boot.error, "Preflight: %s; preflight=only asks for no more",
                  ok ? "nothing lacks" : "Plinth can't run"));
    return ok;
}

static bool build_ept(void)
{
    pages_before_ept = pool_used_pages(&pool);
    mtrr_msrs_read(&mtrr);
    if (!ept_init(&ept, &pool, &mtrr, boot.block.range, mtrr.physical_bits, virt_has_gib_pages(), &boot.error))
        return false;
    if (mitigations.small_execute.on)
        ept_execute_small_only(&ept);
    pages_of_ept = pool_used_pages(&pool) - pages_before_ept;
    return true;
}

bool take_virtualization(void)
{
    if (!build_ept() || !virt_init(&pool, &ept, &boot.error) || !virt_start_cpu(&boot.error) ||
        !steps_take(STEP_START, &boot.error))
        return false;
    log_info("CPUs: %u of %u started, VMX on each", cpu_count, boot.acpi.cpu_count);
    if (!vmm_init(&pool, &ept, &mtrr, &boot.acpi, &boot.error))
        return false;
    monitor_dump_init(&boot.info.memmap);
    return host_map_seal(&boot.error);
}

void take_log_pool(void)
{
    uint32_t used = pool_used_pages(&pool);

    log_info("Pool: %u pages, %lu KiB: host tables and so on %u, EPT %u, VMX and the CPUs' views %u, free %u",
             pool.pages, pool.pages * PAGE_SIZE / KIB, pages_before_ept, pages_of_ept,
             used - pages_before_ept - pages_of_ept, pool.pages - used);
}
