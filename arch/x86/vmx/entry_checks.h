/*
 * What the CPU checks before it enters a guest (SDM vol. 3, 26.2 "Checks on VMX Controls and Host-State Area", 26.3.1
 * "Checks on the Guest State Area"), done again in software: after a failed entry the CPU says only which of the two it
 * was. Pure.
 *
 * Not checked, as a VMCS alone doesn't show it: what lies in memory (virtual-APIC page, shadow VMCS, MSR areas), and
 * the rules for SMM. Where the SDM leaves to the CPU model which bits are reserved, the widest set is taken: no finding
 * is false, but a fault may go unnamed.
 */
#pragma once

#include "arch/x86/vmx/capabilities.h"

/* Every field of vmcs_fields.def, numbered from 0 in its order. */
enum vmcs_index {
#define ANY_FIELD(width, area, encoding, name) INDEX_##name,
#include "arch/x86/vmx/vmcs_fields.def"
    VMCS_FIELDS
};

/* A VMCS, copied; fields that the CPU doesn't have are 0. And what the checks need to know of the CPU. */
struct entry_image {
    const struct vmx_capabilities *capabilities;
    uint8_t physical_bits, linear_bits; /* CPUID 80000008H */
    uint64_t perf_global_ctrl;          /* the bits that IA32_PERF_GLOBAL_CTRL has: CPUID 0AH */
    uint64_t value[VMCS_FIELDS];
};

struct entry_finding {
    enum vmcs_index field;
    const char *rule;    /* what the field must be */
    const char *section; /* of the SDM */
};

/* Fills at most `max` findings; returns how many rules are broken. */
unsigned entry_checks(const struct entry_image *image, struct entry_finding *findings, unsigned max);

/* "NAME = value: rule (SDM vol. 3, section)", terminated. */
enum { ENTRY_FINDING_MAX = 240 };
void entry_finding_text(const struct entry_image *image, const struct entry_finding *finding, char *text);

const char *vmcs_field_name(enum vmcs_index field);
uint16_t vmcs_field_encoding(enum vmcs_index field);
