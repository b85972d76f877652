/* Linked into images for boot tests: a bad value in one VMCS field right before the first entry (tests/boot/boot.mk).
 */
#include "arch/x86/virt.h"
#include "arch/x86/vmx/vmcs.h"

noreturn void __real_virt_launch(void);
noreturn void __wrap_virt_launch(void);

void __wrap_virt_launch(void)
{
    vmwrite_raw(PLANT_FIELD, PLANT_VALUE);
    __real_virt_launch();
}
