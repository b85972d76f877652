/*
 * VMREAD and VMWRITE of the current VMCS (SDM vol. 3, chapter 30, "VMREAD", "VMWRITE"), a function for each width: with
 * an enum for each, -Wenum-conversion makes a field of the wrong width a compile error. Root mode, with a current VMCS;
 * NMI-safe.
 */
#pragma once

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

static inline uint64_t vmread_raw(uint64_t encoding)
{
    uint64_t value;
    asm volatile("vmread %1, %0" : "=rm"(value) : "r"(encoding) : "cc");
    return value;
}

/* A VMWRITE of a field that the CPU doesn't have or that is read-only fails: a defect, reported there. */
noreturn void vmwrite_failed(uint64_t encoding, uint64_t value);

static inline void vmwrite_raw(uint64_t encoding, uint64_t value)
{
    bool failed;
    asm volatile("vmwrite %2, %1" : "=@ccbe"(failed) : "r"(encoding), "rm"(value) : "memory");
    if (__builtin_expect(failed, 0))
        vmwrite_failed(encoding, value);
}

/* For the hottest path: a field that is there on every CPU and can be written, so no check. */
static inline void vmwrite_sure(uint64_t encoding, uint64_t value)
{
    asm volatile("vmwrite %1, %0" : : "r"(encoding), "rm"(value) : "cc", "memory");
}

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
