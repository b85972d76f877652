/* Where the loader put the image, for boot/ram.c: of some size, at the linked address. */
#include "boot/image.h"

struct range image_loaded(void)
{
    return (struct range){LOAD_BASE, LOAD_BASE + 0x86000};
}
