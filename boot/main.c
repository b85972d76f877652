/* The boot, from the loader's entry to the guest's first instruction. */
#include "arch/x86/acpi.h"
#include "arch/x86/clock.h"
#include "arch/x86/console.h"
#include "arch/x86/cpu.h"
#include "arch/x86/crash.h"
#include "arch/x86/exception.h"
#include "arch/x86/instr.h"
#include "arch/x86/lapic.h"
#include "arch/x86/mtrr_msrs.h"
#include "arch/x86/regs.h"
#include "arch/x86/reset.h"
#include "arch/x86/virt.h"
#include "boot/block.h"
#include "boot/host_map.h"
#include "boot/image.h"
#include "boot/multiboot2.h"
#include "boot/rsdp.h"
#include "boot/smp.h"
#include "guest/load.h"
#include "lib/log.h"
#include "lib/options.h"
#include "lib/string.h"
#include "mm/ept.h"
#include "mm/phys.h"
#include "vmm/vmm.h"

_Static_assert(BOOT_MODULES_MAX - 1 <= GUEST_MODULES_MAX, "describe_modules() fills them");

enum { INFORMATION_MAX = 32 * 1024, POOL_BYTES_MIN = 256 * 1024 };

static uint8_t information_copy[INFORMATION_MAX] aligned(8);
static struct boot_info info;
static struct acpi_info acpi;
static struct block block;
static struct pool pool;
static struct mtrr_state mtrr;
static struct ept ept;
static struct range screen; /* physical; empty: none */
static struct error error;
static uint64_t entry_tsc;
static uint32_t cpus_ready, go;

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

/* With the defaults, for what goes wrong before the options are known. */
static void start_first_console(void)
{
    struct framebuffer mode = framebuffer_ega_text();
    struct console_words words;

    options_parse("", &options);
    must(console_words_parse(options.console, &words, &error));
    console_init(words);
    console_set_screen(&mode, phys_map(mode.address, range_size(framebuffer_range(&mode))));
}

static bool has_no_ram(struct range range)
{
    for (unsigned i = 0; i < info.memmap.count; i++)
        if (info.memmap.entries[i].kind == MEMORY_RAM && range_overlaps(info.memmap.entries[i].range, range))
            return fail(&error, "Screen: the framebuffer at 0x%lx would lie in RAM: update or replace the boot loader",
                        range.start);
    return true;
}

/* Without a word from the loader there is EGA text on a BIOS machine, and nothing on UEFI. */
static void start_screen(void)
{
    struct framebuffer mode = info.framebuffer;

    if (mode.kind == FRAMEBUFFER_NONE && !info.efi_system_table)
        mode = framebuffer_ega_text();
    if (framebuffer_check(&mode, cpu_physical_bits(), &error) && has_no_ram(framebuffer_range(&mode))) {
        screen = framebuffer_range(&mode);
        console_set_screen(&mode, host_map_early_screen(screen));
        return;
    }
    console_set_screen(&mode, NULL);
    info.framebuffer.kind = FRAMEBUFFER_NONE;
    log_warning("%s", error.text);
}

static void start_consoles(void)
{
    struct console_words words;
    bool known;

    start_screen();
    options_parse(info.command_line, &options);
    log_set_console_level(options.log_level);
    known = console_words_parse(options.console, &words, &error);
    if (!options.serial)
        words.port = 0;
    console_init(words);
    if (!known)
        log_warning("%s", error.text);
    log_info("Plinth " PLINTH_VERSION ", loaded by %s", info.loader_name);
}

static bool check_modules(void)
{
    struct range all = {0, 4 * GIB};

    if (!info.module_count)
        return fail(&error, "Boot: no module: give GRUB a module2 line with the guest's kernel (and one with its "
                            "initrd) below multiboot2");
    for (unsigned i = 0; i < info.module_count; i++)
        if (!range_contains(all, info.modules[i].range))
            return fail(&error, "Boot: module %u lies above 4 GiB: use a boot loader that loads below", i + 1);
    return true;
}

/* What must not be written to before the guest runs: the image with the tables we run on, and the modules. */
static unsigned busy_ranges(struct range *out)
{
    unsigned count = 0;

    out[count++] = (struct range){LOAD_BASE, (uint64_t)image_boot_pointer(load_end)};
    for (unsigned i = 0; i < info.module_count; i++)
        out[count++] = info.modules[i].range;
    return count;
}

/* One table for each 512 GiB of RAM, or, without 1 GiB pages, for each GiB; what lies above RAM is small change. */
static uint64_t ept_pages(void)
{
    uint64_t top = info.memmap.count ? info.memmap.entries[info.memmap.count - 1].range.end : 0;

    return top / (virt_has_gib_pages() ? 512 * GIB : GIB);
}

static bool take_block(void)
{
    struct range busy[1 + BOOT_MODULES_MAX];
    unsigned count = busy_ranges(busy);
    uint64_t pool_pages = acpi.cpu_count * (virt_cpu_pages() + vmm_cpu_pages()) + ept_pages();

    block_plan(&block, (uint64_t)(image_end - image_start), acpi.cpu_count, CPU_PAGES,
               POOL_BYTES_MIN + pool_pages * PAGE_SIZE);
    return block_place(&block, &info.memmap, busy, count, &error) &&
           memmap_set(&info.memmap, block.range, MEMORY_RESERVED, &error);
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

static noreturn void ap_main(void)
{
    struct error problem;

    if (!virt_check_cpu(&problem) || !virt_start_cpu(&problem))
        crash("%s", problem.text);
    __atomic_add_fetch(&cpus_ready, 1, __ATOMIC_ACQ_REL);
    while (!__atomic_load_n(&go, __ATOMIC_ACQUIRE))
        cpu_pause();
    write_cr3(host_map_cr3()); /* the identity map is gone from the tables: from the TLB too */
    vmm_run_application_cpu();
}

static bool start_other_cpus(void)
{
    struct smp_plan plan = {
        .acpi = &acpi,
        .map = &info.memmap,
        .cr3 = host_map_cr3(),
        .pages = block.range.start + block.cpus_offset,
        .cpu_pages = CPU_PAGES,
        .entry = ap_main,
    };

    if (!smp_start(&plan, &error))
        return false;
    log_info("CPUs: %u of %u started, VMX on each", cpu_count, acpi.cpu_count);
    return true;
}

static bool build_ept(void)
{
    mtrr_msrs_read(&mtrr);
    return ept_init(&ept, &pool, &mtrr, block.range, mtrr.physical_bits, virt_has_gib_pages(), &error);
}

static void describe_screen(struct guest_source *source)
{
    const struct framebuffer *framebuffer = &info.framebuffer;

    source->screen.present = framebuffer->kind == FRAMEBUFFER_RGB || framebuffer->kind == FRAMEBUFFER_TEXT;
    source->screen.text = framebuffer->kind == FRAMEBUFFER_TEXT;
    source->screen.address = framebuffer->address;
    source->screen.pitch = framebuffer->pitch;
    source->screen.width = framebuffer->width;
    source->screen.height = framebuffer->height;
    source->screen.bits_per_pixel = framebuffer->bits_per_pixel;
    source->screen.red_position = framebuffer->red_position;
    source->screen.red_size = framebuffer->red_size;
    source->screen.green_position = framebuffer->green_position;
    source->screen.green_size = framebuffer->green_size;
    source->screen.blue_position = framebuffer->blue_position;
    source->screen.blue_size = framebuffer->blue_size;
}

static void describe_modules(struct guest_source *source)
{
    source->kernel = info.modules[0].range;
    source->command_line = info.modules[0].string;
    if (info.module_count > 1)
        source->initrd = info.modules[1].range;
    for (unsigned i = 1; i < info.module_count; i++)
        source->modules[source->module_count++] = (struct guest_module){info.modules[i].range, info.modules[i].string};
}

static bool load_guest(struct guest_entry *entry)
{
    struct guest_source source = {
        .loader_name = "Plinth " PLINTH_VERSION,
        .rsdp = rsdp_find(info.rsdp, info.rsdp_size),
        .rsdp_copy = info.rsdp,
        .rsdp_size = info.rsdp_size,
        .block = block.range,
        .memmap = &info.memmap,
    };

    describe_modules(&source);
    describe_screen(&source);
    return guest_load(&source, entry, &error);
}

static noreturn void launch(const struct guest_entry *guest)
{
    struct entry32 entry = {.eip = guest->eip,
                            .eax = guest->eax,
                            .ebx = guest->ebx,
                            .esi = guest->esi,
                            .gdt_base = guest->gdt_base,
                            .gdt_limit = guest->gdt_limit,
                            .code_selector = guest->code_selector,
                            .data_selector = guest->data_selector};

    while (__atomic_load_n(&cpus_ready, __ATOMIC_ACQUIRE) + 1 < cpu_count)
        cpu_pause();
    host_map_drop_low();
    write_cr3(host_map_cr3());
    log_info("Guest: entered %lu ticks after the multiboot entry", rdtsc() - entry_tsc);
    console_flush();
    console_yield_screen();
    __atomic_store_n(&go, 1, __ATOMIC_RELEASE);
    vmm_run_boot_cpu(&entry);
}

/* On the boot CPU's final stack, with W^X tables. */
static noreturn void boot_in_block(void)
{
    struct guest_entry entry;

    must(build_ept());
    must(virt_init(&pool, &ept, &error));
    must(virt_start_cpu(&error));
    must(start_other_cpus());
    must(vmm_init(&pool, &ept, &mtrr, &acpi, &error));
    must(load_guest(&entry));
    must(host_map_seal(&error));
    launch(&entry);
}

void boot_main(uint32_t magic, uint32_t information, uint64_t tsc)
{
    exception_init();
    exception_load_idt();
    entry_tsc = tsc;
    start_first_console();
    must(read_boot_information(magic, information));
    start_consoles();
    must(check_modules());
    must(acpi_parse(info.rsdp, info.rsdp_size, &acpi, &error));
    reset_init(&acpi);
    clock_init(acpi.pm_timer_port);
    must(virt_check_cpu(&error));
    must(take_block());
    log_info("Memory: %lu MiB; Plinth's block at %lx, %lu KiB", memmap_ram_bytes(&info.memmap) / MIB, block.range.start,
             range_size(block.range) / KIB);
    block_move_in(&block);
    must(start_boot_cpu());
    asm volatile("mov %0, %%rsp; xor %%ebp, %%ebp; jmp *%1"
                 :
                 : "r"(CPU_BASE + CPU_STACK_TOP), "r"(boot_in_block)
                 : "memory");
    __builtin_unreachable();
}
