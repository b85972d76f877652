/* VMCS images that break no entry rule, in the modes a guest can be in: the ground in which faults are planted. */
#pragma once

#include "arch/x86/vmx/controls.h"
#include "arch/x86/vmx/entry_checks.h"
#include "arch/x86/vmx/events.h"

/* A CPU that has every control there is; the bits that must be 1 are those of a real CPU's TRUE MSRs. */
static const struct vmx_capabilities full_capabilities = {
    .basic = UINT64_C(1) << 55,
    .pin = UINT64_C(0xff00000016),
    .primary = UINT64_C(0xfff9fffe04006172),
    .secondary = UINT64_C(0xffffffff00000000),
    .exit = UINT64_C(0xffffffff00036dfb),
    .entry = UINT64_C(0xffffffff000011fb),
    .misc = UINT64_C(0x200401e0),
    .ept_vpid = UINT64_C(0xf0106334141),
    .cr0_fixed0 = 0x80000021,
    .cr0_fixed1 = 0xffffffff,
    .cr4_fixed0 = 0x2000,
    .cr4_fixed1 = 0x1ff2fff,
};

static inline void set(struct entry_image *image, enum vmcs_index field, uint64_t value)
{
    image->value[field] = value;
}

static inline void set_bits(struct entry_image *image, enum vmcs_index field, uint64_t bits)
{
    image->value[field] |= bits;
}

static inline void set_guest_segment(struct entry_image *image, unsigned i, uint64_t selector, uint64_t base,
                                     uint64_t limit, uint64_t rights)
{
    set(image, INDEX_GUEST_ES_SELECTOR + i, selector);
    set(image, INDEX_GUEST_ES_BASE + i, base);
    set(image, INDEX_GUEST_ES_LIMIT + i, limit);
    set(image, INDEX_GUEST_ES_ACCESS_RIGHTS + i, rights);
}

static inline void set_host(struct entry_image *image)
{
    for (enum vmcs_index i = INDEX_HOST_ES_SELECTOR; i <= INDEX_HOST_DS_SELECTOR; i++)
        set(image, i, 0x10);
    set(image, INDEX_HOST_CS_SELECTOR, 0x08);
    set(image, INDEX_HOST_TR_SELECTOR, 0x18);
    set(image, INDEX_HOST_PAT, UINT64_C(0x0007040600070406));
    set(image, INDEX_HOST_EFER, EFER_LME | EFER_LMA | EFER_NXE);
    set(image, INDEX_HOST_CR0, 0x80010031);
    set(image, INDEX_HOST_CR3, 0x7fe42000);
    set(image, INDEX_HOST_CR4, 0x42020);
    for (enum vmcs_index i = INDEX_HOST_GS_BASE; i <= INDEX_HOST_IDTR_BASE; i++)
        set(image, i, UINT64_C(0xffffffffc000b000));
    set(image, INDEX_HOST_RSP, UINT64_C(0xffffffffc0004000));
    set(image, INDEX_HOST_RIP, UINT64_C(0xffffffff80001000));
}

static inline void set_controls(struct entry_image *image)
{
    set(image, INDEX_PIN_BASED_CONTROLS, 0x16 | PIN_NMI_EXITING | PIN_VIRTUAL_NMIS);
    set(image, INDEX_PRIMARY_CONTROLS, 0x04006172 | PRIMARY_MSR_BITMAPS | PRIMARY_SECONDARY_CONTROLS);
    set(image, INDEX_SECONDARY_CONTROLS, SECONDARY_EPT | SECONDARY_UNRESTRICTED_GUEST | SECONDARY_VPID);
    set(image, INDEX_EXIT_CONTROLS,
        0x36dfb | EXIT_HOST_ADDRESS_SPACE_64 | EXIT_SAVE_PAT | EXIT_LOAD_PAT | EXIT_SAVE_EFER | EXIT_LOAD_EFER);
    set(image, INDEX_ENTRY_CONTROLS, 0x11fb | ENTRY_LOAD_DEBUG_CONTROLS | ENTRY_LOAD_PAT | ENTRY_LOAD_EFER);
    set(image, INDEX_VPID, 1);
    set(image, INDEX_MSR_BITMAPS, 0x7fe51000);
    set(image, INDEX_EPT_POINTER, 0x7fe5201e | 0x40);
    set(image, INDEX_VMCS_LINK_POINTER, ~UINT64_C(0));
}

/* Real mode, as after INIT */
static inline void make_real_mode(struct entry_image *image)
{
    *image = (struct entry_image){
        .capabilities = &full_capabilities, .physical_bits = 40, .linear_bits = 48, .perf_global_ctrl = 0x70000000f};
    set_controls(image);
    set_host(image);
    set(image, INDEX_GUEST_PAT, UINT64_C(0x0007040600070406));
    set(image, INDEX_GUEST_CR0, 0x60000030);
    set(image, INDEX_GUEST_CR4, 0x2000);
    set(image, INDEX_GUEST_DR7, 0x400);
    set(image, INDEX_GUEST_RFLAGS, 2);
    set(image, INDEX_GUEST_RIP, 0xfff0);
    set_guest_segment(image, 1, 0xf000, 0xffff0000, 0xffff, 0x9b);
    for (unsigned i = 0; i < 6; i += i ? 1 : 2)
        set_guest_segment(image, i, 0, 0, 0xffff, 0x93);
    set_guest_segment(image, 6, 0, 0, 0xffff, 0x82);
    set_guest_segment(image, 7, 0, 0, 0xffff, 0x8b);
    set(image, INDEX_GUEST_GDTR_LIMIT, 0xffff);
    set(image, INDEX_GUEST_IDTR_LIMIT, 0xffff);
}

/* 32-bit code with PAE paging, CPL 3 */
static inline void make_protected_mode(struct entry_image *image)
{
    make_real_mode(image);
    set(image, INDEX_GUEST_CR0, 0x80010031);
    set(image, INDEX_GUEST_CR4, 0x2020);
    set(image, INDEX_GUEST_RIP, 0x8048000);
    set(image, INDEX_GUEST_RFLAGS, 0x202);
    for (unsigned i = 0; i < 6; i++)
        set_guest_segment(image, i, 0x23, 0, 0xffffffff, 0xc0f3);
    set_guest_segment(image, 1, 0x1b, 0, 0xffffffff, 0xc0fb);
    set_guest_segment(image, 6, 0, 0, 0, 0x10000);
    for (enum vmcs_index i = INDEX_GUEST_PDPTE0; i <= INDEX_GUEST_PDPTE3; i++)
        set(image, i, 0x100001);
}

/* 64-bit code, CPL 0 */
static inline void make_long_mode(struct entry_image *image)
{
    make_protected_mode(image);
    set_bits(image, INDEX_ENTRY_CONTROLS, ENTRY_IA32E_MODE_GUEST);
    set(image, INDEX_GUEST_EFER, EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE);
    set(image, INDEX_GUEST_RIP, UINT64_C(0xffffffff81000000));
    set_guest_segment(image, 1, 0x10, 0, 0xffffffff, 0xa09b);
    set_guest_segment(image, 2, 0x18, 0, 0xffffffff, 0xc093);
    for (unsigned i = 3; i < 7; i++)
        set_guest_segment(image, i, 0, 0, 0, 0x1c000);
    set_guest_segment(image, 0, 0, 0, 0, 0x1c000);
    set(image, INDEX_GUEST_GS_BASE, UINT64_C(0xffff888000000000));
    set_guest_segment(image, 7, 0x40, UINT64_C(0xfffffe0000003000), 0x206f, 0x8b);
    set(image, INDEX_GUEST_GDTR_BASE, UINT64_C(0xfffffe0000001000));
    set(image, INDEX_GUEST_IDTR_BASE, UINT64_C(0xfffffe0000000000));
}

static inline void make_virtual_8086(struct entry_image *image)
{
    make_protected_mode(image);
    set(image, INDEX_GUEST_RFLAGS, 0x20202);
    set(image, INDEX_GUEST_RIP, 0x100);
    for (unsigned i = 0; i < 6; i++)
        set_guest_segment(image, i, 0x1234, 0x12340, 0xffff, 0xf3);
}

/* Long mode and everything that is optional on: more rules apply. */
static inline void make_all_controls(struct entry_image *image)
{
    make_long_mode(image);
    set_bits(image, INDEX_PIN_BASED_CONTROLS,
             PIN_EXTERNAL_INTERRUPT_EXITING | PIN_PREEMPTION_TIMER | PIN_POSTED_INTERRUPTS);
    set_bits(image, INDEX_PRIMARY_CONTROLS, PRIMARY_TPR_SHADOW | PRIMARY_IO_BITMAPS);
    set_bits(image, INDEX_SECONDARY_CONTROLS,
             SECONDARY_VIRTUALIZE_APIC_ACCESSES | SECONDARY_APIC_REGISTERS | SECONDARY_VIRTUAL_INTERRUPTS |
                 SECONDARY_VM_FUNCTIONS | SECONDARY_VMCS_SHADOWING | SECONDARY_PML | SECONDARY_EPT_VIOLATION_VE |
                 SECONDARY_MODE_BASED_EXECUTE | SECONDARY_SUB_PAGE_WRITE | SECONDARY_PT_GUEST_PHYSICAL);
    set_bits(image, INDEX_EXIT_CONTROLS,
             EXIT_LOAD_PERF_GLOBAL_CTRL | EXIT_ACKNOWLEDGE_INTERRUPT | EXIT_SAVE_PREEMPTION_TIMER |
                 EXIT_CLEAR_RTIT_CTL | EXIT_LOAD_CET | EXIT_LOAD_PKRS);
    set_bits(image, INDEX_ENTRY_CONTROLS,
             ENTRY_LOAD_PERF_GLOBAL_CTRL | ENTRY_LOAD_BNDCFGS | ENTRY_LOAD_RTIT_CTL | ENTRY_LOAD_CET | ENTRY_LOAD_PKRS);
    set(image, INDEX_VM_FUNCTION_CONTROLS, 1);
    set(image, INDEX_EXIT_MSR_STORE_COUNT, 2);
    set(image, INDEX_EXIT_MSR_LOAD_COUNT, 2);
    set(image, INDEX_ENTRY_MSR_LOAD_COUNT, 2);
    set(image, INDEX_VMCS_LINK_POINTER, 0x7fe60000);
}
