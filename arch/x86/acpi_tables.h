/* The layout of the ACPI tables that arch/x86/acpi.c reads (ACPI 6.5, 5.2), in the specification's order. Pure. */
#pragma once

#include "lib/compiler.h"

/* ACPI 6.5, 5.2.5.3. */
struct rsdp {
    char signature[8];
    uint8_t checksum;
    char oem_id[6];
    uint8_t revision;
    uint32_t rsdt_address;
    /* from here on ACPI 2.0 */
    uint32_t length;
    uint64_t xsdt_address;
    uint8_t extended_checksum, reserved[3];
} packed;

enum { RSDP_SIZE_1 = 20, RSDP_SIZE_2 = sizeof(struct rsdp) };

/* ACPI 6.5, 5.2.6. */
struct table_header {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem_id[6], oem_table_id[8];
    uint32_t oem_revision, creator_id, creator_revision;
} packed;

/* ACPI 6.5, 5.2.3.2. */
struct generic_address {
    uint8_t space, bit_width, bit_offset, access_size;
    uint64_t address;
} packed;

/* ACPI 6.5, 5.2.12: the fixed part; entries follow. */
struct madt {
    struct table_header header;
    uint32_t local_apic_address, flags;
} packed;

enum madt_type { MADT_LOCAL_APIC = 0, MADT_LOCAL_APIC_OVERRIDE = 5, MADT_LOCAL_X2APIC = 9 };
enum { MADT_ENABLED = 1 << 0 };

struct madt_entry {
    uint8_t type, length;
} packed;

struct madt_local_apic {
    struct madt_entry entry;
    uint8_t processor_uid, apic_id;
    uint32_t flags;
} packed;

struct madt_local_apic_override {
    struct madt_entry entry;
    uint16_t reserved;
    uint64_t address;
} packed;

struct madt_local_x2apic {
    struct madt_entry entry;
    uint16_t reserved;
    uint32_t apic_id, flags, processor_uid;
} packed;

/* ACPI 6.5, 5.2.9: up to the last field that Plinth wants. Older tables end earlier. */
struct fadt {
    struct table_header header;
    uint32_t firmware_control, dsdt;
    uint8_t before_smi_command[4];
    uint32_t smi_command;
    uint8_t acpi_enable;
    uint8_t before_pm1_control[11];
    uint32_t pm1_control[2];
    uint8_t before_pm_timer[4];
    uint32_t pm_timer_block;
    uint8_t before_pm_timer_length[11];
    uint8_t pm_timer_length;
    uint8_t before_flags[20];
    uint32_t flags;
    struct generic_address reset_register;
    uint8_t reset_value;
    uint8_t before_x_dsdt[11];
    uint64_t x_dsdt;
    uint8_t before_x_pm1_control[24];
    struct generic_address x_pm1_control[2];
    uint8_t before_x_pm_timer[12];
    struct generic_address x_pm_timer_block;
} packed;

_Static_assert(offsetof(struct fadt, smi_command) == 48, "FADT: SMI_CMD");
_Static_assert(offsetof(struct fadt, pm1_control) == 64, "FADT: PM1a_CNT_BLK");
_Static_assert(offsetof(struct fadt, x_dsdt) == 140, "FADT: X_DSDT");
_Static_assert(offsetof(struct fadt, x_pm1_control) == 172, "FADT: X_PM1a_CNT_BLK");
_Static_assert(offsetof(struct fadt, pm_timer_block) == 76, "FADT: PM_TMR_BLK");
_Static_assert(offsetof(struct fadt, pm_timer_length) == 91, "FADT: PM_TMR_LEN");
_Static_assert(offsetof(struct fadt, flags) == 112, "FADT: Flags");
_Static_assert(offsetof(struct fadt, reset_register) == 116, "FADT: RESET_REG");
_Static_assert(offsetof(struct fadt, x_pm_timer_block) == 208, "FADT: X_PM_TMR_BLK");

enum {
    FADT_SIZE_1 = 116, /* ACPI 1.0: up to and with Flags */
    FADT_TIMER_32BIT = 1 << 8,
    FADT_RESET_SUPPORTED = 1 << 10,
    FADT_HARDWARE_REDUCED = 1 << 20,
    PM_TIMER_LENGTH = 4,
};

enum { SPACE_IO = 1, SPACE_PCI = 2, SPACE_NONE = 0xff };
