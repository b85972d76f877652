/*
 * INIT and SIPI for the guest's CPUs. Two ways (docs/architecture.md): `wait`, the vCPU sits in VMX's wait-for-SIPI
 * state and the hardware does it; `icr`, the CPU is parked in root mode and the sender's ICR write is carried out by
 * message.
 */
#include "vmm/ap_start.h"
#include "arch/x86/instr.h"
#include "arch/x86/lapic.h"
#include "arch/x86/regs.h"
#include "lib/log.h"
#include "lib/options.h"
#include "lib/string.h"
#include "vmm/apic_trap.h"
#include "vmm/shootdown.h"
#include "vmm/vmm.h"

enum { DESTINATION_ALL = 0xffffffff, XAPIC_DESTINATION_ALL = 0xff };
enum { SHORTHAND_NONE, SHORTHAND_SELF, SHORTHAND_ALL, SHORTHAND_OTHERS };

static enum ap_start mode;
static uint32_t started_count;

/*
 * Bochs up to 2.7 leaves an INIT pending after its exit and keeps NMI and SMI masked after a SIPI exit, so
 * wait-for-SIPI can't start a CPU there; later versions still keep an INIT pending that reaches a waiting CPU. Its
 * firmware's tables say "BOCHS "; QEMU's do too, but there VMX comes with KVM, which shows the hypervisor bit.
 */
static bool is_bochs(const struct acpi_info *acpi)
{
    return !strcmp(acpi->oem_id, "BOCHS ") && !(cpuid(1, 0).ecx & CPUID_1_ECX_HYPERVISOR);
}

static enum ap_start choose(const struct acpi_info *acpi, const char **reason)
{
    *reason = "as asked for";
    if (options.ap_start != AP_START_AUTO)
        return options.ap_start;
    *reason = "as Bochs's wait-for-SIPI is broken";
    if (is_bochs(acpi))
        return AP_START_ICR;
    *reason = virt_has_wait_for_sipi() ? "as the CPU has wait-for-SIPI" : "as the CPU has no wait-for-SIPI";
    return virt_has_wait_for_sipi() ? AP_START_WAIT : AP_START_ICR;
}

bool ap_start_init(const struct acpi_info *acpi, struct error *error)
{
    const char *reason;

    mode = choose(acpi, &reason);
    if (mode == AP_START_WAIT && !virt_has_wait_for_sipi())
        return fail(error, "ap_start=wait: this CPU has no wait-for-SIPI activity state (IA32_VMX_MISC bit 8): use "
                           "ap_start=icr or leave it out");
    started_count = 1;
    log_info("AP start: ap_start=%s, %s",
             mode == AP_START_WAIT  ? "wait"
             : mode == AP_START_ICR ? "icr"
                                    : "icr-always",
             reason);
    return true;
}

bool ap_start_needs_trap(void)
{
    return mode == AP_START_ICR_ALWAYS ||
           (mode == AP_START_ICR && __atomic_load_n(&started_count, __ATOMIC_ACQUIRE) < cpu_count);
}

/*
 * A guest may send the SIPI microseconds after the INIT, and it is lost if it comes before the entry: what INIT does to
 * the registers and the local APIC is made up for when the SIPI has come. Nothing else gets the CPU out of that state
 * (no NMI either), and then it catches up first.
 */
static void enter_wait_for_sipi(void)
{
    shootdown_quiet(cpu_this());
    vcpu_set_wait_for_sipi();
}

/* An NMI that came meanwhile is lost, or has come by now: without this a kick that was one would be thought to be under
 * way for ever, and none sent any more. What it was for is slow work, which is still to be done. */
void ap_start_handle_startup(uint8_t vector)
{
    __atomic_store_n(&cpu_this()->kicked, 0, __ATOMIC_RELEASE);
    vcpu_set_init();
    lapic_reset();
    vcpu_set_startup(vector);
    shootdown_awake(cpu_this());
}

/* In root mode until another CPU sends a SIPI. */
static void park(void)
{
    struct ap_mailbox *mailbox = &vmm_cpu(cpu_this())->mailbox;
    uint8_t vector;

    shootdown_quiet(cpu_this());
    while (!ap_mailbox_take_startup(mailbox, &vector))
        virt_sleep_unless_kicked();
    cpu_this()->nmi_count = 0; /* a CPU that waits for a SIPI takes no NMI (8.4.2) */
    shootdown_awake(cpu_this());
    vcpu_set_startup(vector);
    __atomic_store_n(&cpu_this()->slow_work, 1, __ATOMIC_RELEASE); /* the kick may have been for more than the SIPI */
    __atomic_add_fetch(&started_count, 1, __ATOMIC_ACQ_REL);
}

void ap_start_wait(void)
{
    if (mode == AP_START_WAIT)
        enter_wait_for_sipi();
    else
        park();
}

/* The boot CPU starts again at the reset vector, the others wait for a SIPI (SDM vol. 3, 8.4.2, 25.2). */
void ap_start_handle_init(void)
{
    struct ap_mailbox *mailbox = &vmm_cpu(cpu_this())->mailbox;
    bool boot_cpu = cpu_this()->index == 0;

    if (mode == AP_START_WAIT && !boot_cpu) {
        enter_wait_for_sipi();
        return;
    }
    detour_end(&vmm_cpu(cpu_this())->detour); /* one that was to begin with the next entry */
    vcpu_set_init();
    lapic_reset(); /* an INIT that exits does nothing to it (25.2), one by message never reached it */
    if (boot_cpu) {
        ap_mailbox_run(mailbox);
        return;
    }
    ap_mailbox_wait(mailbox);
    __atomic_sub_fetch(&started_count, 1, __ATOMIC_ACQ_REL);
    apic_trap_restore();
    park();
}

void ap_start_handle_mailbox(void)
{
    if (ap_mailbox_take_init(&vmm_cpu(cpu_this())->mailbox))
        ap_start_handle_init();
}

static void post(struct cpu *cpu, uint32_t icr_low)
{
    struct ap_mailbox *mailbox = &vmm_cpu(cpu)->mailbox;
    bool wake = (icr_low & ICR_DELIVERY_MASK) == ICR_INIT ? ap_mailbox_send_init(mailbox)
                                                          : ap_mailbox_send_startup(mailbox, (uint8_t)icr_low);

    if (wake)
        virt_kick(cpu);
}

/* x2APIC: the logical ID follows from the APIC ID (SDM vol. 3, 10.12.10.2). An xAPIC's is the guest's choice and
 * unknown here. */
static bool logical_match(uint32_t apic_id, uint32_t destination)
{
    return lapic_is_x2apic() && destination >> 16 == apic_id >> 4 && destination & (1u << (apic_id & 0xf));
}

static bool addressed(const struct cpu *cpu, uint32_t icr_low, uint32_t destination)
{
    bool self = cpu == cpu_this();

    switch ((icr_low & ICR_SHORTHAND_MASK) >> ICR_SHORTHAND_SHIFT) {
    case SHORTHAND_SELF:
        return self;
    case SHORTHAND_ALL:
        return true;
    case SHORTHAND_OTHERS:
        return !self;
    }
    if (icr_low & ICR_LOGICAL)
        return logical_match(cpu->apic_id, destination);
    return cpu->apic_id == destination ||
           destination == (lapic_is_x2apic() ? (uint32_t)DESTINATION_ALL : XAPIC_DESTINATION_ALL);
}

bool ap_start_send(uint32_t icr_low, uint32_t destination)
{
    uint32_t delivery = icr_low & ICR_DELIVERY_MASK;
    bool found = false;

    if (delivery != ICR_INIT && delivery != ICR_STARTUP)
        return false;
    if (delivery == ICR_INIT && icr_low & ICR_LEVEL && !(icr_low & ICR_ASSERT))
        return true; /* INIT level de-assert: no effect since the Pentium 4 */
    for (uint32_t i = 0; i < cpu_count; i++) {
        if (!addressed(cpu_at(i), icr_low, destination))
            continue;
        post(cpu_at(i), icr_low);
        found = true;
    }
    return found;
}
