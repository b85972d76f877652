/*
 * Linked into an image for boot tests: a fault of Plinth's own with the screen given up, as it is after the hand-over,
 * on a machine that has no VMX, but a framebuffer.
 */
#include "arch/x86/console.h"
#include "boot/preflight.h"
#include "lib/log.h"

bool __wrap_preflight_report(const struct property_set *firmware, const struct property_set *cpu, uint64_t boot_cpu,
                             enum preflight how, struct error *error);

bool __wrap_preflight_report(const struct property_set *firmware, const struct property_set *cpu, uint64_t boot_cpu,
                             enum preflight how, struct error *error)
{
    (void)firmware, (void)cpu, (void)boot_cpu, (void)how, (void)error;
    console_yield_screen();
    log_info("the screen is the guest's");
    __builtin_trap();
}
