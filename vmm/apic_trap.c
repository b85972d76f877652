/*
 * ap_start=icr: seeing the guest's ICR writes while CPUs wait to be started. In x2APIC mode the MSR bitmap does it. In
 * xAPIC mode the page is write-protected; the one store is let run against a scratch page (a view of the EPT that is
 * this CPU's own), so no instruction decoder is needed, and what it left there is then written to the real register or
 * carried out by message.
 */
#include "arch/x86/instr.h"
#include "arch/x86/lapic.h"
#include "arch/x86/regs.h"
#include "lib/log.h"
#include "lib/string.h"
#include "vmm/ap_start.h"
#include "vmm/vmm.h"

enum { REGISTER_MASK = 0xff0 };

static uint64_t apic_page;
static bool installed;

static bool create_view(struct cpu *cpu, struct pool *pool)
{
    struct vmm_cpu *v = vmm_cpu(cpu);

    v->scratch = pool_get(pool);
    if (!v->scratch || !ept_view_init(&v->view, guest_ept, apic_page))
        return false;
    v->scratch_physical = pool_physical(pool, v->scratch);
    return true;
}

bool apic_trap_install(struct pool *pool, struct error *error)
{
    if (!ap_start_needs_trap())
        return true;
    apic_page = rdmsr(MSR_IA32_APIC_BASE) & ~APIC_BASE_FLAGS & ~(uint64_t)0xff;
    virt_intercept_msr(MSR_X2APIC_ICR, false, true);
    if (!ept_protect(guest_ept, apic_page, apic_page + PAGE_SIZE, EPT_READ | EPT_EXECUTE))
        return fail(error, "Memory: the page pool ran out while protecting the local APIC: report this as a defect");
    for (uint32_t i = 0; i < cpu_count; i++)
        if (!create_view(cpu_at(i), pool))
            return fail(error, "Memory: the page pool ran out at the APIC view of cpu%u: report this as a defect", i);
    __atomic_store_n(&installed, true, __ATOMIC_RELEASE);
    return true;
}

/* Giving a right needs no INVEPT: who still has the old translation exits once more and finds it (SDM vol.
 * 3, 28.3.3.4). */
void apic_trap_remove(void)
{
    if (!__atomic_exchange_n(&installed, false, __ATOMIC_ACQ_REL))
        return;
    virt_intercept_msr(MSR_X2APIC_ICR, false, false);
    if (!ept_protect(guest_ept, apic_page, apic_page + PAGE_SIZE, EPT_ALL))
        log_warning("the local APIC stays trapped: no page left for the EPT");
}

bool apic_trap_write(uint64_t address)
{
    struct vmm_cpu *me = vmm_cpu(cpu_this());
    uint64_t pointer;

    if (address - apic_page >= PAGE_SIZE || !__atomic_load_n(&installed, __ATOMIC_ACQUIRE))
        return false;
    me->trapped_register = address & REGISTER_MASK;
    /* an instruction that reads first finds what the register holds */
    mmio_write32(me->scratch + me->trapped_register, lapic_read(me->trapped_register));
    ept_view_set(&me->view, me->scratch_physical, EPT_READ | EPT_WRITE);
    pointer = ept_view_pointer(&me->view, virt_has_accessed_dirty());
    vcpu_flush_ept(pointer);
    vcpu_set_ept(pointer);
    me->in_view = true;
    vcpu_step_begin();
    return true;
}

void apic_trap_sync_view(uint64_t address)
{
    if (__atomic_load_n(&installed, __ATOMIC_ACQUIRE))
        ept_view_sync(&vmm_cpu(cpu_this())->view, address);
}

void apic_trap_leave_view(void)
{
    struct vmm_cpu *me = vmm_cpu(cpu_this());

    if (!me->in_view)
        return;
    me->in_view = false;
    vcpu_set_ept(guest_ept_pointer());
}

void apic_trap_stepped(void)
{
    struct vmm_cpu *me = vmm_cpu(cpu_this());
    uint32_t value = mmio_read32(me->scratch + me->trapped_register);

    if (me->trapped_register == LAPIC_ICR_LOW && ap_start_send(value, lapic_read(LAPIC_ICR_HIGH) >> 24))
        return;
    lapic_write(me->trapped_register, value);
}

bool apic_trap_x2apic_icr(uint64_t value)
{
    return __atomic_load_n(&installed, __ATOMIC_ACQUIRE) && ap_start_send((uint32_t)value, (uint32_t)(value >> 32));
}
