/* What the loader has made of the guest's file: the zero page's setup header, the initrd, the command line. */
#include "lib/string.h"
#include "tests/guest/report.h"
#include "tests/guest/tests.h"

/* Offsets in boot_params, Documentation/x86/zero-page.rst and boot.rst */
enum {
    E820_ENTRIES = 0x1e8,
    VERSION = 0x206,
    TYPE_OF_LOADER = 0x210,
    LOADFLAGS = 0x211,
    CODE32_START = 0x214,
    RAMDISK_IMAGE = 0x218,
    RAMDISK_SIZE = 0x21c,
    CMD_LINE_PTR = 0x228,
    RELOCATABLE_KERNEL = 0x234,
    PREF_ADDRESS = 0x258,
};

static uint32_t get(unsigned offset, unsigned size)
{
    uint32_t value = 0;

    memcpy(&value, guest_boot_params + offset, size);
    return value;
}

static const uint8_t *pointer(unsigned offset)
{
    return (const uint8_t *)(uintptr_t)get(offset, 4);
}

/* FNV-1a */
static uint32_t hash(const uint8_t *bytes, uint32_t size)
{
    uint32_t value = 2166136261u;

    for (uint32_t i = 0; i < size; i++)
        value = (value ^ bytes[i]) * 16777619u;
    return value;
}

void test_loader(void)
{
    observe("protocol %u.%02u, loaded high %u, relocatable_kernel %x, pref_address %x", get(VERSION + 1, 1),
            get(VERSION, 1), get(LOADFLAGS, 1) & 1, get(RELOCATABLE_KERNEL, 1), get(PREF_ADDRESS, 4));
    observe("initrd: %u bytes, hash %x", get(RAMDISK_SIZE, 4), hash(pointer(RAMDISK_IMAGE), get(RAMDISK_SIZE, 4)));
    observe("code: hash %x", hash(image_code, (uint32_t)(image_code_end - image_code)));
    differ("loaded at %x, type_of_loader %x", guest_loaded_at, get(TYPE_OF_LOADER, 1));
    differ("command line: %s", (const char *)pointer(CMD_LINE_PTR));
    check(get(CODE32_START, 4) == guest_loaded_at, "code32_start is %x", get(CODE32_START, 4));
    check(get(E820_ENTRIES, 1) > 0, "there is no memory map");
}
