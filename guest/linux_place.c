/* Placement of kernel, initrd and parameters: pref_address first, then what the kernel's relocatability allows. */
#include "guest/linux_place.h"

#include "guest/keep_out.h"

/* Low memory for the parameters: above what real-mode code and firmware use, below where an EBDA may be. */
static const struct range low_memory = {64 * KIB, 512 * KIB};
static const struct range all_low_memory = {PAGE_SIZE, 640 * KIB};
static const struct range high_memory = {MIB, 4 * GIB};

/* What the functions below work on. */
struct placing {
    const struct guest_source *source;
    const struct linux_header *header;
    uint64_t parameters_size;
    struct linux_plan *plan;
    struct error *error;
};

static bool has_initrd(const struct guest_source *source)
{
    return source->initrd.start < source->initrd.end;
}

static bool initrd_may_stay(const struct placing *p)
{
    const struct range initrd = p->source->initrd;

    return !p->header->needs_setup && initrd.start % PAGE_SIZE == 0 && initrd.end <= p->header->initrd_limit &&
           memmap_is(p->source->memmap, initrd, MEMORY_RAM) && !range_overlaps(initrd, p->source->block) &&
           !range_overlaps(whole_pages(initrd), p->plan->kernel);
}

/* Set-up code of other programs than Linux (iPXE) unpacks itself right below the initrd: there must be much RAM. */
static uint64_t initrd_end_max(const struct placing *p)
{
    const uint64_t limit = p->header->initrd_limit, block = p->source->block.start;

    return p->header->needs_setup && block != 0 && block < limit ? block : limit;
}

/*
 * Either the initrd moves first, and then must not land on the kernel's file, or the kernel moves first, and
 * then must not land on the initrd's.
 */
static bool move_initrd(const struct placing *p)
{
    const struct range from = p->source->initrd;
    const uint64_t size = ALIGN_UP(range_size(from), PAGE_SIZE);
    const struct range within = {MIB, initrd_end_max(p)};
    const struct range kernel_copy = {p->plan->kernel.start, p->plan->kernel.start + p->header->system_size};
    struct keep_out out = keep_out_always(p->source);
    struct keep_out out_if_first;

    keep_out_add(&out, p->plan->kernel);
    out_if_first = out;
    keep_out_add(&out_if_first, linux_system(p->source, p->header));
    p->plan->kernel_first = false;
    if (keep_out_find(&out_if_first, p->source, size, PAGE_SIZE, within, HIGHEST, &p->plan->initrd))
        return true;
    p->plan->kernel_first = true;
    return !range_overlaps(kernel_copy, from) &&
           keep_out_find(&out, p->source, size, PAGE_SIZE, within, HIGHEST, &p->plan->initrd);
}

static bool place_initrd(const struct placing *p)
{
    const uint64_t size = range_size(p->source->initrd);

    p->plan->kernel_first = false;
    p->plan->initrd = has_initrd(p->source) ? p->source->initrd : (struct range){0, 0};
    if (!has_initrd(p->source) || initrd_may_stay(p))
        return true;
    if (!move_initrd(p))
        return fail(p->error,
                    "the initrd (%llu KiB) does not fit into RAM below %#llx (initrd_addr_max) beside the kernel "
                    "(init_size: %llu KiB): use a smaller initrd or more memory (RAM: %llu MiB)",
                    (unsigned long long)(ALIGN_UP(size, KIB) / KIB), (unsigned long long)p->header->initrd_limit,
                    (unsigned long long)(ALIGN_UP(p->header->runtime_size, KIB) / KIB),
                    (unsigned long long)(memmap_ram_bytes(p->source->memmap) / MIB));
    p->plan->initrd.end = p->plan->initrd.start + size;
    return true;
}

static bool place_parameters(const struct placing *p)
{
    const uint64_t size = p->parameters_size;
    struct range *place = &p->plan->parameters;
    struct keep_out out = keep_out_always(p->source);

    keep_out_add(&out, p->source->kernel);
    keep_out_add(&out, p->source->initrd);
    keep_out_add(&out, p->plan->kernel);
    keep_out_add(&out, whole_pages(p->plan->initrd));
    return keep_out_find(&out, p->source, size, PAGE_SIZE, low_memory, LOWEST, place) ||
           keep_out_find(&out, p->source, size, PAGE_SIZE, all_low_memory, LOWEST, place) ||
           keep_out_find(&out, p->source, size, PAGE_SIZE, high_memory, LOWEST, place) ||
           fail(p->error,
                "no %llu KiB of RAM are left below 4 GiB for the kernel's zero page and command line: give the "
                "machine more memory",
                (unsigned long long)(size / KIB));
}

/* One try: the kernel at this place, and all else around it. */
static bool place_around(const struct placing *p, struct range kernel, uint64_t alignment)
{
    p->plan->kernel = kernel;
    p->plan->alignment = alignment;
    return place_initrd(p) && place_parameters(p);
}

static bool pref_address_is_free(const struct guest_source *source, const struct linux_header *header)
{
    const struct range kernel = {header->pref_address, header->pref_address + header->runtime_size};
    const struct keep_out out = keep_out_always(source);

    if (header->pref_address == 0 || header->pref_address >= 4 * GIB || kernel.end > 4 * GIB)
        return false;
    if (header->relocatable && header->pref_address % header->alignment != 0)
        return false; /* it would move itself up to the next multiple */
    for (unsigned i = 0; i < out.count; i++)
        if (range_overlaps(kernel, out.ranges[i]))
            return false;
    return memmap_is(keep_out_free_memory(source), kernel, MEMORY_RAM);
}

/*
 * A relocatable kernel's other places with this alignment: the lowest one beside the initrd, so that the initrd can
 * stay, then the lowest and the highest, since each leaves the rest of memory in other pieces. Never below
 * pref_address: the kernel's decompressor would move it up to there.
 */
static bool place_relocated(const struct placing *p, uint64_t alignment, bool *found)
{
    const struct range within = {p->header->pref_address > MIB ? p->header->pref_address : MIB, 4 * GIB};
    const struct keep_out out = keep_out_always(p->source);
    struct keep_out beside_initrd = out;
    struct range place;

    keep_out_add(&beside_initrd, whole_pages(p->source->initrd));
    for (unsigned attempt = 0; attempt < 3; attempt++) {
        if (!keep_out_find(attempt == 0 ? &beside_initrd : &out, p->source, p->header->runtime_size, alignment, within,
                           attempt == 2 ? HIGHEST : LOWEST, &place))
            continue;
        *found = true;
        if (place_around(p, place, alignment))
            return true;
    }
    return false;
}

static bool fail_kernel(const struct placing *p)
{
    const bool relocatable = p->header->relocatable;

    return fail(p->error,
                "the kernel needs %llu KiB of RAM (init_size) in one piece %s %#llx (pref_address), which isn't free "
                "below 4 GiB: %s (RAM: %llu MiB)",
                (unsigned long long)(ALIGN_UP(p->header->runtime_size, KIB) / KIB), relocatable ? "from" : "at",
                (unsigned long long)p->header->pref_address,
                relocatable ? "give the machine more memory" : "use a relocatable kernel (CONFIG_RELOCATABLE)",
                (unsigned long long)(memmap_ram_bytes(p->source->memmap) / MIB));
}

bool linux_place(const struct guest_source *source, const struct linux_header *header, uint64_t parameters_size,
                 struct linux_plan *plan, struct error *error)
{
    const struct placing p = {source, header, parameters_size, plan, error};
    const struct range preferred = {header->pref_address, header->pref_address + header->runtime_size};
    bool found = pref_address_is_free(source, header);

    if (found && place_around(&p, preferred, header->alignment))
        return true;
    for (uint64_t align = header->alignment; header->relocatable && align >= header->min_alignment; align /= 2)
        if (place_relocated(&p, align, &found))
            return true;
    return found ? false : fail_kernel(&p); /* with a place for the kernel, *error says what else had none */
}
