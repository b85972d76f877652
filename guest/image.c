/* The segments of a program: none may overlap another, and the entry point lies in one of them. */
#include "guest/image.h"

#include "lib/format.h"

void image_name(const struct image *image, const struct image_segment *segment, char *text, size_t text_size)
{
    if (image->is_elf)
        format_text(text, text_size, "ELF program header %u (p_paddr, p_memsz)", segment->number);
    else
        format_text(text, text_size, "the multiboot header's address fields (load_addr, bss_end_addr)");
}

bool image_add(struct image *image, const struct image_segment *segment, struct error *error)
{
    if (image->count == IMAGE_SEGMENTS_MAX)
        return fail(error, "the kernel's ELF header has more than %d PT_LOAD segments (e_phnum): link it with fewer",
                    IMAGE_SEGMENTS_MAX);
    for (unsigned i = 0; i < image->count; i++)
        if (range_overlaps(image->segments[i].to, segment->to))
            return fail(error,
                        "the kernel's ELF program headers %u and %u overlap in memory (p_paddr, p_memsz: %#lx-%#lx and "
                        "%#lx-%#lx): link it anew",
                        image->segments[i].number, segment->number, image->segments[i].to.start,
                        image->segments[i].to.end, segment->to.start, segment->to.end);
    if (image->count == 0)
        image->span = segment->to;
    if (segment->to.start < image->span.start)
        image->span.start = segment->to.start;
    if (segment->to.end > image->span.end)
        image->span.end = segment->to.end;
    image->segments[image->count++] = *segment;
    return true;
}

/* By virtual addresses first, as GRUB does; kernels linked high often give their physical entry point instead. */
bool image_locate(const struct image *image, uint64_t address, uint32_t *physical)
{
    for (unsigned i = 0; i < image->count; i++) {
        const struct image_segment *segment = &image->segments[i];

        if (address - segment->virtual_address < range_size(segment->to)) {
            *physical = (uint32_t)(segment->to.start + (address - segment->virtual_address));
            return true;
        }
    }
    for (unsigned i = 0; i < image->count; i++)
        if (address >= image->segments[i].to.start && address < image->segments[i].to.end) {
            *physical = (uint32_t)address;
            return true;
        }
    return false;
}
