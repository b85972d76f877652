/* Where native_entry.S finds the fields of struct guest_entry (guest/guest.h). */
#pragma once

#define GUEST_ENTRY_EIP       0
#define GUEST_ENTRY_EAX       4
#define GUEST_ENTRY_EBX       8
#define GUEST_ENTRY_ESI       12
#define GUEST_ENTRY_GDT_BASE  16
#define GUEST_ENTRY_GDT_LIMIT 20
#define GUEST_ENTRY_CODE      22
#define GUEST_ENTRY_DATA      24
