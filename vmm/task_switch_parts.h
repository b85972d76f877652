/* The parts of a task switch to one another: task_switch.c, task_segments.c. */
#pragma once

#include "vmm/guest_linear.h"
#include "vmm/task_switch.h"

struct task_work {
    struct task_state *state;
    const struct task_request *request;
    struct task_outcome *outcome;
};

/* What a descriptor table holds under a selector, and where. */
struct task_descriptor {
    uint32_t address;
    uint64_t raw;
};

/* Fills the outcome. Always false: `return task_fault(...)`. */
bool task_fault(const struct task_work *work, uint8_t vector, uint32_t error);
/* The same for a selector's error code. */
bool task_selector_fault(const struct task_work *work, uint8_t vector, uint16_t selector);
bool task_page_fault(const struct task_work *work, const struct guest_fault *fault);

/* Reads the descriptor; outside of its table: `vector` with the selector. */
must_check bool task_fetch(const struct task_work *work, uint16_t selector, uint8_t vector,
                           struct task_descriptor *out);

/* Sets the bits of `mask` in the descriptor's type byte, as in `value`, in memory. */
must_check bool task_change_type(const struct task_work *work, uint32_t address, uint8_t mask, uint8_t value);

/* A descriptor as a segment register holds it. */
struct task_segment task_segment_of(uint16_t selector, uint64_t raw);

/* The selectors stay, but what they name isn't loaded; in virtual-8086 mode the selectors say it all. */
void task_forget_segments(struct task_state *state);

/* Step 13 of 7.3: after that, the new task's selectors get their descriptors, until one faults. */
must_check bool task_load_segments(const struct task_work *work);

static inline uint8_t task_cpl(const struct task_state *state)
{
    return state->segments[TASK_SS].rights >> 5 & 3;
}
