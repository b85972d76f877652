/* The boot, from the loader's entry to the guest's first instruction. */
#include "arch/x86/clock.h"
#include "arch/x86/exception.h"
#include "arch/x86/mitigations.h"
#include "arch/x86/reset.h"
#include "arch/x86/serial.h"
#include "arch/x86/virt.h"
#include "boot/boot.h"
#include "boot/consoles.h"
#include "boot/image.h"
#include "boot/multiboot2.h"
#include "boot/ram.h"
#include "lib/log.h"
#include "lib/options.h"
#include "lib/string.h"
#include "mm/phys.h"

enum { INFORMATION_MAX = 32 * 1024 };

struct boot boot;

static uint8_t information_copy[INFORMATION_MAX] aligned(8);

/* The loader's structure lies somewhere in RAM that the guest will get: it is copied before anything else. */
static bool read_boot_information(uint32_t magic, uint32_t physical)
{
    const uint32_t *size = phys_map(physical, sizeof(*size));

    if (magic != MULTIBOOT2_BOOTLOADER_MAGIC)
        return fail(&boot.error, "Boot: EAX is %x, not multiboot2's %x: load Plinth with GRUB's multiboot2 command",
                    magic, MULTIBOOT2_BOOTLOADER_MAGIC);
    if (!size || *size > INFORMATION_MAX)
        return fail(&boot.error, "Boot: the multiboot2 information has %u bytes, more than %u: pass fewer modules",
                    size ? *size : 0, INFORMATION_MAX);
    memcpy(information_copy, size, *size);
    return multiboot2_parse(information_copy, sizeof(information_copy), &boot.info, &boot.error);
}

static bool check_modules(void)
{
    struct range all = {0, 4 * GIB};

    if (!boot.info.module_count && !options.chainload)
        return fail(&boot.error, "Boot: no module: give GRUB a module2 line with the guest's kernel (and one with its "
                                 "initrd) below multiboot2");
    for (unsigned i = 0; i < boot.info.module_count; i++)
        if (!range_contains(all, boot.info.modules[i].range))
            return fail(&boot.error, "Boot: module %u lies above 4 GiB: use a boot loader that loads below", i + 1);
    return true;
}

/* On the boot CPU's final stack, with W^X tables. */
static noreturn void boot_in_block(void)
{
    need(take_other_cpus());
    need(take_preflight());
    if (options.fallback == FALLBACK_ALWAYS)
        give_natively();
    need(take_virtualization());
    must(give_load_guest()); /* the last step: it can't be taken twice */
    give_machine();
}

void boot_main(uint32_t magic, uint32_t information, uint64_t tsc)
{
    exception_init();
    exception_load_idt();
    boot.entry_tsc = tsc;
    boot_first_console();
    must(read_boot_information(magic, information));
    boot.screen = boot_consoles(&boot.info);
    serial_write("\n", 1); /* who had the line before may have ended in mid-line */
    log_info("Plinth " PLINTH_VERSION ", loaded by %s", boot.info.loader_name);
    log_debug("Boot: loaded at %lx", load_base);
    must(check_modules());
    must(ram_reserve_firmware(&boot.info, &boot.free_memory, &boot.error));
    need(acpi_parse(boot.info.rsdp, boot.info.rsdp_size, &boot.acpi, &boot.error));
    reset_init(&boot.acpi);
    clock_init(boot.acpi.pm_timer_port);
    virt_examine_cpu(); /* what the CPU has decides on the block's size */
    mitigations_init();
    need(take_block());
    log_info("Memory: %lu MiB; Plinth's block at %lx, %lu KiB", memmap_ram_bytes(&boot.info.memmap) / MIB,
             boot.block.range.start, range_size(boot.block.range) / KIB);
    take_old_log();
    image_move_to(boot.block.range, boot.block.image_bytes);
    boot.moved_in = true;
    need(take_boot_cpu());
    asm volatile("mov %0, %%rsp; xor %%ebp, %%ebp; jmp *%1"
                 :
                 : "r"(CPU_BASE + CPU_STACK_BOOT), "r"(boot_in_block)
                 : "memory");
    __builtin_unreachable();
}
