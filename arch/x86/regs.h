/* Bits of the control registers, EFER, RFLAGS, CPUID and the MSRs by which the SDM's names (vol. 3, 2.5; vol. 4). */
#pragma once

#include "lib/compiler.h"

#define BIT(n) ((uint64_t)1 << (n))

#define CR0_PE BIT(0)
#define CR0_TS BIT(3)
#define CR0_ET BIT(4)
#define CR0_NE BIT(5)
#define CR0_WP BIT(16)
#define CR0_AM BIT(18)
#define CR0_NW BIT(29)
#define CR0_CD BIT(30)
#define CR0_PG BIT(31)

#define CR4_PSE     BIT(4)
#define CR4_PAE     BIT(5)
#define CR4_MCE     BIT(6)
#define CR4_LA57    BIT(12)
#define CR4_VMXE    BIT(13)
#define CR4_SMXE    BIT(14)
#define CR4_PCIDE   BIT(17)
#define CR4_OSXSAVE BIT(18)
#define CR4_KL      BIT(19)
#define CR4_SMEP    BIT(20)
#define CR4_SMAP    BIT(21)
#define CR4_PKE     BIT(22)
#define CR4_CET     BIT(23)
#define CR4_PKS     BIT(24)
#define CR4_FRED    BIT(32)

#define RIGHTS_LONG_CODE BIT(13) /* L of a code segment's access rights (SDM vol. 3, table 24-2) */

#define XCR0_APX_BIT 19
#define XCR0_APX     BIT(XCR0_APX_BIT) /* R16 to R31 */

#define EFER_SCE     BIT(0)
#define EFER_LME     BIT(8)
#define EFER_LMA     BIT(10)
#define EFER_NXE     BIT(11)
#define EFER_DEFINED (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)

#define RFLAGS_FIXED BIT(1)
#define RFLAGS_TF    BIT(8)
#define RFLAGS_IF    BIT(9)
#define RFLAGS_DF    BIT(10)
#define RFLAGS_NT    BIT(14)
#define RFLAGS_RF    BIT(16)
#define RFLAGS_VM    BIT(17)
#define RFLAGS_AC    BIT(18)

enum exception_vector {
    VECTOR_DE = 0,
    VECTOR_DB = 1,
    VECTOR_NMI = 2,
    VECTOR_UD = 6,
    VECTOR_DF = 8,
    VECTOR_TS = 10,
    VECTOR_NP = 11,
    VECTOR_SS = 12,
    VECTOR_GP = 13,
    VECTOR_PF = 14,
    VECTOR_AC = 17,
    VECTOR_MC = 18,
    EXCEPTION_VECTORS = 32,
};

enum msr_index {
    MSR_IA32_APIC_BASE = 0x1b,
    MSR_IA32_FEATURE_CONTROL = 0x3a,
    MSR_IA32_BIOS_UPDT_TRIG = 0x79,
    MSR_IA32_SMM_MONITOR_CTL = 0x9b,
    MSR_IA32_MTRRCAP = 0xfe,
    MSR_IA32_ARCH_CAPABILITIES = 0x10a,
    MSR_IA32_FLUSH_CMD = 0x10b,
    MSR_IA32_SYSENTER_CS = 0x174,
    MSR_IA32_SYSENTER_ESP = 0x175,
    MSR_IA32_SYSENTER_EIP = 0x176,
    MSR_IA32_MISC_ENABLE = 0x1a0,
    MSR_IA32_FRED_RSP0 = 0x1cc,
    MSR_IA32_FRED_CONFIG = 0x1d4,
    MSR_IA32_DEBUGCTL = 0x1d9,
    MSR_IA32_SMRR_PHYSBASE = 0x1f2,
    MSR_IA32_SMRR_PHYSMASK = 0x1f3,
    MSR_IA32_MTRR_PHYSBASE0 = 0x200,
    MSR_IA32_MTRR_FIX64K_00000 = 0x250,
    MSR_IA32_MTRR_FIX16K_80000 = 0x258,
    MSR_IA32_MTRR_FIX4K_C0000 = 0x268,
    MSR_IA32_PAT = 0x277,
    MSR_IA32_MTRR_DEF_TYPE = 0x2ff,
    MSR_IA32_PERF_GLOBAL_CTRL = 0x38f,
    MSR_IA32_PEBS_ENABLE = 0x3f1,
    MSR_IA32_VMX_BASIC = 0x480,
    MSR_IA32_VMX_PINBASED_CTLS = 0x481,
    MSR_IA32_VMX_PROCBASED_CTLS = 0x482,
    MSR_IA32_VMX_EXIT_CTLS = 0x483,
    MSR_IA32_VMX_ENTRY_CTLS = 0x484,
    MSR_IA32_VMX_MISC = 0x485,
    MSR_IA32_VMX_CR0_FIXED0 = 0x486,
    MSR_IA32_VMX_CR0_FIXED1 = 0x487,
    MSR_IA32_VMX_CR4_FIXED0 = 0x488,
    MSR_IA32_VMX_CR4_FIXED1 = 0x489,
    MSR_IA32_VMX_PROCBASED_CTLS2 = 0x48b,
    MSR_IA32_VMX_EPT_VPID_CAP = 0x48c,
    MSR_IA32_VMX_TRUE_PINBASED_CTLS = 0x48d,
    MSR_IA32_VMX_TRUE_PROCBASED_CTLS = 0x48e,
    MSR_IA32_VMX_TRUE_EXIT_CTLS = 0x48f,
    MSR_IA32_VMX_TRUE_ENTRY_CTLS = 0x490,
    MSR_IA32_VMX_VMFUNC = 0x491,
    MSR_IA32_VMX_EXIT_CTLS2 = 0x493,
    MSR_IA32_RTIT_OUTPUT_BASE = 0x560,
    MSR_IA32_RTIT_ADDR3_B = 0x587,
    MSR_IA32_PKRS = 0x6e1,
    MSR_X2APIC_FIRST = 0x800, /* + a register of enum lapic_register / 16 */
    MSR_X2APIC_APICID = 0x802,
    MSR_X2APIC_VERSION = 0x803,
    MSR_X2APIC_LDR = 0x80d,
    MSR_X2APIC_ICR = 0x830,
    MSR_IA32_TME_ACTIVATE = 0x982,
    MSR_IA32_BNDCFGS = 0xd90,
    MSR_IA32_XSS = 0xda0,
    MSR_IA32_LBR_CTL = 0x14ce,
    MSR_IA32_HW_FEEDBACK_PTR = 0x17d0,
    MSR_IA32_EFER = 0xc0000080,
    MSR_IA32_STAR = 0xc0000081,
    MSR_IA32_LSTAR = 0xc0000082,
    MSR_IA32_FMASK = 0xc0000084,
    MSR_IA32_FS_BASE = 0xc0000100,
    MSR_IA32_GS_BASE = 0xc0000101,
};

#define APIC_BASE_BSP    BIT(8)
#define APIC_BASE_EXTD   BIT(10)
#define APIC_BASE_ENABLE BIT(11)
#define APIC_BASE_FLAGS  (APIC_BASE_BSP | APIC_BASE_EXTD | APIC_BASE_ENABLE)

#define MISC_ENABLE_LIMIT_CPUID BIT(22) /* CPUID ends at leaf 2 */
#define MISC_ENABLE_XD_DISABLE  BIT(34) /* no no-execute pages */

#define PAT_RESET 0x0007040600070406 /* SDM vol. 3, table 11-12: what PCD and PWT alone have always meant */

#define FEATURE_CONTROL_LOCK BIT(0)
#define FEATURE_CONTROL_VMX  BIT(2)            /* VMXON outside SMX operation */
#define FEATURE_CONTROL_SMX  (0xff00 | BIT(1)) /* GETSEC[SENTER], VMXON inside SMX operation */

#define CPUID_1_ECX_MONITOR    BIT(3)
#define CPUID_1_ECX_VMX        BIT(5)
#define CPUID_1_ECX_SMX        BIT(6)
#define CPUID_1_ECX_X2APIC     BIT(21)
#define CPUID_1_ECX_XSAVE      BIT(26)
#define CPUID_1_ECX_OSXSAVE    BIT(27)
#define CPUID_1_ECX_HYPERVISOR BIT(31)
#define CPUID_1_EDX_MSR        BIT(5)
#define CPUID_1_EDX_MTRR       BIT(12)
#define CPUID_1_EDX_PAT        BIT(16)

#define CPUID_7_ECX_TME BIT(13)

#define CPUID_80000001_EDX_GIB_PAGES BIT(26)
