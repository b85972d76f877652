/* Loads a multiboot kernel: check everything, place everything, then move it. */
#include "guest/multiboot.h"

#include "guest/flat_gdt.h"
#include "guest/multiboot_header.h"
#include "guest/multiboot_info.h"
#include "guest/multiboot_place.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mm/phys.h"

enum { MAGIC1 = 0x2badb002, MAGIC2 = 0x36d76289 };

unsigned multiboot_recognise(const void *file, size_t size)
{
    if (multiboot2_find(file, size) != MULTIBOOT_NO_HEADER)
        return 2;
    return multiboot1_find(file, size) != MULTIBOOT_NO_HEADER ? 1 : 0;
}

static bool read_header(const void *file, size_t size, struct multiboot_header *header, struct error *error)
{
    const int64_t version2 = multiboot2_find(file, size);

    if (version2 != MULTIBOOT_NO_HEADER)
        return multiboot2_check(file, size, (uint64_t)version2, header, error);
    return multiboot1_check(file, size, (uint64_t)multiboot1_find(file, size), header, error);
}

static bool check_screen(const struct guest_source *source, const struct multiboot_header *header, struct error *error)
{
    const bool graphics = source->screen.present && !source->screen.text;

    if (header->needs_screen && !source->screen.present)
        return fail(error, "the multiboot2 header's console flags tag demands a screen, but the boot loader gave none: "
                           "attach one, or clear its bit 0");
    if (header->needs_graphics && !graphics)
        return fail(error, "the multiboot2 header's console flags tag demands graphics, but the boot loader left the "
                           "screen in text mode: allow EGA text (its bit 1)");
    if (header->wants_graphics && !graphics)
        log_info("Guest: the kernel would like a graphics mode, but the boot loader gave none: it gets %s",
                 source->screen.present ? "text mode" : "no screen");
    return true;
}

/* Every place must be within reach before the first byte is written. */
static bool can_map(const struct guest_source *source, const struct multiboot_header *header,
                    const struct multiboot_plan *plan)
{
    bool ok = phys_map(plan->file.start, range_size(plan->file)) &&
              phys_map(plan->information.start, range_size(plan->information));

    for (unsigned i = 0; i < header->image.count; i++) {
        const struct range to = multiboot_segment(plan, &header->image.segments[i]);

        ok = ok && phys_map(to.start, range_size(to));
    }
    for (unsigned i = 0; i < source->module_count; i++) {
        const struct range from = source->modules[i].range, to = plan->modules[i];

        ok = ok &&
             (from.start == to.start || (phys_map(from.start, range_size(from)) && phys_map(to.start, range_size(to))));
    }
    return ok;
}

static void move(struct range from, struct range to)
{
    const uint64_t size = range_size(from);

    if (size != 0 && from.start != to.start)
        memcpy(phys_map(to.start, size), phys_map(from.start, size), size);
}

static void load_segments(const struct multiboot_header *header, const struct multiboot_plan *plan)
{
    const uint8_t *file = phys_map(plan->file.start, range_size(plan->file));

    for (unsigned i = 0; i < header->image.count; i++) {
        const struct image_segment *segment = &header->image.segments[i];
        const struct range to = multiboot_segment(plan, segment);
        uint8_t *at = phys_map(to.start, range_size(to));

        memcpy(at, file + segment->offset, segment->bytes);
        memset(at + segment->bytes, 0, range_size(to) - segment->bytes);
    }
}

static uint64_t write_information(struct writer *writer, const struct guest_source *source,
                                  const struct multiboot_header *header, const struct multiboot_plan *plan)
{
    return header->version == 2 ? multiboot2_write(writer, source, header, plan)
                                : multiboot1_write(writer, source, plan);
}

static uint64_t information_size(const struct guest_source *source, const struct multiboot_header *header)
{
    const struct multiboot_plan nowhere = {.shift = 0};
    struct writer counter = {.at = NULL};

    write_information(&counter, source, header, &nowhere);
    return ALIGN_UP(counter.used, PAGE_SIZE);
}

static void load(const struct guest_source *source, const struct multiboot_header *header,
                 const struct multiboot_plan *plan, struct guest_entry *entry)
{
    struct writer writer = {.physical = plan->information.start};
    uint64_t information;

    for (unsigned i = 0; i < source->module_count; i++)
        move(source->modules[i].range, plan->modules[i]);
    move(source->kernel, plan->file);
    load_segments(header, plan);
    writer.at = phys_map(plan->information.start, range_size(plan->information));
    information = write_information(&writer, source, header, plan);
    *entry = (struct guest_entry){
        .eip = (uint32_t)(header->entry + plan->shift),
        .eax = header->version == 2 ? MAGIC2 : MAGIC1,
        .ebx = writer_address(&writer, information),
        .gdt_base = (uint32_t)plan->information.start + MULTIBOOT_GDT_OFFSET,
        .gdt_limit = sizeof flat_gdt - 1,
        .code_selector = FLAT_CODE,
        .data_selector = FLAT_DATA,
        .kernel = plan->image,
        .parameters = plan->information,
    };
}

bool multiboot_load(const struct guest_source *source, struct guest_entry *entry, struct error *error)
{
    const uint64_t size = range_size(source->kernel);
    const void *file = phys_map(source->kernel.start, size);
    struct multiboot_header header;
    struct multiboot_plan plan;

    if (!file || !multiboot_recognise(file, size))
        return fail(error, "module 1 has no multiboot header, or lies at or above 4 GiB: check the file that module2 "
                           "names");
    if (!read_header(file, size, &header, error) || !check_screen(source, &header, error) ||
        !multiboot_place(source, &header, information_size(source, &header), &plan, error))
        return false;
    if (!can_map(source, &header, &plan))
        return fail(error, "a module lies where Plinth can't reach it, at or above 4 GiB: make the boot loader load it "
                           "below");
    load(source, &header, &plan, entry);
    return true;
}
