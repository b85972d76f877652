/* Any bytes as multiboot2 information: a whole boot_info or an error, and no read beyond the input. */
#include <stdlib.h>
#include <string.h>

#include "boot/multiboot2.h"
#include "tests/host/memmap_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool right)
{
    if (!right)
        abort();
}

static void check_inside(const void *pointer, size_t length, const uint8_t *input, size_t size)
{
    uintptr_t offset = (uintptr_t)pointer - (uintptr_t)input;

    check(offset <= size && length <= size - offset);
}

static void check_string(const char *text, const uint8_t *input, size_t size)
{
    if (*text != '\0')
        check_inside(text, strlen(text) + 1, input, size);
}

static void check_info(const struct boot_info *info, const uint8_t *input, size_t size)
{
    check_string(info->command_line, input, size);
    check_string(info->loader_name, input, size);
    check(info->module_count <= BOOT_MODULES_MAX);
    for (unsigned i = 0; i < info->module_count; i++) {
        check_string(info->modules[i].string, input, size);
        check(info->modules[i].range.start <= info->modules[i].range.end);
    }
    if (info->rsdp)
        check_inside(info->rsdp, info->rsdp_size, input, size);
    if (info->efi_memory_map)
        check_inside(info->efi_memory_map, info->efi_memory_map_size, input, size);
    check(info->framebuffer.kind >= FRAMEBUFFER_NONE && info->framebuffer.kind <= FRAMEBUFFER_TEXT);
    check(info->memmap.count > 0 && model_is_well_formed(&info->memmap));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct boot_info info;
    struct error error = {""};
    uint8_t *copy = malloc(size ? size : 1); /* of just this size, for ASan */

    memcpy(copy, data, size);
    if (multiboot2_parse(copy, size, &info, &error))
        check_info(&info, copy, size);
    else
        check(error.text[0] != '\0' && strnlen(error.text, sizeof(error.text)) < sizeof(error.text));
    free(copy);
    return 0;
}
