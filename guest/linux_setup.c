/* The real-mode code with its 64 KiB, as a loader leaves them (Documentation/x86/boot.rst, "Sample Boot
 * Configuration"). */
#include "guest/linux_setup.h"

#include "guest/boot_params.h"
#include "lib/string.h"

enum {
    SETUP_BYTES_MAX = 0x8000, /* code and data; above them heap and stack, up to */
    HEAP_END = 0xe000,
    HEAP_END_BIAS = 0x200, /* heap_end_ptr doesn't count the boot sector */
    COMMAND_LINE_OFFSET = 0x10000,
    CAN_USE_HEAP = 0x80,
};

uint64_t linux_setup_size(const struct guest_source *source)
{
    return ALIGN_UP(COMMAND_LINE_OFFSET + strlen(source->command_line) + 1, PAGE_SIZE);
}

bool linux_setup_fits(struct range memory, struct range resident)
{
    return memory.end <= resident.start;
}

static void fill_header(uint8_t *at, const struct linux_plan *plan)
{
    const size_t size = offsetof(struct setup_header, initrd_addr_max); /* what follows is none of a loader's */
    struct setup_header header;

    memcpy(&header, at + SETUP_HEADER_OFFSET, size);
    header.vid_mode = VID_MODE_NORMAL;
    header.type_of_loader = TYPE_OF_LOADER_UNDEFINED;
    header.loadflags |= CAN_USE_HEAP;
    header.heap_end_ptr = HEAP_END - HEAP_END_BIAS;
    header.cmd_line_ptr = (uint32_t)(plan->parameters.start + COMMAND_LINE_OFFSET);
    header.ramdisk_image = (uint32_t)plan->initrd.start;
    header.ramdisk_size = (uint32_t)range_size(plan->initrd);
    memcpy(at + SETUP_HEADER_OFFSET, &header, size);
}

void linux_setup_write(const struct guest_source *source, const struct linux_header *header,
                       const struct linux_plan *plan, const void *file, void *at, struct bios_plan *bios,
                       struct guest_entry *entry)
{
    const uint64_t size = header->setup_size < SETUP_BYTES_MAX ? header->setup_size : SETUP_BYTES_MAX;
    uint8_t *const bytes = at;

    memmove(bytes + COMMAND_LINE_OFFSET, source->command_line, strlen(source->command_line) + 1);
    memset(bytes, 0, COMMAND_LINE_OFFSET);
    memcpy(bytes, file, size);
    fill_header(bytes, plan);
    bios->setup_segment = (uint16_t)(plan->parameters.start >> 4);
    bios->setup_stack = HEAP_END;
    *entry = (struct guest_entry){.kernel = plan->kernel, .initrd = plan->initrd, .parameters = plan->parameters};
}
