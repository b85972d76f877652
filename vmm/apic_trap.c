/*
 * ap_start=icr: seeing the guest's ICR writes while CPUs wait to be started. In x2APIC mode the MSR bitmap does it. In
 * xAPIC mode the page is write-protected, and the one store makes a detour to a scratch page; what it left there is
 * then written to the real register or carried out by message.
 */
#include "vmm/apic_trap.h"

#include "arch/x86/instr.h"
#include "arch/x86/lapic.h"
#include "arch/x86/regs.h"
#include "lib/log.h"
#include "vmm/ap_start.h"
#include "vmm/guest_watch.h"
#include "vmm/shootdown.h"
#include "vmm/table_pool.h"
#include "vmm/vmm.h"

enum { REGISTER_MASK = 0xff0 };

static uint64_t apic_page;
static bool installed;

static struct range page(void)
{
    return (struct range){apic_page, apic_page + PAGE_SIZE};
}

uint64_t apic_trap_denies(uint64_t address, uint64_t *end)
{
    bool inside = address - apic_page < PAGE_SIZE;
    uint64_t boundary = inside ? page().end : apic_page;

    if (boundary > address && boundary < *end)
        *end = boundary;
    return inside && __atomic_load_n(&installed, __ATOMIC_ACQUIRE) ? EPT_WRITE : 0;
}

bool apic_trap_settle(struct ept *ept)
{
    uint64_t end = page().end;

    return table_pool_protect(ept, apic_page, page().end, EPT_ALL & ~apic_trap_denies(apic_page, &end));
}

static bool install(void)
{
    __atomic_store_n(&installed, true, __ATOMIC_RELEASE);
    virt_intercept_msr(MSR_X2APIC_ICR, false, true);
    return guest_watch_settle(page());
}

bool apic_trap_init(struct error *error)
{
    apic_page = rdmsr(MSR_IA32_APIC_BASE) & ~APIC_BASE_FLAGS & ~(uint64_t)0xff;
    if (ap_start_needs_trap() && !install())
        return fail(error, "Memory: the page pool ran out while protecting the local APIC: report this as a defect");
    return true;
}

void apic_trap_restore(void)
{
    if (__atomic_load_n(&installed, __ATOMIC_ACQUIRE))
        return;
    if (!install())
        log_warning("cpu%u: no page left to trap the local APIC: it can't be started again", cpu_this()->index);
    shootdown();
}

/* Giving a right needs no INVEPT: who still has the old translation exits once more and finds it (SDM vol.
 * 3, 28.3.3.4). */
static void remove_trap(void)
{
    if (!__atomic_exchange_n(&installed, false, __ATOMIC_ACQ_REL))
        return;
    virt_intercept_msr(MSR_X2APIC_ICR, false, false);
    if (!guest_watch_settle(page()))
        log_warning("the local APIC stays trapped: no page left for the EPT");
}

/* Who writes to its APIC can wait for that, a CPU that has just got its SIPI can't. An INIT may come in between. */
static bool is_outlived(void)
{
    if (likely(ap_start_needs_trap()))
        return false;
    remove_trap();
    if (ap_start_needs_trap())
        apic_trap_restore();
    return true;
}

bool apic_trap_write(uint64_t address)
{
    struct vmm_cpu *me = vmm_cpu(cpu_this());

    if (address - apic_page >= PAGE_SIZE || !__atomic_load_n(&installed, __ATOMIC_ACQUIRE))
        return false;
    if (unlikely(is_outlived())) {
        detour_end(&me->detour);
        return true;
    }
    me->trapped_register = address & REGISTER_MASK;
    /* an instruction that reads first finds what the register holds */
    mmio_write32(me->detour.scratch + me->trapped_register, lapic_read(me->trapped_register));
    detour_begin(&me->detour, DETOUR_APIC, page());
    return true;
}

void apic_trap_stepped(void)
{
    struct vmm_cpu *me = vmm_cpu(cpu_this());
    uint32_t value = mmio_read32(me->detour.scratch + me->trapped_register);

    if (me->trapped_register == LAPIC_ICR_LOW && ap_start_send(value, lapic_read(LAPIC_ICR_HIGH) >> 24))
        return;
    lapic_write(me->trapped_register, value);
}

bool apic_trap_x2apic_icr(uint64_t value)
{
    return __atomic_load_n(&installed, __ATOMIC_ACQUIRE) && !is_outlived() &&
           ap_start_send((uint32_t)value, (uint32_t)(value >> 32));
}
