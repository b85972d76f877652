/* The boot, from the loader's entry to the guest's first instruction. */
#include "arch/x86/acpi.h"
#include "arch/x86/clock.h"
#include "arch/x86/console.h"
#include "arch/x86/cpu.h"
#include "arch/x86/crash.h"
#include "arch/x86/exception.h"
#include "arch/x86/instr.h"
#include "arch/x86/lapic.h"
#include "arch/x86/mitigations.h"
#include "arch/x86/mtrr_msrs.h"
#include "arch/x86/regs.h"
#include "arch/x86/reset.h"
#include "arch/x86/serial.h"
#include "arch/x86/virt.h"
#include "boot/block.h"
#include "boot/consoles.h"
#include "boot/guest_source.h"
#include "boot/host_map.h"
#include "boot/image.h"
#include "boot/multiboot2.h"
#include "boot/native.h"
#include "boot/old_log.h"
#include "boot/preflight.h"
#include "boot/ram.h"
#include "boot/smp.h"
#include "boot/steps.h"
#include "guest/load.h"
#include "lib/log.h"
#include "lib/log_ring.h"
#include "lib/options.h"
#include "lib/string.h"
#include "mm/ept_execute.h"
#include "mm/phys.h"
#include "vmm/monitor.h"
#include "vmm/vmm.h"

enum { INFORMATION_MAX = 32 * 1024, POOL_BYTES_MIN = 256 * 1024 };

static uint8_t information_copy[INFORMATION_MAX] aligned(8);
static struct boot_info info;
static struct acpi_info acpi;
static struct block block;
static struct pool pool;
static struct mtrr_state mtrr;
static struct ept ept;
static uint32_t pages_before_ept, pages_of_ept; /* of the pool */
static struct range screen;                     /* physical; empty: none */
static struct error error;
static uint64_t entry_tsc;
static bool moved_in;             /* the block holds the running image */
static struct memmap free_memory; /* RAM without what the firmware may still use */
static struct range old_log;      /* physical; empty: none for the guest */
static struct guest_source source;
static struct guest_entry guest;

static void must(bool ok)
{
    if (!ok)
        refuse(&error);
}

/* The loader's structure lies somewhere in RAM that the guest will get: it is copied before anything else. */
static bool read_boot_information(uint32_t magic, uint32_t physical)
{
    const uint32_t *size = phys_map(physical, sizeof(*size));

    if (magic != MULTIBOOT2_BOOTLOADER_MAGIC)
        return fail(&error, "Boot: EAX is %x, not multiboot2's %x: load Plinth with GRUB's multiboot2 command", magic,
                    MULTIBOOT2_BOOTLOADER_MAGIC);
    if (!size || *size > INFORMATION_MAX)
        return fail(&error, "Boot: the multiboot2 information has %u bytes, more than %u: pass fewer modules",
                    size ? *size : 0, INFORMATION_MAX);
    memcpy(information_copy, size, *size);
    return multiboot2_parse(information_copy, sizeof(information_copy), &info, &error);
}

static bool check_modules(void)
{
    struct range all = {0, 4 * GIB};

    if (!info.module_count && !options.chainload)
        return fail(&error, "Boot: no module: give GRUB a module2 line with the guest's kernel (and one with its "
                            "initrd) below multiboot2");
    for (unsigned i = 0; i < info.module_count; i++)
        if (!range_contains(all, info.modules[i].range))
            return fail(&error, "Boot: module %u lies above 4 GiB: use a boot loader that loads below", i + 1);
    return true;
}

/* Before the block is written to: what an image like this one left there before a warm reset. */
static void look_for_old_log(void)
{
    const uint64_t ring = block.range.start + ((uint64_t)log_ring() - (uint64_t)image_start);
    struct range busy[RAM_BUSY_MAX];
    unsigned count = ram_busy(&info, busy);

    busy[count++] = block.range;
    old_log = old_log_save(&info, phys_map(ring, sizeof(struct log_ring)), &free_memory, busy, count);
}

/* One table for each 512 GiB of RAM, or, without 1 GiB pages, for each GiB; what lies above RAM is small change. Where
 * only small pages are executable, tables for an eighth of RAM to be code. */
static uint64_t ept_pages(void)
{
    uint64_t code = mitigations.small_execute.on ? memmap_ram_bytes(&info.memmap) / 8 : 0, top = 0;

    for (unsigned i = 0; i < info.memmap.count; i++)
        if (info.memmap.entries[i].kind == MEMORY_RAM)
            top = info.memmap.entries[i].range.end;
    return top / (virt_has_gib_pages() ? 512 * GIB : GIB) + code / (2 * MIB);
}

static bool take_block(void)
{
    uint64_t pool_pages = acpi.cpu_count * (virt_cpu_pages() + vmm_cpu_pages()) + ept_pages();

    block_plan(&block, (uint64_t)(image_end - image_start), acpi.cpu_count, CPU_PAGES,
               POOL_BYTES_MIN + pool_pages * PAGE_SIZE);
    return ram_take_block(&info, &free_memory, &block, &error);
}

static bool start_boot_cpu(void)
{
    uint64_t physical = block.range.start + block.cpus_offset;
    struct cpu *cpu;

    pool_init(&pool, (void *)(VIRT_BASE + block.pool_offset), block.range.start + block.pool_offset, block.pool_bytes);
    if (!host_map_init(&block, &pool, acpi.local_apic, screen, &error) || !host_map_cpu(0, physical, &error))
        return false;
    cpu = cpu_create(0, lapic_id(), physical, host_map_window(0));
    cpu_load(cpu);
    cpu->online = 1;
    cpu_count = 1;
    return true;
}

static bool start_other_cpus(void)
{
    struct smp_plan plan = {
        .acpi = &acpi,
        .map = &info.memmap,
        .cr3 = host_map_cr3(),
        .pages = block.range.start + block.cpus_offset,
        .cpu_pages = CPU_PAGES,
        .entry = steps_entry,
    };

    return smp_start(&plan, &error) && steps_wait(&error);
}

static bool preflight(void)
{
    const struct efi_map map = boot_info_efi_map(&info);
    const struct preflight_facts facts = {
        .cpus_listed = acpi.cpu_count,
        .cpus_started = cpu_count,
        .serial = serial_is_there(),
        .screen = range_size(screen),
        .reset_register = acpi.reset_address,
        .pm_timer = acpi.pm_timer_port,
        .tsc_by_cpuid = clock_is_told_by_cpuid(),
        .mtrrs = cpuid(1, 0).edx & CPUID_1_EDX_MTRR,
        .x2apic = cpuid(1, 0).ecx & CPUID_1_ECX_X2APIC,
        .uefi = info.efi_system_table,
        .uefi_map = efi_map_check(&map, &error),
    };
    const struct property_set firmware = preflight_firmware(&facts);
    uint64_t boot_cpu_found;
    const struct property_set cpu = virt_properties(&boot_cpu_found);
    bool ok = preflight_report(&firmware, &cpu, boot_cpu_found, options.preflight, &error);

    if (options.preflight == PREFLIGHT_ONLY)
        must(fail(&error, "Preflight: %s; preflight=only asks for no more", ok ? "nothing lacks" : "Plinth can't run"));
    return ok;
}

static bool build_ept(void)
{
    pages_before_ept = pool_used_pages(&pool);
    mtrr_msrs_read(&mtrr);
    if (!ept_init(&ept, &pool, &mtrr, block.range, mtrr.physical_bits, virt_has_gib_pages(), &error))
        return false;
    if (mitigations.small_execute.on)
        ept_execute_small_only(&ept);
    pages_of_ept = pool_used_pages(&pool) - pages_before_ept;
    return true;
}

static void log_pool(void)
{
    uint32_t used = pool_used_pages(&pool);

    log_info("Pool: %u pages, %lu KiB: host tables and so on %u, EPT %u, VMX and the CPUs' views %u, free %u",
             pool.pages, pool.pages * PAGE_SIZE / KIB, pages_before_ept, pages_of_ept,
             used - pages_before_ept - pages_of_ept, pool.pages - used);
}

static bool start_virtualization(void)
{
    if (!virt_init(&pool, &ept, &error) || !virt_start_cpu(&error) || !steps_take(STEP_START, &error))
        return false;
    log_info("CPUs: %u of %u started, VMX on each", cpu_count, acpi.cpu_count);
    return true;
}

static void describe_guest(void)
{
    guest_source_describe(&info, &free_memory, &source);
    source.old_log = old_log;
}

/* Finds out about the guest's images and puts them where they run. */
static bool load_guest(void)
{
    describe_guest();
    source.block = block.range;
    return guest_load(&source, &guest, &error);
}

/* What we run on, the block or the image where it was loaded, is ordinary RAM for the guest. */
static noreturn void start_natively(void)
{
    struct error problem;

    if (options.chainload)
        must(fail(&error, "Boot: chainload doesn't start natively: without Plinth, use GRUB's chainloader command"));
    log_warning("NATIVE: the guest starts on the bare machine, WITHOUT Plinth (fallback=never stops instead)");
    if (cpu_count > 0)
        virt_stop_cpu();
    if (cpu_count > 1) {
        if (!steps_take(STEP_NATIVE, &problem))
            log_debug("%s", problem.text);
        smp_reset(&acpi);
    }
    must(memmap_set(&info.memmap, block.range, MEMORY_RAM, &error));
    describe_guest();
    source.avoid[source.avoid_count++] = image_loaded();
    source.avoid[source.avoid_count++] = block.range;
    must(guest_load(&source, &guest, &error));
    must(!guest.real_mode_page || fail(&error, "Boot: this kernel has no 32-bit entry and can't be started natively: "
                                               "use GRUB's linux16 command"));
    console_flush();
    console_yield_screen();
    log_ring_forget(log_ring()); /* its memory is the guest's from now on */
    native_start(&guest, moved_in ? block.range.start : load_base);
}

/* What only Plinth needs: without it the guest can still be started natively. */
static void need(bool ok)
{
    if (ok)
        return;
    if (options.fallback == FALLBACK_NEVER)
        refuse(&error);
    log_error("%s", error.text);
    start_natively();
}

static noreturn void launch(void)
{
    struct entry32 entry = {.eip = guest.eip,
                            .eax = guest.eax,
                            .ebx = guest.ebx,
                            .esi = guest.esi,
                            .gdt_base = guest.gdt_base,
                            .gdt_limit = guest.gdt_limit,
                            .code_selector = guest.code_selector,
                            .data_selector = guest.data_selector,
                            .real_mode_page = guest.real_mode_page};

    host_map_drop_low();
    write_cr3(host_map_cr3());
    log_pool();
    log_info("Guest: entered %lu ticks after the multiboot entry", rdtsc() - entry_tsc);
    console_flush();
    console_yield_screen();
    steps_run_guest();
    vmm_run_boot_cpu(&entry);
}

/* On the boot CPU's final stack, with W^X tables. */
static noreturn void boot_in_block(void)
{
    need(start_other_cpus());
    need(preflight());
    if (options.fallback == FALLBACK_ALWAYS)
        start_natively();
    need(build_ept());
    need(start_virtualization());
    need(vmm_init(&pool, &ept, &mtrr, &acpi, &error));
    monitor_dump_init(&info.memmap);
    must(load_guest());
    need(host_map_seal(&error));
    launch();
}

void boot_main(uint32_t magic, uint32_t information, uint64_t tsc)
{
    exception_init();
    exception_load_idt();
    entry_tsc = tsc;
    boot_first_console();
    must(read_boot_information(magic, information));
    screen = boot_consoles(&info);
    log_info("Plinth " PLINTH_VERSION ", loaded by %s", info.loader_name);
    log_debug("Boot: loaded at %lx", load_base);
    must(check_modules());
    must(ram_reserve_firmware(&info, &free_memory, &error));
    need(acpi_parse(info.rsdp, info.rsdp_size, &acpi, &error));
    reset_init(&acpi);
    clock_init(acpi.pm_timer_port);
    virt_examine_cpu(); /* what the CPU has decides on the block's size */
    mitigations_init();
    need(take_block());
    log_info("Memory: %lu MiB; Plinth's block at %lx, %lu KiB", memmap_ram_bytes(&info.memmap) / MIB, block.range.start,
             range_size(block.range) / KIB);
    look_for_old_log();
    image_move_to(block.range, block.image_bytes);
    moved_in = true;
    need(start_boot_cpu());
    asm volatile("mov %0, %%rsp; xor %%ebp, %%ebp; jmp *%1"
                 :
                 : "r"(CPU_BASE + CPU_STACK_BOOT), "r"(boot_in_block)
                 : "memory");
    __builtin_unreachable();
}
