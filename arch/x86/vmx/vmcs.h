/*
 * VMREAD and VMWRITE of the current VMCS (SDM vol. 3, chapter 30, "VMREAD", "VMWRITE"), a function for each width: with
 * an enum for each, -Wenum-conversion makes a field of the wrong width a compile error. Root mode, with a current VMCS;
 * NMI-safe.
 */
#pragma once

#include "arch/x86/vmx/vmx_instr.h"
#include "lib/compiler.h"

/* Appendix B: bits 14:13 of an encoding are the width, 11:10 the area */
enum { VMCS_WIDTH_16 = 0, VMCS_WIDTH_64 = 1, VMCS_WIDTH_32 = 2, VMCS_WIDTH_NATURAL = 3 };
enum { VMCS_AREA_CONTROL = 0, VMCS_AREA_READ_ONLY = 1, VMCS_AREA_GUEST = 2, VMCS_AREA_HOST = 3 };

#define ANY_FIELD(width, area, encoding, name)                                                                         \
    _Static_assert((encoding >> 13 & 3) == VMCS_WIDTH_##width && (encoding >> 10 & 3) == VMCS_AREA_##area &&           \
                       !(encoding & 1),                                                                                \
                   #name);
#include "arch/x86/vmx/vmcs_fields.def"

enum vmcs_field16 {
#define FIELD_16(area, encoding, name) VMCS_##name = encoding,
#include "arch/x86/vmx/vmcs_fields.def"
};

enum vmcs_field32 {
#define FIELD_32(area, encoding, name) VMCS_##name = encoding,
#include "arch/x86/vmx/vmcs_fields.def"
};

enum vmcs_field64 {
#define FIELD_64(area, encoding, name) VMCS_##name = encoding,
#include "arch/x86/vmx/vmcs_fields.def"
};

enum vmcs_field_natural {
#define FIELD_NATURAL(area, encoding, name) VMCS_##name = encoding,
#include "arch/x86/vmx/vmcs_fields.def"
};

#define VMCS_ACCESSORS(width, type, field_type)                                                                        \
    static inline type vmread##width(field_type field)                                                                 \
    {                                                                                                                  \
        return (type)vmread_raw(field);                                                                                \
    }                                                                                                                  \
    static inline void vmwrite##width(field_type field, type value)                                                    \
    {                                                                                                                  \
        vmwrite_raw(field, value);                                                                                     \
    }

VMCS_ACCESSORS(16, uint16_t, enum vmcs_field16)
VMCS_ACCESSORS(32, uint32_t, enum vmcs_field32)
VMCS_ACCESSORS(64, uint64_t, enum vmcs_field64)
VMCS_ACCESSORS(_natural, uint64_t, enum vmcs_field_natural)
