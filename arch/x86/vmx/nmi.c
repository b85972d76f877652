/* NMIs that come while the CPU is in root mode, and NMIs that Plinth sends itself (SDM vol. 3, 6.7). */
#include "arch/x86/exception.h"
#include "arch/x86/lapic.h"
#include "arch/x86/vmx/vcpu.h"

static bool is_resuming(uint64_t rip)
{
    for (const struct code_range *range = vmx_resume_ranges; range < vmx_resume_ranges_end; range++)
        if (rip >= range->begin && rip < range->end)
            return true;
    return false;
}

/* The guest gets it at the next entry; and if the test before that entry has just been passed, it is made again. */
void nmi_in_root(struct exception_frame *frame)
{
    struct cpu *cpu = cpu_this();

    if (!__atomic_exchange_n(&cpu->kicked, 0, __ATOMIC_ACQ_REL))
        cpu->nmi_count = 1;
    __atomic_store_n(&cpu->slow_work, 1, __ATOMIC_RELEASE);
    if (is_resuming(frame->rip))
        frame->rip = (uint64_t)vmx_resume_slow;
    if (frame->rip >= (uint64_t)vmx_launch_begin && frame->rip < (uint64_t)vmx_launch_end)
        frame->rip = (uint64_t)vmx_launch_slow;
    if (frame->rip >= (uint64_t)vmx_sleep_begin && frame->rip < (uint64_t)vmx_sleep_end)
        frame->rip = (uint64_t)vmx_sleep_end;
}

void virt_kick(struct cpu *cpu)
{
    __atomic_store_n(&cpu->slow_work, 1, __ATOMIC_RELEASE);
    if (!__atomic_exchange_n(&cpu->kicked, 1, __ATOMIC_ACQ_REL) && !lapic_send(cpu->apic_id, ICR_NMI | ICR_ASSERT))
        __atomic_store_n(&cpu->kicked, 0, __ATOMIC_RELEASE); /* the guest has this APIC off */
}

/* An exit by NMI leaves NMIs blocked until the next IRET (27.5.5): the one that shall wake this CPU would not come. */
void virt_sleep_unless_kicked(void)
{
    struct cpu *cpu = cpu_this();

    vmx_unblock_nmis();
    vmx_sleep(&cpu->slow_work);
    __atomic_store_n(&cpu->slow_work, 0, __ATOMIC_SEQ_CST);
}
