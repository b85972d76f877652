/* The address fields of both multiboot headers, for kernels in other formats than ELF ("a.out kludge"). */
#include "guest/multiboot_header.h"

#define LINK_ANEW "correct the kernel's header"

static bool check_order(const struct multiboot_addresses *f, uint64_t load, uint64_t load_end, struct error *error)
{
    if (f->header_addr < load)
        return fail(error, "the multiboot header's load_addr %#lx is above its header_addr %#x: " LINK_ANEW, load,
                    f->header_addr);
    if (f->header_addr - load > f->header_offset)
        return fail(error,
                    "the multiboot header's load_addr %#lx lies before the file's first byte (header_addr %#x, the "
                    "header at %#lx in the file): " LINK_ANEW,
                    load, f->header_addr, f->header_offset);
    if (load_end <= load)
        return fail(error, "the multiboot header's load_end_addr %#lx is not above its load_addr %#lx: " LINK_ANEW,
                    load_end, load);
    if (f->bss_end_addr != 0 && f->bss_end_addr < load_end)
        return fail(error, "the multiboot header's bss_end_addr %#x is below its load_end_addr %#lx: " LINK_ANEW,
                    f->bss_end_addr, load_end);
    return true;
}

bool multiboot_addresses_read(const struct multiboot_addresses *f, size_t size, struct image *image,
                              struct error *error)
{
    const uint64_t load = f->whole_file ? f->header_addr - f->header_offset : f->load_addr;
    const uint64_t offset = f->header_offset - (f->header_addr - load);
    const uint64_t load_end = f->load_end_addr ? f->load_end_addr : load + (size - offset);
    const uint64_t end = f->bss_end_addr ? f->bss_end_addr : load_end;

    if (f->whole_file && f->header_addr < f->header_offset)
        return fail(error, "the multiboot header's header_addr %#x is below its offset in the file, %#lx: " LINK_ANEW,
                    f->header_addr, f->header_offset);
    if (!check_order(f, load, load_end, error))
        return false;
    if (load_end - load > size - offset)
        return fail(error,
                    "the multiboot header's load_end_addr %#lx asks for %#lx bytes from %#lx on in the file, which "
                    "has %#zx: the file is truncated, copy it again",
                    load_end, load_end - load, offset, size);
    if (end > 4 * GIB)
        return fail(error, "the multiboot header's load_addr %#lx puts the file's end above 4 GiB: " LINK_ANEW, load);
    image->is_elf = false;
    image->count = 0;
    image->entry = load;
    return image_add(
        image,
        &(struct image_segment){.to = {load, end}, .virtual_address = load, .offset = offset, .bytes = load_end - load},
        error);
}
