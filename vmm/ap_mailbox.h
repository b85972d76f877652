/*
 * What other CPUs have sent to one: INIT and startup IPIs, in a word that changes by compare-and-exchange, with the
 * rules of SDM vol. 3, 8.4: INIT ends whatever the CPU does, a startup IPI counts only in a CPU that waits for one, and
 * the first one wins. Pure; senders on any CPU, takers on the CPU itself.
 */
#pragma once

#include "lib/compiler.h"

struct ap_mailbox {
    uint32_t word; /* 0: the CPU runs and nothing is on its way to it */
};

/* As after power-on: waits for a startup IPI. */
void ap_mailbox_reset(struct ap_mailbox *mailbox);

/* Both say whether the CPU must be woken to look. */
must_check bool ap_mailbox_send_init(struct ap_mailbox *mailbox);
must_check bool ap_mailbox_send_startup(struct ap_mailbox *mailbox, uint8_t vector);

/* True if an INIT had come: the CPU waits from now on, and a startup IPI that followed the INIT is kept. */
must_check bool ap_mailbox_take_init(struct ap_mailbox *mailbox);

/* The CPU waits because of an INIT that reached it by hardware. */
void ap_mailbox_wait(struct ap_mailbox *mailbox);

/* True if a startup IPI had come: the CPU runs from now on. */
must_check bool ap_mailbox_take_startup(struct ap_mailbox *mailbox, uint8_t *vector);

/* The CPU runs, whatever had come. */
void ap_mailbox_run(struct ap_mailbox *mailbox);
