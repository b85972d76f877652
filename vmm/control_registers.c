/*
 * Writes of CR0 and CR4 that exit: for the sake of bits that VMX holds fixed, or that stand for what is hidden. CR0.NE
 * the guest may think what it likes of: its view changes, and the instruction, executed again, loads the rest natively.
 */
#include "arch/x86/regs.h"
#include "vmm/vmm.h"

enum { TYPE_BUSY_TSS16 = 3, RIGHTS_TYPE = 0xf };

/* Loading CR0 with paging on in PAE mode loads the PDPTE registers too, if one of these bits changes (4.4.1). */
static bool pdptes_load(uint64_t value)
{
    const uint64_t load_pdptes = CR0_CD | CR0_NW | CR0_PG;
    struct guest_paging paging;

    vcpu_paging(&paging);
    if (!(value & CR0_PG) || !(paging.cr4 & CR4_PAE) || paging.efer & EFER_LME || !((value ^ paging.cr0) & load_pdptes))
        return true;
    return guest_walk_load_pdptes(&paging);
}

/* A change of paging itself: vol. 2, "MOV - Move to/from Control Registers"; vol. 3, 9.8.5 */
static bool paging_may_change(const struct vcpu_registers *now, uint64_t value)
{
    if (!(value & CR0_PG))
        return !(now->cr4 & CR4_PCIDE) && !vcpu_is_64bit();
    if (!(now->efer & EFER_LME))
        return true;
    return now->cr4 & CR4_PAE && !vcpu_is_64bit() && !(now->segments[VCPU_CS].rights & RIGHTS_LONG_CODE) &&
           (now->segments[VCPU_TR].rights & RIGHTS_TYPE) != TYPE_BUSY_TSS16;
}

/* Would the CPU load this? If it won't, the guest's view must stay what it is: #GP changes nothing. */
static bool loads(uint64_t value)
{
    struct vcpu_registers now;

    vcpu_get_registers(&now);
    if (value >> 32 || (value & CR0_NW && !(value & CR0_CD)) || (value & CR0_PG && !(value & CR0_PE)))
        return false;
    if (now.cr4 & CR4_CET && !(value & CR0_WP))
        return false;
    if ((value ^ now.cr0) & CR0_PG && !paging_may_change(&now, value))
        return false;
    return pdptes_load(value);
}

enum exit_action control_register_exit(const struct vm_exit *exit)
{
    if (exit->cr.number != 0 || !loads(exit->cr.value))
        return ACTION_GP;
    vcpu_show_cr0(exit->cr.value);
    return ACTION_RESUME;
}
