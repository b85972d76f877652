/* What Plinth needs and uses of VT-x, decided from what a CPU says of itself. Pure. */
#pragma once

#include "arch/x86/property.h"
#include "arch/x86/vmx/capabilities.h"

/* Of one CPU. The capabilities are all 0 where the words before them rule VT-x out. */
struct vmx_facts {
    bool vmx;                      /* CPUID.1:ECX.VMX */
    bool feature_control_readable; /* RDMSR gives no #GP */
    uint64_t feature_control;
    struct vmx_capabilities capabilities;
};

/* May VMX be turned on, as far as CPUID and IA32_FEATURE_CONTROL go? Then there are capability MSRs. */
bool vmx_is_allowed(const struct vmx_facts *facts);

/* The whole table, and which of it this CPU has. */
struct property_set vmx_properties(const struct vmx_facts *facts);
