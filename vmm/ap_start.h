/* INIT and SIPI among the guest's CPUs. Root mode, the CPU itself. */
#pragma once

#include "arch/x86/acpi.h"
#include "lib/error.h"

/* Chooses between `wait` and `icr`; boot CPU, before launch. Fails if the option asks for what the CPU hasn't got. */
must_check bool ap_start_init(const struct acpi_info *acpi, struct error *error);

/* CPUs wait to be started, and the senders' ICR writes must be seen for that. */
bool ap_start_needs_trap(void);

/* An application CPU's first moments: returns when it may enter the guest. */
void ap_start_wait(void);

/* An INIT has reached this CPU. May park it: returns when it may enter the guest. */
void ap_start_handle_init(void);

/* A SIPI has reached this CPU in wait-for-SIPI. */
void ap_start_handle_startup(uint8_t vector);

/* Looks for an INIT by message. */
void ap_start_handle_mailbox(void);

/* The guest writes this to its ICR. True if it was an INIT or SIPI to CPUs that Plinth runs, and is done; false: the
 * real APIC is to have it. */
must_check bool ap_start_send(uint32_t icr_low, uint32_t destination);
