#include "vmm/detour.h"

#include "arch/x86/virt.h"
#include "vmm/vmm.h"

bool detour_init(struct detour *detour, struct pool *pool, struct ept *ept)
{
    detour->base = ept;
    detour->scratch = pool_get(pool);
    if (!detour->scratch || !ept_view_init(&detour->view, ept))
        return false;
    detour->scratch_physical = pool_physical(pool, detour->scratch);
    detour->view_pointer = ept_view_pointer(&detour->view, virt_has_accessed_dirty());
    return true;
}

static void enter(struct detour *detour, enum detour_purpose purpose, uint64_t pointer)
{
    vcpu_flush_ept(pointer);
    vcpu_set_ept(pointer);
    detour->purpose = purpose;
}

static bool is_aimed(const struct detour *detour, struct range range)
{
    const struct ept_view *view = &detour->view;

    return view->range.start == range.start && view->range.end == range.end && view->ept == detour->base &&
           !view->withheld;
}

void detour_begin(struct detour *detour, enum detour_purpose purpose, struct range range)
{
    if (!is_aimed(detour, range))
        ept_view_aim(&detour->view, detour->base, range, detour->scratch_physical);
    enter(detour, purpose, detour->view_pointer);
    vcpu_step_begin();
}

void detour_begin_open(struct detour *detour, struct ept *open)
{
    detour->base = open;
    enter(detour, DETOUR_OPEN, ept_pointer(open, virt_has_accessed_dirty()));
    vcpu_step_begin();
}

void detour_begin_inside(struct detour *detour, uint64_t page, struct ept *open)
{
    ept_view_aim_inside(&detour->view, guest_ept, page);
    detour->base = open;
    enter(detour, DETOUR_INSIDE, detour->view_pointer);
}

void detour_end(struct detour *detour)
{
    detour->base = guest_ept;
    if (detour->purpose == DETOUR_NONE)
        return;
    detour->purpose = DETOUR_NONE;
    vcpu_set_ept(guest_ept_pointer());
}

void detour_step_ended(struct detour *detour, bool again)
{
    struct ept *base = detour->base;

    if (detour->purpose == DETOUR_NONE || detour->purpose == DETOUR_INSIDE)
        return;
    detour_end(detour);
    if (again)
        detour->base = base;
}

void detour_renew(struct detour *detour)
{
    struct ept_view *view = &detour->view;

    switch (detour->purpose) {
    case DETOUR_NONE:
        return;
    case DETOUR_OPEN:
        view->range = (struct range){0, 0};
        vcpu_flush_ept(ept_pointer(detour->base, virt_has_accessed_dirty()));
        return;
    case DETOUR_APIC:
    case DETOUR_BLOCK:
    case DETOUR_INSIDE:
        ept_view_renew(view);
        vcpu_flush_ept(detour->view_pointer);
        return;
    }
}
