/* Would a VM entry take this state? The checks of SDM vol. 3, 26.3.1.1, .2 and .4 that a task switch could break. */
#pragma once

#include "arch/x86/task.h"

static inline bool task_limit_fits(const struct task_segment *s)
{
    bool granular = s->rights >> 15 & 1;

    if ((s->limit & 0xfff) != 0xfff && granular)
        return false;
    return s->limit <= 0xfffff || granular;
}

static inline bool task_vm86_segment(const struct task_segment *s)
{
    return s->base == (uint32_t)s->selector << 4 && s->limit == 0xffff && s->rights == 0xf3;
}

/* A usable code or data segment: S, P, accessed, no reserved bits; readable if code. */
static inline bool task_plain_segment(const struct task_segment *s)
{
    return (s->rights & 0x91) == 0x91 && !(s->rights & 0xffff0f00) && task_limit_fits(s) &&
           ((s->rights & 8) == 0 || s->rights & 2);
}

static inline bool task_data_enterable(const struct task_segment *s)
{
    uint32_t type = s->rights & 0xf, dpl = s->rights >> 5 & 3;

    if (s->rights & RIGHTS_UNUSABLE)
        return true;
    return task_plain_segment(s) && (type >= 12 || dpl >= (s->selector & 3u));
}

/* CS unusable: the fault that kept it from being loaded is due, and the glue makes one up. */
static inline bool task_cs_enterable(const struct task_segment *cs, uint32_t cpl, bool faulted)
{
    uint32_t type = cs->rights & 0xf, dpl = cs->rights >> 5 & 3;

    if (cs->rights & RIGHTS_UNUSABLE)
        return faulted;
    return (cs->rights & 0x99) == 0x99 && !(cs->rights & 0xffff0f00) && task_limit_fits(cs) &&
           (type & 4 ? dpl <= cpl : dpl == cpl);
}

static inline bool task_ss_enterable(const struct task_segment *ss, bool faulted)
{
    if (ss->rights & RIGHTS_UNUSABLE)
        return faulted;
    return task_plain_segment(ss) && (ss->rights & 0xa) == 2 && (ss->rights >> 5 & 3) == (ss->selector & 3u);
}

static inline bool task_system_enterable(const struct task_state *state)
{
    const struct task_segment *ldtr = &state->segments[TASK_LDTR], *tr = &state->segments[TASK_TR];
    bool tr_ok = !(tr->selector & 4) && ((tr->rights & 0x9f) == 0x8b || (tr->rights & 0x9f) == 0x83) &&
                 !(tr->rights & 0xffff0f00) && task_limit_fits(tr);

    if (ldtr->rights & RIGHTS_UNUSABLE)
        return tr_ok;
    return tr_ok && !(ldtr->selector & 4) && (ldtr->rights & 0x9f) == 0x82 && task_limit_fits(ldtr);
}

/* `faulted`: an exception is to be delivered at this entry. */
static inline bool task_enterable(const struct task_state *state, bool faulted)
{
    const struct task_segment *s = state->segments;
    uint32_t cpl = s[TASK_SS].rights >> 5 & 3;
    bool ok = (state->eflags & 0xffc0802a) == 2 && task_system_enterable(state);

    if (state->eflags & 0x20000) {
        for (enum task_segment_index i = TASK_ES; i <= TASK_GS; i++)
            ok = ok && task_vm86_segment(&s[i]);
        return ok;
    }
    return ok && task_ss_enterable(&s[TASK_SS], faulted) && task_cs_enterable(&s[TASK_CS], cpl, faulted) &&
           task_data_enterable(&s[TASK_DS]) && task_data_enterable(&s[TASK_ES]) && task_data_enterable(&s[TASK_FS]) &&
           task_data_enterable(&s[TASK_GS]);
}
