#include "vmm/ap_mailbox.h"

enum { VECTOR = 0xff, WAITING = 1 << 8, INIT = 1 << 9, STARTUP = 1 << 10 };

static uint32_t load(const struct ap_mailbox *mailbox)
{
    return __atomic_load_n(&mailbox->word, __ATOMIC_ACQUIRE);
}

static bool exchange(struct ap_mailbox *mailbox, uint32_t *old, uint32_t new)
{
    return __atomic_compare_exchange_n(&mailbox->word, old, new, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

void ap_mailbox_reset(struct ap_mailbox *mailbox)
{
    __atomic_store_n(&mailbox->word, WAITING, __ATOMIC_RELEASE);
}

/* To a CPU that waits an INIT changes nothing but that a startup IPI before it is void. */
bool ap_mailbox_send_init(struct ap_mailbox *mailbox)
{
    uint32_t old = load(mailbox);

    while (!exchange(mailbox, &old, old & WAITING ? WAITING : INIT))
        ;
    return !(old & WAITING);
}

bool ap_mailbox_send_startup(struct ap_mailbox *mailbox, uint8_t vector)
{
    uint32_t old = load(mailbox);

    do {
        if (!(old & (WAITING | INIT)) || old & STARTUP)
            return false;
    } while (!exchange(mailbox, &old, old | STARTUP | vector));
    return true;
}

bool ap_mailbox_take_init(struct ap_mailbox *mailbox)
{
    uint32_t old = load(mailbox);

    do {
        if (!(old & INIT))
            return false;
    } while (!exchange(mailbox, &old, (old & ~(uint32_t)INIT) | WAITING));
    return true;
}

void ap_mailbox_wait(struct ap_mailbox *mailbox)
{
    __atomic_fetch_or(&mailbox->word, WAITING, __ATOMIC_ACQ_REL);
}

bool ap_mailbox_take_startup(struct ap_mailbox *mailbox, uint8_t *vector)
{
    uint32_t old = load(mailbox);

    do {
        if (!(old & STARTUP))
            return false;
    } while (!exchange(mailbox, &old, 0));
    *vector = old & VECTOR;
    return true;
}

void ap_mailbox_run(struct ap_mailbox *mailbox)
{
    __atomic_store_n(&mailbox->word, 0, __ATOMIC_RELEASE);
}
