/* The VMX instructions, one inline function each (SDM vol. 3, chapter 30). VMfail shows in CF or ZF (30.2). Root mode.
 * Host tests have a header of their own in this one's place. */
#pragma once

#include "lib/compiler.h"

static inline uint64_t vmread_raw(uint64_t encoding)
{
    uint64_t value;
    asm volatile("vmread %1, %0" : "=rm"(value) : "r"(encoding) : "cc");
    return value;
}

/* False for a field that this CPU doesn't have. */
static inline bool vmread_safe(uint64_t encoding, uint64_t *value)
{
    bool failed;
    asm volatile("vmread %2, %1" : "=@ccbe"(failed), "=r"(*value) : "r"(encoding));
    return !failed;
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

/* Those that take a physical address in memory: false for VMfail. */
#define VMX_ADDRESS_INSTRUCTION(name)                                                                                  \
    must_check static inline bool name(uint64_t physical)                                                              \
    {                                                                                                                  \
        bool failed;                                                                                                   \
        asm volatile(#name " %1" : "=@ccbe"(failed) : "m"(physical) : "memory");                                       \
        return !failed;                                                                                                \
    }
VMX_ADDRESS_INSTRUCTION(vmxon)
VMX_ADDRESS_INSTRUCTION(vmclear)
VMX_ADDRESS_INSTRUCTION(vmptrld)

/* In VMX operation. */
static inline void vmxoff(void)
{
    asm volatile("vmxoff" : : : "cc", "memory");
}

enum { INVEPT_SINGLE_CONTEXT = 1 };

enum { INVVPID_SINGLE_CONTEXT = 1 };

/* Only an invalid type or pointer fails, and the pointer is the VMCS's own. */
static inline void invept(uint64_t type, uint64_t pointer)
{
    struct {
        uint64_t pointer, reserved;
    } descriptor = {pointer, 0};
    asm volatile("invept %0, %1" : : "m"(descriptor), "r"(type) : "cc", "memory");
}

/* Only an invalid type or the VPID 0 fails. */
static inline void invvpid(uint64_t type, uint16_t vpid)
{
    struct {
        uint64_t vpid, address;
    } descriptor = {vpid, 0};
    asm volatile("invvpid %0, %1" : : "m"(descriptor), "r"(type) : "cc", "memory");
}
