/* What the parts of the entry checks (entry_checks.h) share: reading the image and noting a broken rule. Pure. */
#pragma once

#include "arch/x86/regs.h"
#include "arch/x86/vmx/controls.h"
#include "arch/x86/vmx/entry_checks.h"

struct entry_checker {
    const struct entry_image *image;
    const char *section; /* that is being checked */
    struct entry_finding *findings;
    unsigned max, count;
};

/* The parts, each a section of the SDM or more */
void entry_check_execution_controls(struct entry_checker *c);
void entry_check_apic_controls(struct entry_checker *c);
void entry_check_exit_controls(struct entry_checker *c);
void entry_check_entry_controls(struct entry_checker *c);
void entry_check_host(struct entry_checker *c);
void entry_check_guest_registers(struct entry_checker *c);
void entry_check_guest_segments(struct entry_checker *c);
void entry_check_guest_activity(struct entry_checker *c);

/* A finding unless `holds`. */
void entry_expect(struct entry_checker *c, enum vmcs_index field, bool holds, const char *rule);

static inline uint64_t entry_get(const struct entry_checker *c, enum vmcs_index field)
{
    return c->image->value[field];
}

/* entry_expect.c: what several fields have in common */
void entry_expect_page(struct entry_checker *c, enum vmcs_index field); /* the physical address of a page */
void entry_expect_msr_area(struct entry_checker *c, enum vmcs_index count, enum vmcs_index address);
void entry_expect_canonical(struct entry_checker *c, enum vmcs_index field);
void entry_expect_pat(struct entry_checker *c, enum vmcs_index field);
void entry_expect_cet(struct entry_checker *c, enum vmcs_index s_cet, enum vmcs_index ssp, enum vmcs_index table);

static inline bool entry_within_width(const struct entry_checker *c, uint64_t physical)
{
    return !(physical >> c->image->physical_bits);
}

/* Appendix A.3: as the capability MSR of a word of controls says */
static inline bool entry_controls_allowed(uint64_t controls, uint64_t capability)
{
    uint32_t must = (uint32_t)capability, may = (uint32_t)(capability >> 32), value = (uint32_t)controls;

    return !(must & ~value) && !(value & ~may);
}

static inline bool entry_pin(const struct entry_checker *c, uint32_t bits)
{
    return entry_get(c, INDEX_PIN_BASED_CONTROLS) & bits;
}

static inline bool entry_primary(const struct entry_checker *c, uint32_t bits)
{
    return entry_get(c, INDEX_PRIMARY_CONTROLS) & bits;
}

/* 24.6.2: without that primary control the secondary ones count as 0. */
static inline bool entry_secondary(const struct entry_checker *c, uint32_t bits)
{
    return entry_primary(c, PRIMARY_SECONDARY_CONTROLS) && entry_get(c, INDEX_SECONDARY_CONTROLS) & bits;
}

static inline bool entry_exit(const struct entry_checker *c, uint32_t bits)
{
    return entry_get(c, INDEX_EXIT_CONTROLS) & bits;
}

static inline bool entry_entry(const struct entry_checker *c, uint32_t bits)
{
    return entry_get(c, INDEX_ENTRY_CONTROLS) & bits;
}
