/* Event injection and its bookkeeping (SDM vol. 3, 24.8.3, 24.9.2, 24.9.3, table 24-3). */
#pragma once

#include "arch/x86/regs.h"

/* VM-entry interruption information, VM-exit interruption information and IDT-vectoring information share this format.
 */
enum {
    INTERRUPTION_VECTOR = 0xff,
    INTERRUPTION_TYPE = 7 << 8,
    INTERRUPTION_EXTERNAL = 0 << 8,
    INTERRUPTION_NMI = 2 << 8,
    INTERRUPTION_HARDWARE_EXCEPTION = 3 << 8,
    INTERRUPTION_SOFTWARE_INTERRUPT = 4 << 8,
    INTERRUPTION_PRIVILEGED_SOFTWARE_EXCEPTION = 5 << 8,
    INTERRUPTION_SOFTWARE_EXCEPTION = 6 << 8,
    INTERRUPTION_OTHER = 7 << 8, /* a pending MTF exit */
    INTERRUPTION_ERROR_CODE = BIT(11),
    INTERRUPTION_NMI_UNBLOCKING = BIT(12),
};
#define INTERRUPTION_VALID ((uint32_t)BIT(31))

enum {
    BLOCKING_BY_STI = BIT(0),
    BLOCKING_BY_MOV_SS = BIT(1),
    BLOCKING_BY_SMI = BIT(2),
    BLOCKING_BY_NMI = BIT(3),
    ENCLAVE_INTERRUPTION = BIT(4),
};

enum { PENDING_DEBUG_BS = BIT(14) }; /* table 24-4 "Format of Pending-Debug-Exceptions" */

/* The guest's TF traps after each instruction, not after branches only. */
must_check bool events_is_single_stepped(void);
/* Such a trap is due at the next entry. */
void events_note_single_step(void);
/* An exit under blocking by MOV SS may note a single step of the guest's as pending, or not (27.3.4); an entry under
 * such blocking fails without (26.3.1.5). True: it was so, and now an entry is possible. */
must_check bool events_mend_single_step(void);

/* An event was being delivered when the exit happened: it is delivered again at the next entry, unless something else
 * is injected. */
void events_reinject(void);
