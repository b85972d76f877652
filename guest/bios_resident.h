/* What the code that stays in low memory (guest/bios_resident.S) and the one that puts it there (guest/bios.c) share:
 * for assembly too. */
#pragma once

#define RESIDENT_PARAMETERS 8 /* offset of struct resident_parameters; the entry is at 0 */

#define RESIDENT_OLD_INT15     (RESIDENT_PARAMETERS + 0)
#define RESIDENT_EXTENDED_KIB  (RESIDENT_PARAMETERS + 4)
#define RESIDENT_BELOW_16_KIB  (RESIDENT_PARAMETERS + 6)
#define RESIDENT_ABOVE_16_64K  (RESIDENT_PARAMETERS + 8)
#define RESIDENT_MAP_COUNT     (RESIDENT_PARAMETERS + 10)
#define RESIDENT_MAP_OFFSET    (RESIDENT_PARAMETERS + 12)
#define RESIDENT_INT15         (RESIDENT_PARAMETERS + 14)
#define RESIDENT_ENTRY32       (RESIDENT_PARAMETERS + 16)
#define RESIDENT_GDT           (RESIDENT_PARAMETERS + 18)
#define RESIDENT_SETUP_SEGMENT (RESIDENT_PARAMETERS + 20)
#define RESIDENT_SETUP_STACK   (RESIDENT_PARAMETERS + 22)
#define RESIDENT_DRIVE         (RESIDENT_PARAMETERS + 24)
#define RESIDENT_SERIAL        (RESIDENT_PARAMETERS + 25)

/* Its GDT; the flat segments are those of guest/flat_gdt.h. */
#define RESIDENT_CODE16    0x08
#define RESIDENT_DATA16    0x20
#define RESIDENT_GDT_LIMIT 0x27
