/* I/O ports that the guest doesn't get: the I/O bitmaps (SDM vol. 3, 24.6.4 "I/O-Bitmap Addresses"), shared by all
 * CPUs. Without such a port there are no bitmaps, and no access exits. */
#include "arch/x86/vmx/controls.h"
#include "arch/x86/vmx/vcpu.h"
#include "arch/x86/vmx/vmcs.h"
#include "lib/error.h"
#include "mm/pool.h"

enum { PORTS_A_PAGE = 0x8000 };

static uint8_t *bitmaps[2];

static bool create_bitmaps(struct error *error)
{
    if (!(vmx.capabilities.primary >> 32 & PRIMARY_IO_BITMAPS))
        return fail(error, "VT-x: this CPU has no I/O bitmaps: use console=com1,passthrough or console=none");
    for (unsigned i = 0; i < ARRAY_SIZE(bitmaps); i++) {
        if (!bitmaps[i] && !(bitmaps[i] = pool_get(vmx.pool)))
            return fail(error, "Memory: no page for an I/O bitmap: report this as a defect");
    }
    return true;
}

bool virt_intercept_ports(uint16_t first, uint16_t count, struct error *error)
{
    if (!create_bitmaps(error))
        return false;
    for (uint32_t port = first; port < (uint32_t)first + count && port < 2 * PORTS_A_PAGE; port++)
        bitmaps[port / PORTS_A_PAGE][port % PORTS_A_PAGE / 8] |= (uint8_t)(1 << port % 8);
    return true;
}

void vcpu_set_port_intercepts(void)
{
    if (!bitmaps[0])
        return;
    vmwrite64(VMCS_IO_BITMAP_A, pool_physical(vmx.pool, bitmaps[0]));
    vmwrite64(VMCS_IO_BITMAP_B, pool_physical(vmx.pool, bitmaps[1]));
    vmwrite32(VMCS_PRIMARY_CONTROLS, vmread32(VMCS_PRIMARY_CONTROLS) | PRIMARY_IO_BITMAPS);
}
