/* The real-mode guest's surroundings: resident code, its answers about memory, interrupt vector and base memory. */
#include "guest/bios.h"

#include "guest/bios_resident.h"
#include "guest/boot_params.h"
#include "guest/flat_gdt.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/phys.h"

enum {
    VECTOR_13 = 0x13 * 4,    /* in the interrupt vector table, disk services */
    VECTOR_15 = 0x15 * 4,    /* system services */
    BDA_BASE_MEMORY = 0x413, /* word: KiB of memory from 0 on that are nobody's */
    BDA_DISKS = 0x475,       /* byte: how many hard disks the firmware knows */
    FIRST_DISK = 0x80,
    BASE_MEMORY_MAX = 640 * 1024,
    RESIDENT_LEAST = 64 * 1024, /* below that nobody's base memory ends */
    MEMORY_16M = 16 << 20,
    BELOW_16M_KIB_MAX = 15 * 1024,
    EXTENDED_KIB_MAX = 63 * 1024, /* 88H: what 80286 programs can take, as firmware answers it */
};

struct resident_parameters {
    uint32_t old_int15;
    uint16_t extended_kib, below_16_kib, above_16_64k; /* answers to AH=88H, and AX=E801H in AX and BX */
    uint16_t map_count, map_offset;                    /* answers to AX=E820H */
    uint16_t int15, entry32, gdt;                      /* offsets of what lies in the code */
    uint16_t setup_segment, setup_stack;               /* set-up code to jump to; 0: the boot sector */
    uint8_t drive, serial;
} packed;

_Static_assert(RESIDENT_INT15 == RESIDENT_PARAMETERS + offsetof(struct resident_parameters, int15) &&
                   RESIDENT_SERIAL == RESIDENT_PARAMETERS + offsetof(struct resident_parameters, serial),
               "guest/bios_resident.h");

static struct memmap map; /* 6 KiB are much for a stack */

/* Bytes that lie at odd addresses, too. */
static bool low_copy(void *to, uint64_t from, size_t size)
{
    const void *at = phys_map(from, size);

    if (at)
        memcpy(to, at, size);
    return at;
}

static void low_write(uint64_t to, const void *from, size_t size)
{
    memcpy(phys_map(to, size), from, size);
}

static bool look(const struct guest_source *source, struct bios_plan *plan, struct error *error)
{
    uint32_t vector13 = 0;
    const bool there = low_copy(&vector13, VECTOR_13, sizeof vector13) &&
                       low_copy(&plan->vector15, VECTOR_15, sizeof plan->vector15) &&
                       low_copy(&plan->base_memory, BDA_BASE_MEMORY, sizeof plan->base_memory);

    return (source->has_bios && there && vector13 && plan->vector15) ||
           fail(error, "the guest needs a BIOS, but this machine's firmware is none or left no disk services "
                       "(interrupt vector 13H): give a kernel as module2 that starts without");
}

static bool check_disk(const struct guest_source *source, struct error *error)
{
    uint8_t disks = 0;

    return (low_copy(&disks, BDA_DISKS, sizeof disks) && source->chainload - FIRST_DISK < disks) ||
           fail(error, "chainload=hd%u: the BIOS knows %u hard disks (40:75): name one that is there",
                source->chainload - FIRST_DISK, disks);
}

/* Whole pages at the end of base memory, as the memory map and the firmware's data area both have it. */
static bool place(const struct guest_source *source, struct bios_plan *plan, struct error *error)
{
    const struct memmap_entry *first = &source->memmap->entries[0];
    uint64_t end = (uint64_t)plan->base_memory * KIB, size;

    map = *source->memmap;
    if (end > BASE_MEMORY_MAX)
        end = BASE_MEMORY_MAX;
    if (map.count && first->kind == MEMORY_RAM && first->range.start == 0 && first->range.end < end)
        end = first->range.end;
    plan->map_offset = ALIGN_UP(source->resident_size, 16);
    size = ALIGN_UP(plan->map_offset + (map.count + 2) * sizeof(struct e820_entry), PAGE_SIZE); /* 2: it splits one */
    plan->place.start = end >= size ? ALIGN_DOWN(end - size, PAGE_SIZE) : 0;
    plan->place.end = plan->place.start + size;
    if (plan->place.start < RESIDENT_LEAST || !memmap_is(&map, plan->place, MEMORY_RAM))
        return fail(error,
                    "no %lu KiB of RAM at the end of base memory (%u KiB by 40:13): Plinth can't keep its answers to "
                    "INT 15H there",
                    size / KIB, plan->base_memory);
    return memmap_set(&map, plan->place, MEMORY_RESERVED, error);
}

/* Bytes of RAM from `start` on without a hole, up to `end`. */
static uint64_t ram_from(uint64_t start, uint64_t end)
{
    for (unsigned i = 0; i < map.count; i++)
        if (map.entries[i].kind == MEMORY_RAM && map.entries[i].range.start <= start &&
            map.entries[i].range.end > start)
            return (map.entries[i].range.end < end ? map.entries[i].range.end : end) - start;
    return 0;
}

static uint16_t at_most(uint64_t value, uint16_t most)
{
    return value < most ? (uint16_t)value : most;
}

static void fill_parameters(const struct guest_source *source, const struct bios_plan *plan,
                            struct resident_parameters *parameters)
{
    parameters->old_int15 = plan->vector15;
    parameters->extended_kib = at_most(ram_from(MIB, 4 * GIB) / KIB, EXTENDED_KIB_MAX);
    parameters->below_16_kib = at_most(ram_from(MIB, MEMORY_16M) / KIB, BELOW_16M_KIB_MAX);
    parameters->above_16_64k = at_most(ram_from(MEMORY_16M, 4 * GIB) / (64 * KIB), UINT16_MAX);
    parameters->map_count = (uint16_t)map.count;
    parameters->map_offset = (uint16_t)plan->map_offset;
    parameters->setup_segment = plan->setup_segment;
    parameters->setup_stack = plan->setup_stack;
    parameters->drive = source->chainload;
    parameters->serial = source->serial;
}

/* Without Plinth the guest is entered in protected mode: guest/bios_resident.S, enter_real. */
static void fill_entry(const struct bios_plan *plan, const struct resident_parameters *parameters,
                       struct guest_entry *entry)
{
    const uint32_t start = (uint32_t)plan->place.start;

    entry->real_mode_page = (uint8_t)(start / PAGE_SIZE);
    entry->eip = start + parameters->entry32;
    entry->ebx = start;
    entry->gdt_base = start + parameters->gdt;
    entry->gdt_limit = RESIDENT_GDT_LIMIT;
    entry->code_selector = FLAT_CODE;
    entry->data_selector = FLAT_DATA;
}

static void write_resident(const struct guest_source *source, const struct bios_plan *plan, uint8_t *at,
                           struct guest_entry *entry)
{
    const uint16_t base_memory = (uint16_t)(plan->place.start / KIB);
    struct resident_parameters parameters;
    uint32_t vector15;

    memset(at, 0, range_size(plan->place));
    memcpy(at, source->resident, source->resident_size);
    memcpy(&parameters, at + RESIDENT_PARAMETERS, sizeof parameters);
    fill_parameters(source, plan, &parameters);
    fill_entry(plan, &parameters, entry);
    vector15 = (uint32_t)(plan->place.start >> 4) << 16 | parameters.int15;
    memcpy(at + RESIDENT_PARAMETERS, &parameters, sizeof parameters);
    for (unsigned i = 0; i < map.count; i++) {
        /* enum memory_kind has e820's own numbers */
        const struct e820_entry row = {map.entries[i].range.start, range_size(map.entries[i].range),
                                       (uint32_t)map.entries[i].kind};

        memcpy(at + plan->map_offset + i * sizeof row, &row, sizeof row);
    }
    low_write(VECTOR_15, &vector15, sizeof vector15);
    low_write(BDA_BASE_MEMORY, &base_memory, sizeof base_memory);
}

bool bios_prepare(const struct guest_source *source, struct bios_plan *plan, struct error *error)
{
    memset(plan, 0, sizeof *plan);
    return look(source, plan, error) && place(source, plan, error) &&
           (phys_map(plan->place.start, range_size(plan->place)) ||
            fail(error, "the end of base memory can't be reached: report this as a defect"));
}

void bios_write(const struct guest_source *source, const struct bios_plan *plan, struct guest_entry *entry)
{
    write_resident(source, plan, phys_map(plan->place.start, range_size(plan->place)), entry);
    log_info("Guest: it starts in real mode; INT 15H answers at %#lx, base memory is %lu KiB now", plan->place.start,
             plan->place.start / KIB);
}

bool bios_chainload(const struct guest_source *source, struct guest_entry *entry, struct error *error)
{
    struct bios_plan plan;

    if (!bios_prepare(source, &plan, error) || !check_disk(source, error))
        return false;
    *entry = (struct guest_entry){.parameters = plan.place};
    bios_write(source, &plan, entry);
    return true;
}
