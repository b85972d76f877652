/* What the refusal of a guest image calls the file. */
#include "tests/host/support.h"

#include "guest/describe.h"

static uint8_t file[40960];

static const char *describe(size_t size)
{
    static char text[80];

    guest_describe(file, size, text, sizeof text);
    memset(file, 0, sizeof file);
    return text;
}

static void put(size_t at, const void *bytes, size_t size)
{
    memcpy(file + at, bytes, size);
}

static void put32(size_t at, uint32_t value)
{
    put(at, &value, sizeof value);
}

static void archives_and_images(void **state)
{
    static const struct {
        size_t at;
        const char *magic;
        const char *what;
    } files[] = {
        {0, "070701", "initramfs"},
        {0, "\x1f\x8b\x08", "gzip"},
        {0,
         "\xfd"
         "7zXZ",
         "xz"},
        {0, "\x28\xb5\x2f\xfd", "zstd"},
        {0, "BZh91AY", "bzip2"},
        {0, "\x5d", "lzma"}, /* and two zeros */
        {0, "\x89LZO", "lzop"},
        {0, "KDMV", "VMDK"},
        {0x200, "EFI PART", "GPT"},
        {0x438, "\x53\xef", "ext4"},
        {4, "zimg", "EFI image of a Linux kernel"},
        {0, "\x27\x05\x19\x56", "U-Boot"},
        {0, "\xd0\x0d\xfe\xed", "device tree"},
        {0, "!<arch>\n", "ar archive"},
        {0x101, "ustar", "tar"},
        {0x8001, "CD001", "ISO 9660"},
        {0x38, "ARMd", "ARM64"},
        {0, "#!/bin/sh\n", "script"},
        {0x1fe, "\x55\xaa", "boot sector"},
        {0, "\x01", "unknown"},
        {0, "", "zeros"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        put(files[i].at, files[i].magic, strlen(files[i].magic));
        assert_contains(describe(sizeof file), files[i].what);
    }
}

static void short_files(void **state)
{
    (void)state;
    assert_contains(describe(0), "empty");
    put(0, "hello\n", 6);
    assert_contains(describe(6), "text");
    for (size_t size = 1; size < 1100; size++) { /* whatever it says, it reads no further: ASan looks */
        uint8_t *exact = malloc(size);
        char text[80];

        memset(exact, 0xb0, size);
        memcpy(exact, "MZ", size < 2 ? size : 2);
        guest_describe(exact, size, text, sizeof text);
        free(exact);
    }
}

static void programs(void **state)
{
    (void)state;
    put(0, "\177ELF\2\1\1", 7);
    put(18, "\x3e", 1);
    assert_contains(describe(64), "ELF64 file for x86-64");
    put(0, "\177ELF\1\1\1", 7);
    put(18, "\x03", 1);
    assert_contains(describe(64), "ELF32 file for x86");
    put(0, "MZ", 2);
    put32(0x3c, 0x80);
    put(0x80, "PE\0\0\x64\x86", 6);
    put(0x80 + 24 + 68, "\x0a", 1);
    assert_contains(describe(4096), "EFI program (PE/COFF, machine 0x8664)");
    put(0, "MZ", 2);
    put32(0x3c, 0x80);
    put(0x80, "PE\0\0\x64\x86", 6);
    put(0x80 + 24 + 68, "\x03", 1);
    assert_contains(describe(4096), "Windows");
    put(0, "MZ", 2);
    put32(0x3c, 0x80);
    put(0x80, "PE\0\0\x64\x86\2\0", 8);
    put(0x80 + 20, "\xf0", 1);
    put(0x80 + 24 + 68, "\x0a", 1);
    put(0x80 + 24 + 0xf0 + 40, ".linux\0\0", 8);
    assert_contains(describe(4096), "unified kernel image");
    put(0, "MZ", 2);
    put32(0x3c, 0xfffffffe);
    assert_contains(describe(4096), "DOS");
}

static void multiboot_kernels(void **state)
{
    (void)state;
    put(0, "\177ELF\1\1\1", 7);
    put32(4096, 0x1badb002);
    put32(4100, 3);
    put32(4104, -(0x1badb002u + 3));
    assert_contains(describe(sizeof file), "a multiboot kernel");
    put(0, "\x01", 1);
    put32(8192 - 8, 0x1badb002); /* does not end in the first 8 KiB */
    put32(8192, -0x1badb002u);
    assert_contains(describe(sizeof file), "unknown");
    put32(32768 - 16, 0xe85250d6);
    put32(32768 - 8, 16);
    put32(32768 - 4, -(0xe85250d6u + 16));
    assert_contains(describe(sizeof file), "a multiboot2 kernel");
    put(0, "\x01", 1);
    put32(4096, 0xe85250d6);
    put32(4108, 1); /* checksum */
    assert_contains(describe(sizeof file), "unknown");
}

static void linux_kernels(void **state)
{
    (void)state;
    put(0x1fe, "\x55\xaa\xeb\x66HdrS\x05\x02", 10);
    assert_contains(describe(1024), "Linux zImage, boot protocol 2.05");
    put(0x1fe, "\x55\xaa\xeb\x66HdrS\x0f\x02", 10);
    put(0x211, "\x01", 1);
    assert_contains(describe(1024), "Linux bzImage, boot protocol 2.15");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(archives_and_images), cmocka_unit_test(short_files),   cmocka_unit_test(programs),
        cmocka_unit_test(multiboot_kernels),   cmocka_unit_test(linux_kernels),
    };

    return cmocka_run_group_tests_name("describe", tests, NULL, NULL);
}
