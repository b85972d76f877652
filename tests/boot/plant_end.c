/* Linked into images for boot tests: a bad end right after the first entry (tests/boot/boot.mk). PLANT_END names which.
 */
#include "arch/x86/crash.h"
#include "arch/x86/virt.h"
#include "arch/x86/vmx/controls.h"
#include "arch/x86/vmx/vmcs.h"
#include "vmm/vmm.h"

noreturn void __real_virt_launch(void);
noreturn void __wrap_virt_launch(void);
void plant_exit(void), plant_misconfiguration(void), plant_panic(void);

/* An exit that nobody asked for: the guest executes HLT sooner or later. */
void plant_exit(void)
{
    const uint32_t hlt_exiting = BIT(7);

    vmwrite32(VMCS_PRIMARY_CONTROLS, vmread32(VMCS_PRIMARY_CONTROLS) | hlt_exiting);
}

/* SDM vol. 3, 28.2.3.1: writable but not readable; the page that the guest begins in */
void plant_misconfiguration(void)
{
    struct pgtable_leaf leaf = pgtable_lookup(&guest_ept->table, vcpu_rip());

    *leaf.slot = leaf.entry & ~(uint64_t)EPT_READ;
}

/* What Plinth finds impossible: a VMCS field that isn't there. */
void plant_panic(void)
{
    vmwrite_failed(0x7ffe, 1);
}

void __wrap_virt_launch(void)
{
    PLANT_END();
    __real_virt_launch();
}
