#include "boot/image.h"

struct range image_loaded(void)
{
    return (struct range){load_base, (uint64_t)image_boot_pointer(load_end)};
}

void image_move_to(struct range block, uint64_t image_bytes)
{
    boot_move((void *)block.start, image_start, image_bytes, image_boot_pointer(boot_pd_high), block.start,
              range_size(block) / (2 * MIB));
}
