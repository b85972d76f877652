/* Placement of a multiboot kernel: its segments where they must be, all else around them. */
#include "guest/multiboot_place.h"

#include "guest/keep_out.h"

static const struct range low_memory = {64 * KIB, 512 * KIB};
static const struct range high_memory = {MIB, 4 * GIB};

/* What the functions below work on. */
struct placing {
    const struct guest_source *source;
    const struct multiboot_header *header;
    struct multiboot_plan *plan;
    struct error *error;
};

static void keep_out_files(struct keep_out *out, const struct guest_source *source)
{
    keep_out_add(out, source->kernel);
    for (unsigned i = 0; i < source->module_count; i++)
        keep_out_add(out, source->modules[i].range);
}

static void keep_out_segments(struct keep_out *out, const struct placing *p)
{
    for (unsigned i = 0; i < p->header->image.count; i++)
        keep_out_add(out, multiboot_segment(p->plan, &p->header->image.segments[i]));
}

/* --- the image --- */

/* Beside the files if that is possible, since they then need not move. */
static bool relocate(const struct placing *p)
{
    const struct multiboot_header *header = p->header;
    const uint64_t size = range_size(header->image.span);
    const enum end end = header->preference == MULTIBOOT_HIGHEST ? HIGHEST : LOWEST;
    struct range within = header->within;
    struct keep_out out = keep_out_always(p->source);
    struct keep_out beside_files = out;

    if (within.start < MIB)
        within.start = MIB;
    keep_out_files(&beside_files, p->source);
    if (!keep_out_find(&beside_files, p->source, size, header->alignment, within, end, &p->plan->image) &&
        !keep_out_find(&out, p->source, size, header->alignment, within, end, &p->plan->image))
        return fail(p->error,
                    "the kernel needs %lu KiB of RAM between %#lx and %#lx (min_addr, max_addr of its relocatable "
                    "tag), aligned to %#lx, which aren't free: give the machine more memory (RAM: %lu MiB)",
                    ALIGN_UP(size, KIB) / KIB, header->within.start, header->within.end - 1, header->alignment,
                    memmap_ram_bytes(p->source->memmap) / MIB);
    p->plan->shift = p->plan->image.start - header->image.span.start;
    return true;
}

static bool check_segment(const struct placing *p, const struct image_segment *segment)
{
    char name[80];

    image_name(&p->header->image, segment, name, sizeof name);
    if (range_overlaps(segment->to, p->source->block))
        return fail(p->error, "%s: %#lx-%#lx overlaps Plinth's block at %#lx: link the kernel lower", name,
                    segment->to.start, segment->to.end, p->source->block.start);
    for (unsigned i = 0; i < p->source->avoid_count; i++)
        if (range_overlaps(segment->to, p->source->avoid[i]))
            return fail(p->error, "%s: %#lx-%#lx overlaps what Plinth needs until the start: link the kernel elsewhere",
                        name, segment->to.start, segment->to.end);
    return memmap_is(p->source->memmap, segment->to, MEMORY_RAM) ||
           fail(p->error, "%s: %#lx-%#lx isn't all RAM: link the kernel elsewhere, or give the machine more memory",
                name, segment->to.start, segment->to.end);
}

static bool place_image(const struct placing *p)
{
    p->plan->shift = 0;
    p->plan->image = p->header->image.span;
    if (p->header->relocatable)
        return relocate(p);
    for (unsigned i = 0; i < p->header->image.count; i++)
        if (!check_segment(p, &p->header->image.segments[i]))
            return false;
    return true;
}

static bool hits_segment(const struct placing *p, struct range range)
{
    for (unsigned i = 0; i < p->header->image.count; i++)
        if (range_overlaps(range, multiboot_segment(p->plan, &p->header->image.segments[i])))
            return true;
    return false;
}

/* --- the files --- */

/* What no new place may touch while anything is still to be moved: the segments, and files where they were and will
 * be. `placed` modules have their place. */
static struct keep_out keep_out_moving(const struct placing *p, unsigned placed)
{
    struct keep_out out = keep_out_always(p->source);

    keep_out_segments(&out, p);
    keep_out_files(&out, p->source);
    for (unsigned i = 0; i < placed; i++)
        keep_out_add(&out, whole_pages(p->plan->modules[i]));
    return out;
}

static bool may_stay(const struct placing *p, struct range module)
{
    return module.start % PAGE_SIZE == 0 && !hits_segment(p, module) &&
           memmap_is(p->source->memmap, module, MEMORY_RAM) && !range_overlaps(module, p->source->block);
}

static bool place_module(const struct placing *p, unsigned index)
{
    const struct range from = p->source->modules[index].range;
    const uint64_t size = range_size(from);
    struct range *to = &p->plan->modules[index];
    struct keep_out out = keep_out_moving(p, index);

    *to = from;
    if (size == 0 || may_stay(p, from))
        return true;
    if (!keep_out_find(&out, p->source, ALIGN_UP(size, PAGE_SIZE), PAGE_SIZE, high_memory, LOWEST, to))
        return fail(p->error,
                    "module %u (%lu KiB) lies where the kernel goes or on no RAM, and there is no other place of that "
                    "size: link the kernel elsewhere, or give the machine more memory (RAM: %lu MiB)",
                    index + 2, ALIGN_UP(size, KIB) / KIB, memmap_ram_bytes(p->source->memmap) / MIB);
    to->end = to->start + size;
    return true;
}

static bool place_modules(const struct placing *p)
{
    for (unsigned i = 0; i < p->source->module_count; i++)
        if (!place_module(p, i))
            return false;
    return true;
}

static bool place_file(const struct placing *p)
{
    const uint64_t size = range_size(p->source->kernel);
    struct keep_out out = keep_out_moving(p, p->source->module_count);

    p->plan->file = p->source->kernel;
    if (!hits_segment(p, p->source->kernel))
        return true;
    return keep_out_find(&out, p->source, size, PAGE_SIZE, high_memory, HIGHEST, &p->plan->file) ||
           fail(p->error,
                "the kernel goes where its own file lies, and there are no other %lu KiB to copy that to: link the "
                "kernel elsewhere, or give the machine more memory (RAM: %lu MiB)",
                ALIGN_UP(size, KIB) / KIB, memmap_ram_bytes(p->source->memmap) / MIB);
}

static bool place_information(const struct placing *p, uint64_t size)
{
    struct keep_out out = keep_out_always(p->source);
    struct range *place = &p->plan->information;

    keep_out_segments(&out, p);
    for (unsigned i = 0; i < p->source->module_count; i++)
        keep_out_add(&out, whole_pages(p->plan->modules[i]));
    keep_out_add(&out, p->plan->file);
    return keep_out_find(&out, p->source, size, PAGE_SIZE, low_memory, LOWEST, place) ||
           keep_out_find(&out, p->source, size, PAGE_SIZE, high_memory, LOWEST, place) ||
           fail(p->error,
                "no %lu KiB of RAM are left below 4 GiB for the multiboot information: give the machine more "
                "memory",
                size / KIB);
}

bool multiboot_place(const struct guest_source *source, const struct multiboot_header *header,
                     uint64_t information_size, struct multiboot_plan *plan, struct error *error)
{
    const struct placing p = {source, header, plan, error};

    return place_image(&p) && place_modules(&p) && place_file(&p) && place_information(&p, information_size);
}
