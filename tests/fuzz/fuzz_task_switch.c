/*
 * A task switch with everything from the input: both TSSs, both tables, page tables, the request. It must end; before
 * the commit point nothing may have changed, and what comes after must be a state that a VM entry takes.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/host/guest_world.h"
#include "tests/host/task_check.h"
#include "vmm/task_switch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { GDT = 0x1000, LDT = 0x1100, TSS = 0x1200, DIRECTORY = 0x2000, MARKED = 0x60 /* accessed, dirty */ };

struct packed head {
    uint16_t selector, gdt_limit, old_selector;
    uint32_t eflags, cr4, error, old_base;
    uint8_t source, flags, vector, old_type;
    uint16_t segments[TASK_LDTR];
};

static uint8_t before[GUEST_WORLD_BYTES];

static void check(bool right)
{
    if (!right)
        abort();
}

/* Any state that a VM entry would take. */
static void old_task(struct task_state *state, const struct head *h)
{
    static const uint32_t rights[] = {0xc093, 0xc09b, 0xc093, 0xc093, RIGHTS_UNUSABLE, 0x93};

    *state = (struct task_state){.eip = h->error,
                                 .eflags = (h->eflags & 0x1f7fd5) | 2,
                                 .gdt_base = GDT,
                                 .gdt_limit = h->gdt_limit & 0x1ff,
                                 .dr7 = 0x400 | (h->cr4 & 0x3ff)};
    for (enum task_segment_index i = TASK_ES; i < TASK_LDTR; i++)
        state->segments[i] = (struct task_segment){h->segments[i], 0, 0xffffffff, rights[i]};
    state->segments[TASK_LDTR] = (struct task_segment){.rights = RIGHTS_UNUSABLE};
    state->segments[TASK_TR] = (struct task_segment){h->old_selector & 0x1f8, h->old_base & 0x3fff, h->old_base >> 16,
                                                     h->old_type & 1 ? 0x8b : 0x83};
    state->paging = (struct guest_paging){.cr0 = 1 | (h->flags & 1 ? 0x80000000 : 0) | (h->flags & 2 ? 0x10000 : 0),
                                          .cr3 = DIRECTORY,
                                          .cr4 = h->cr4,
                                          .pdpte = {DIRECTORY | 1, 0, 0, 0},
                                          .physical_bits = 40};
}

/* Page tables aside, where the walk leaves its marks, nothing may differ. */
static bool unchanged(void)
{
    if (!memcmp(guest_world, before, sizeof(before)))
        return true;
    for (unsigned i = 0; i < GUEST_WORLD_BYTES; i++)
        if (guest_world[i] != before[i] && (guest_world[i] & ~MARKED) != (before[i] & ~MARKED))
            return false;
    return true;
}

static void check_outcome(const struct task_state *state, const struct task_state *old,
                          const struct task_outcome *outcome)
{
    if (outcome->committed) {
        check(outcome->result != TASK_REFUSED);
        check(task_enterable(state, outcome->result != TASK_SWITCHED));
    } else {
        check(outcome->result != TASK_SWITCHED);
        check(!memcmp(state, old, sizeof(*state)) && unchanged());
    }
    if (outcome->result == TASK_FAULTED)
        check(outcome->vector == 8 || (outcome->vector >= 10 && outcome->vector <= 14));
    check(!outcome->trap || outcome->result == TASK_SWITCHED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct task_state state, old;
    struct task_request request;
    struct task_outcome outcome;
    struct head h;

    if (size < sizeof(h))
        return 0;
    memcpy(&h, data, sizeof(h));
    data += sizeof(h);
    size -= sizeof(h);
    memset(guest_world, 0, sizeof(guest_world));
    memcpy(guest_world + GDT, data, size < 0x2000 ? size : 0x2000);
    guest_world_set(DIRECTORY, 8, h.flags & 4 ? guest_world_get(DIRECTORY, 8) : 0xe7);
    old_task(&old, &h);
    state = old;
    request = (struct task_request){.source = h.source & 3,
                                    .selector = h.selector,
                                    .next_eip = h.error,
                                    .has_error = h.flags & 8,
                                    .error = h.error,
                                    .external = h.flags & 16,
                                    .is_exception = h.flags & 32,
                                    .vector = h.vector & 31};
    memcpy(before, guest_world, sizeof(before));
    task_switch(&state, &request, &outcome);
    check_outcome(&state, &old, &outcome);
    return 0;
}
