/*
 * ACPI tables (ACPI 6.5, 5.2): RSDP, then XSDT or RSDT, then MADT and FADT, each checked before it is believed.
 * Fields are copied out, as firmware aligns nothing.
 */
#include "arch/x86/acpi.h"

#include "arch/x86/acpi_tables.h"
#include "arch/x86/aml.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/phys.h"

/* Far more than any table that is read here needs; a longer one would lead the checksum across device memory. */
#define TABLE_MAX MIB

struct table {
    const uint8_t *bytes;
    const char *name;
    uint64_t address;
    uint32_t length;
};

#define REMEDY "update the firmware"

static uint8_t sum(const uint8_t *bytes, size_t size)
{
    uint8_t total = 0;

    for (size_t i = 0; i < size; i++)
        total = (uint8_t)(total + bytes[i]);
    return total;
}

static bool check_length(const struct table *table, size_t least, struct error *error)
{
    if (table->length < least)
        return fail(error, "ACPI: %s at 0x%lx has length %u, want at least %zu: " REMEDY, table->name, table->address,
                    table->length, least);
    if (table->length > TABLE_MAX)
        return fail(error, "ACPI: %s at 0x%lx has length 0x%x, want at most 0x%lx: " REMEDY, table->name,
                    table->address, table->length, TABLE_MAX);
    return true;
}

/* A whole table, its length and checksum right; its signature is the caller's to check. */
static bool open_table(uint64_t address, const char *name, size_t least, struct table *table, struct error *error)
{
    struct table_header header;
    uint8_t checksum;

    *table = (struct table){phys_map(address, sizeof(header)), name, address, sizeof(header)};
    if (table->bytes) {
        memcpy(&header, table->bytes, sizeof(header));
        table->length = header.length;
        if (!check_length(table, least, error))
            return false;
        table->bytes = phys_map(address, table->length);
    }
    if (!table->bytes)
        return fail(error, "ACPI: %s at 0x%lx, %u bytes, lies outside the memory that can be read: " REMEDY, name,
                    address, table->length);
    checksum = sum(table->bytes, table->length);
    if (checksum != 0)
        return fail(error, "ACPI: %s at 0x%lx has checksum 0x%x, want 0: " REMEDY, name, address, checksum);
    return true;
}

static bool has_signature(uint64_t address, const char *signature)
{
    const void *bytes = phys_map(address, sizeof(struct table_header));

    return bytes && memcmp(bytes, signature, 4) == 0;
}

/* ---- RSDP and the root table ---- */

static bool check_rsdp(const uint8_t *bytes, size_t size, struct rsdp *rsdp, struct error *error)
{
    uint8_t checksum;

    memset(rsdp, 0, sizeof(*rsdp));
    if (size < RSDP_SIZE_1)
        return fail(error, "ACPI: RSDP has %zu bytes, want at least %d: " REMEDY, size, RSDP_SIZE_1);
    memcpy(rsdp, bytes, size < RSDP_SIZE_2 ? RSDP_SIZE_1 : RSDP_SIZE_2);
    if (memcmp(rsdp->signature, "RSD PTR ", sizeof(rsdp->signature)) != 0)
        return fail(error, "ACPI: RSDP lacks its signature \"RSD PTR \": " REMEDY);
    checksum = sum(bytes, RSDP_SIZE_1);
    if (checksum != 0)
        return fail(error, "ACPI: RSDP has checksum 0x%x, want 0: " REMEDY, checksum);
    if (rsdp->revision < 2 || size < RSDP_SIZE_2) {
        rsdp->xsdt_address = 0; /* an ACPI 1.0 RSDP, or only that part of a later one */
        return true;
    }
    if (rsdp->length < RSDP_SIZE_2 || rsdp->length > size)
        return fail(error, "ACPI: RSDP has length %u, want %d to %zu: " REMEDY, rsdp->length, RSDP_SIZE_2, size);
    checksum = sum(bytes, rsdp->length);
    if (checksum != 0)
        return fail(error, "ACPI: RSDP has extended checksum 0x%x, want 0: " REMEDY, checksum);
    return true;
}

/* The XSDT, if there is one within reach, else the RSDT. */
static bool open_root(const struct rsdp *rsdp, struct table *root, struct error *error)
{
    bool use_xsdt = rsdp->xsdt_address != 0 && phys_map(rsdp->xsdt_address, sizeof(struct table_header));
    uint64_t address = use_xsdt ? rsdp->xsdt_address : rsdp->rsdt_address;
    const char *name = use_xsdt ? "XSDT" : "RSDT";
    size_t entry_size = use_xsdt ? 8 : 4;

    if (address == 0)
        return fail(error, "ACPI: RSDP names no XSDT (0x%lx) within reach and no RSDT: " REMEDY, rsdp->xsdt_address);
    if (!open_table(address, name, sizeof(struct table_header), root, error))
        return false;
    if (!has_signature(address, name))
        return fail(error, "ACPI: %s at 0x%lx lacks its signature: " REMEDY, name, address);
    if ((root->length - sizeof(struct table_header)) % entry_size != 0)
        return fail(error, "ACPI: %s at 0x%lx has length %u, want %zu and a multiple of %zu: " REMEDY, name, address,
                    root->length, sizeof(struct table_header), entry_size);
    return true;
}

/* The address of the first table with this signature, or 0. Tables out of reach count as not there. */
static uint64_t find_table(const struct table *root, const char *signature)
{
    size_t entry_size = strcmp(root->name, "XSDT") == 0 ? 8 : 4;

    for (size_t at = sizeof(struct table_header); at < root->length; at += entry_size) {
        uint64_t address = 0;

        memcpy(&address, root->bytes + at, entry_size);
        if (address != 0 && has_signature(address, signature))
            return address;
    }
    return 0;
}

static void get_oem_id(const struct table *root, struct acpi_info *info)
{
    struct table_header header;

    memcpy(&header, root->bytes, sizeof(header));
    for (size_t i = 0; i < sizeof(header.oem_id); i++) {
        char c = header.oem_id[i];

        info->oem_id[i] = c == '\0' || (c >= ' ' && c <= '~') ? c : '?';
    }
}

/* ---- MADT ---- */

/* What a local APIC or x2APIC entry says about a CPU. */
struct madt_cpu {
    uint32_t apic_id;
    bool valid, enabled;
};

/* Walks the entries: the one at `at`, which is known to be whole. */
static bool check_entry(const struct table *madt, size_t at, struct madt_entry *entry, struct error *error)
{
    static const uint8_t least[] = {
        [MADT_LOCAL_APIC] = sizeof(struct madt_local_apic),
        [MADT_LOCAL_APIC_OVERRIDE] = sizeof(struct madt_local_apic_override),
        [MADT_LOCAL_X2APIC] = sizeof(struct madt_local_x2apic),
    };
    size_t left = madt->length - at, want = sizeof(*entry);

    memset(entry, 0, sizeof(*entry));
    memcpy(entry, madt->bytes + at, left < sizeof(*entry) ? left : sizeof(*entry));
    if (entry->type < ARRAY_SIZE(least) && least[entry->type] > want)
        want = least[entry->type];
    if (entry->length >= want && entry->length <= left)
        return true;
    return fail(error,
                "ACPI: MADT at 0x%lx: the entry at offset 0x%zx, type %u, has length %u, want %zu to %zu: " REMEDY,
                madt->address, at, entry->type, entry->length, want, left);
}

/* IDs 0xff and 0xffffffff stand for a CPU that isn't there (ACPI 6.5, 5.2.12.2 and 5.2.12.12). */
static struct madt_cpu get_cpu(const uint8_t *bytes, uint8_t type)
{
    struct madt_local_x2apic x2apic;
    struct madt_local_apic apic;

    if (type == MADT_LOCAL_APIC) {
        memcpy(&apic, bytes, sizeof(apic));
        return (struct madt_cpu){apic.apic_id, apic.apic_id != 0xff, apic.flags & MADT_ENABLED};
    }
    if (type == MADT_LOCAL_X2APIC) {
        memcpy(&x2apic, bytes, sizeof(x2apic));
        return (struct madt_cpu){x2apic.apic_id, x2apic.apic_id != 0xffffffff, x2apic.flags & MADT_ENABLED};
    }
    return (struct madt_cpu){0};
}

static bool is_known(const struct acpi_info *info, uint32_t apic_id)
{
    for (unsigned i = 0; i < info->cpu_count; i++)
        if (info->cpus[i].apic_id == apic_id)
            return true;
    return false;
}

/* Returns how many CPUs had no room: 0 or 1. */
static unsigned add_cpu(struct acpi_info *info, uint32_t apic_id)
{
    if (is_known(info, apic_id))
        return 0;
    if (info->cpu_count == ACPI_CPUS_MAX)
        return 1;
    info->cpus[info->cpu_count++].apic_id = apic_id;
    return 0;
}

static bool add_enabled_cpus(const struct table *madt, struct acpi_info *info, struct error *error)
{
    struct madt_local_apic_override override;
    struct madt_entry entry;
    unsigned left_out = 0;

    for (size_t at = sizeof(struct madt); at < madt->length; at += entry.length) {
        struct madt_cpu cpu;

        if (!check_entry(madt, at, &entry, error))
            return false;
        cpu = get_cpu(madt->bytes + at, entry.type);
        if (cpu.valid && cpu.enabled)
            left_out += add_cpu(info, cpu.apic_id);
        if (entry.type == MADT_LOCAL_APIC_OVERRIDE) {
            memcpy(&override, madt->bytes + at, sizeof(override));
            info->local_apic = override.address;
        }
    }
    if (left_out > 0)
        log_warning("ACPI: %u CPUs beyond the first %d are left out: build Plinth with a larger ACPI_CPUS_MAX",
                    left_out, ACPI_CPUS_MAX);
    return true;
}

/* Of the CPUs that have an ID below 256 each counts once, though a local APIC and an x2APIC entry may name it. */
static void count_disabled_cpus(const struct table *madt, struct acpi_info *info)
{
    bool counted[256] = {false};
    struct madt_entry entry;

    for (size_t at = sizeof(struct madt); at < madt->length; at += entry.length) {
        struct madt_cpu cpu;

        memcpy(&entry, madt->bytes + at, sizeof(entry));
        cpu = get_cpu(madt->bytes + at, entry.type);
        if (!cpu.valid || cpu.enabled || is_known(info, cpu.apic_id))
            continue;
        if (cpu.apic_id < ARRAY_SIZE(counted)) {
            if (counted[cpu.apic_id])
                continue;
            counted[cpu.apic_id] = true;
        }
        info->cpus_disabled++;
    }
}

static bool parse_madt(const struct table *root, struct acpi_info *info, struct error *error)
{
    uint64_t address = find_table(root, "APIC");
    struct table table;
    struct madt madt;

    if (address == 0)
        return fail(error,
                    "ACPI: %s at 0x%lx names no MADT within reach: enable the APIC in the firmware's setup, or " REMEDY,
                    root->name, root->address);
    if (!open_table(address, "MADT", sizeof(madt), &table, error))
        return false;
    memcpy(&madt, table.bytes, sizeof(madt));
    info->local_apic = madt.local_apic_address;
    if (!add_enabled_cpus(&table, info, error))
        return false;
    if (info->cpu_count == 0)
        return fail(error, "ACPI: MADT at 0x%lx names no enabled CPU: " REMEDY, address);
    count_disabled_cpus(&table, info);
    return true;
}

/* ---- FADT ---- */

/* The extended block wins where it is there (ACPI 6.5, table 5.9); hardware-reduced ACPI has no such timer. */
static void get_pm_timer(const struct fadt *fadt, struct acpi_info *info)
{
    const struct generic_address *extended = &fadt->x_pm_timer_block;

    if (fadt->flags & FADT_HARDWARE_REDUCED)
        return;
    if (extended->space == SPACE_IO && extended->address != 0 && extended->address <= UINT16_MAX)
        info->pm_timer_port = (uint16_t)extended->address;
    else if (extended->address == 0 && fadt->pm_timer_length == PM_TIMER_LENGTH && fadt->pm_timer_block <= UINT16_MAX)
        info->pm_timer_port = (uint16_t)fadt->pm_timer_block;
    info->pm_timer_32bit = info->pm_timer_port != 0 && (fadt->flags & FADT_TIMER_32BIT);
}

static void get_reset(const struct fadt *fadt, struct acpi_info *info)
{
    if (!(fadt->flags & FADT_RESET_SUPPORTED) || fadt->header.length <= offsetof(struct fadt, reset_value))
        return;
    if (fadt->reset_register.space > SPACE_PCI)
        return;
    info->reset_space = fadt->reset_register.space;
    info->reset_address = fadt->reset_register.address;
    info->reset_value = fadt->reset_value;
}

/* The extended registers win where they are in use, as for the timer. */
static uint16_t pm1_control(const struct fadt *fadt, unsigned which)
{
    const struct generic_address *extended = &fadt->x_pm1_control[which];

    if (extended->space == SPACE_IO && extended->address != 0 && extended->address <= UINT16_MAX)
        return (uint16_t)extended->address;
    return extended->address == 0 && fadt->pm1_control[which] <= UINT16_MAX ? (uint16_t)fadt->pm1_control[which] : 0;
}

/* Only who asks for power off misses it if something is wrong here. */
static void get_soft_off(const struct fadt *fadt, struct acpi_info *info)
{
    uint64_t address = fadt->x_dsdt ? fadt->x_dsdt : fadt->dsdt;
    struct error error;
    struct table dsdt;

    if (fadt->flags & FADT_HARDWARE_REDUCED || !has_signature(address, "DSDT") ||
        !open_table(address, "DSDT", sizeof(struct table_header), &dsdt, &error) ||
        !aml_find_soft_off(dsdt.bytes, dsdt.length, info->soft_off_type))
        return;
    for (unsigned i = 0; i < ARRAY_SIZE(info->pm1_control); i++)
        info->pm1_control[i] = pm1_control(fadt, i);
    if (fadt->smi_command <= UINT16_MAX)
        info->smi_command = (uint16_t)fadt->smi_command;
    info->acpi_enable = fadt->acpi_enable;
}

/* Plinth can do without, so what is wrong here is a warning. */
static void parse_fadt(const struct table *root, struct acpi_info *info)
{
    uint64_t address = find_table(root, "FACP");
    struct fadt fadt = {0};
    struct error error;
    struct table table;

    if (address == 0)
        return;
    if (!open_table(address, "FADT", FADT_SIZE_1, &table, &error)) {
        log_warning("%s", error.text);
        return;
    }
    memcpy(&fadt, table.bytes, table.length < sizeof(fadt) ? table.length : sizeof(fadt));
    get_pm_timer(&fadt, info);
    get_reset(&fadt, info);
    get_soft_off(&fadt, info);
}

bool acpi_parse(const void *bytes, size_t size, struct acpi_info *info, struct error *error)
{
    struct table root;
    struct rsdp rsdp;

    memset(info, 0, sizeof(*info));
    info->reset_space = SPACE_NONE;
    if (!check_rsdp(bytes, size, &rsdp, error) || !open_root(&rsdp, &root, error))
        return false;
    get_oem_id(&root, info);
    if (!parse_madt(&root, info, error))
        return false;
    parse_fadt(&root, info);
    return true;
}
