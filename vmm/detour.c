#include "vmm/detour.h"

#include "arch/x86/virt.h"
#include "vmm/vmm.h"

bool detour_init(struct detour *detour, struct pool *pool, struct ept *ept)
{
    detour->scratch = pool_get(pool);
    if (!detour->scratch || !ept_view_init(&detour->view, ept))
        return false;
    detour->scratch_physical = pool_physical(pool, detour->scratch);
    return true;
}

void detour_begin(struct detour *detour, enum detour_purpose purpose, struct range range)
{
    struct ept_view *view = &detour->view;
    uint64_t pointer = ept_view_pointer(view, virt_has_accessed_dirty());

    if (view->range.start != range.start || view->range.end != range.end)
        ept_view_aim(view, range, detour->scratch_physical);
    vcpu_flush_ept(pointer);
    vcpu_set_ept(pointer);
    detour->purpose = purpose;
    vcpu_step_begin();
}

void detour_end(struct detour *detour)
{
    if (detour->purpose == DETOUR_NONE)
        return;
    detour->purpose = DETOUR_NONE;
    vcpu_set_ept(guest_ept_pointer());
}

void detour_forget(struct detour *detour)
{
    struct ept_view *view = &detour->view;

    if (detour->purpose == DETOUR_NONE) {
        view->range = (struct range){0, 0};
        return;
    }
    ept_view_aim(view, view->range, detour->scratch_physical);
    vcpu_flush_ept(ept_view_pointer(view, virt_has_accessed_dirty()));
}
