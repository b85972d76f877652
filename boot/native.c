#include "boot/native.h"

#include "arch/x86/layout.h"
#include "boot/native_offsets.h"

_Static_assert(offsetof(struct guest_entry, eip) == GUEST_ENTRY_EIP, "native_entry.S");
_Static_assert(offsetof(struct guest_entry, eax) == GUEST_ENTRY_EAX, "native_entry.S");
_Static_assert(offsetof(struct guest_entry, ebx) == GUEST_ENTRY_EBX, "native_entry.S");
_Static_assert(offsetof(struct guest_entry, esi) == GUEST_ENTRY_ESI, "native_entry.S");
_Static_assert(offsetof(struct guest_entry, gdt_base) == GUEST_ENTRY_GDT_BASE, "native_entry.S");
_Static_assert(offsetof(struct guest_entry, gdt_limit) == GUEST_ENTRY_GDT_LIMIT, "native_entry.S");
_Static_assert(offsetof(struct guest_entry, code_selector) == GUEST_ENTRY_CODE, "native_entry.S");
_Static_assert(offsetof(struct guest_entry, data_selector) == GUEST_ENTRY_DATA, "native_entry.S");

extern const char native_enter[];

void native_start(const struct guest_entry *entry, uint64_t image_physical)
{
    void (*enter)(const struct guest_entry *) =
        (void (*)(const struct guest_entry *))((uint64_t)native_enter - VIRT_BASE + image_physical);

    enter(entry);
    __builtin_unreachable();
}
