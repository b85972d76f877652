/* Giving the machine to the guest, on Plinth or without it. */
#include "arch/x86/console.h"
#include "arch/x86/cpu.h"
#include "arch/x86/crash.h"
#include "arch/x86/instr.h"
#include "arch/x86/virt.h"
#include "boot/boot.h"
#include "boot/guest_source.h"
#include "boot/host_map.h"
#include "boot/image.h"
#include "boot/native.h"
#include "boot/smp.h"
#include "boot/steps.h"
#include "guest/load.h"
#include "lib/log.h"
#include "lib/log_ring.h"
#include "lib/options.h"
#include "vmm/vmm.h"

static struct guest_source source;
static struct guest_entry guest;

void must(bool ok)
{
    if (!ok)
        refuse(&boot.error);
}

void need(bool ok)
{
    if (ok)
        return;
    if (options.fallback == FALLBACK_NEVER)
        refuse(&boot.error);
    log_error("%s", boot.error.text);
    give_natively();
}

static void describe_guest(void)
{
    guest_source_describe(&boot.info, &boot.free_memory, &source);
    source.old_log = boot.old_log;
    source.has_old_log = boot.has_old_log;
}

bool give_load_guest(void)
{
    describe_guest();
    source.block = boot.block.range;
    return guest_load(&source, &guest, &boot.error);
}

/* What we still run on: the block, and until its page tables are in use those where the image was loaded. */
static void avoid_ourselves(void)
{
    source.avoid[source.avoid_count++] = boot.block.range;
    if (cpu_count == 0)
        source.avoid[source.avoid_count++] = image_loaded();
}

/* The block, and a place that no log needs: ordinary RAM for a guest without Plinth. */
static bool return_memory(void)
{
    if (!boot.has_old_log) {
        if (!memmap_set(&boot.info.memmap, boot.old_log, MEMORY_RAM, &boot.error))
            return false;
        boot.old_log = (struct range){0, 0};
    }
    return memmap_set(&boot.info.memmap, boot.block.range, MEMORY_RAM, &boot.error);
}

noreturn void give_natively(void)
{
    struct error problem;

    log_warning("NATIVE: the guest starts on the bare machine, WITHOUT Plinth (fallback=never stops instead)");
    if (cpu_count > 0)
        virt_stop_cpu();
    if (cpu_count > 1) {
        if (!steps_take(STEP_NATIVE, &problem))
            log_debug("%s", problem.text);
        smp_reset(&boot.acpi);
    }
    must(return_memory());
    describe_guest();
    avoid_ourselves();
    must(guest_load(&source, &guest, &boot.error));
    console_flush();
    console_yield_screen();
    log_ring_forget(log_ring()); /* its memory is the guest's from now on */
    native_start(&guest, boot.moved_in ? boot.block.range.start : load_base);
}

noreturn void give_machine(void)
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
    take_log_pool();
    log_info("Guest: entered %lu ticks after the multiboot entry", rdtsc() - boot.entry_tsc);
    console_flush();
    console_yield_screen();
    steps_run_guest();
    vmm_run_boot_cpu(&entry);
}
