#include "guest/load.h"

#include "guest/bios.h"
#include "guest/describe.h"
#include "guest/linux.h"
#include "guest/multiboot.h"
#include "lib/format.h"
#include "lib/log.h"
#include "mm/phys.h"

enum { BYTES_SHOWN = 8 };

#define SUPPORTED "Plinth starts Linux bzImage and multiboot kernels; give it one, e.g. module2 /vmlinuz"

static void first_bytes(const uint8_t *file, size_t size, char *text, size_t text_size)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < size && i < BYTES_SHOWN; i++)
        used += format_text(text + used, text_size - used, i ? " %02x" : "%02x", file[i]);
}

static bool fail_unknown(const void *file, size_t size, struct error *error)
{
    char what[80], bytes[3 * BYTES_SHOWN + 1];

    guest_describe(file, size, what, sizeof what);
    first_bytes(file, size, bytes, sizeof bytes);
    return fail(error, "the first module is %s (it begins %s): " SUPPORTED, what, bytes);
}

bool guest_load(const struct guest_source *source, struct guest_entry *entry, struct error *error)
{
    const uint64_t size = range_size(source->kernel);
    const void *file = size ? phys_map(source->kernel.start, size) : NULL;

    if (source->chainload)
        return bios_chainload(source, entry, error);
    if (size == 0)
        return fail(error, "the first module is an empty file: " SUPPORTED);
    if (!file)
        return fail(error, "the first module, the guest's kernel, is not below 4 GiB: make the boot loader load it "
                           "there");
    if (linux_recognise(file, size))
        return linux_load(source, entry, error);
    if (!multiboot_recognise(file, size))
        return fail_unknown(file, size, error);
    log_info("Guest: the first module is a multiboot%s kernel", multiboot_recognise(file, size) == 2 ? "2" : "");
    return multiboot_load(source, entry, error);
}
