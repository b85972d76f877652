/* Guesses what a file is from the magic numbers of the formats that people try to boot. */
#include "guest/describe.h"

#include "lib/format.h"
#include "lib/string.h"

struct file {
    const uint8_t *bytes;
    size_t size;
};

static bool has(struct file file, size_t offset, const void *magic, size_t length)
{
    return file.size >= length && offset <= file.size - length && memcmp(file.bytes + offset, magic, length) == 0;
}

static uint32_t little_endian(struct file file, size_t offset, unsigned bytes)
{
    uint32_t value = 0;

    if (file.size < bytes || offset > file.size - bytes)
        return 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint32_t)file.bytes[offset + i] << (8 * i);
    return value;
}

static uint32_t dword(struct file file, size_t offset)
{
    return little_endian(file, offset, 4);
}

static uint32_t word(struct file file, size_t offset)
{
    return little_endian(file, offset, 2);
}

/* Formats that a magic number at a fixed offset tells; the first match counts. */
static const struct {
    uint16_t offset;
    uint8_t length;
    char magic[8];
    const char *name;
} formats[] = {
    {0, 6, "070701", "an initramfs (cpio archive)"},
    {0, 6, "070702", "an initramfs (cpio archive)"},
    {0, 6, "070707", "a cpio archive"},
    {0, 2, "\x1f\x8b", "a gzip file (a compressed initrd?)"},
    {0, 6,
     "\xfd"
     "7zXZ",
     "an xz file (a compressed initrd?)"},
    {0, 4, "\x28\xb5\x2f\xfd", "a zstd file (a compressed initrd?)"},
    {0, 4, "\x04\x22\x4d\x18", "an lz4 file (a compressed initrd?)"},
    {0, 4, "\x02\x21\x4c\x18", "an lz4 file (a compressed initrd?)"},
    {0, 3, "BZh", "a bzip2 file"},
    {0, 3, "\x5d\0\0", "an lzma file (a compressed initrd?)"},
    {0, 4, "\x89LZO", "an lzop file (a compressed initrd?)"},
    {0, 4, "hsqs", "a squashfs file system"},
    {0, 4, "QFI\xfb", "a qcow2 disk image"},
    {0, 4, "KDMV", "a VMDK disk image"},
    {0x200, 8, "EFI PART", "a disk image with a GPT"},
    {0x438, 2, "\x53\xef", "an ext2, ext3 or ext4 file system"},
    {0, 7, "!<arch>", "an ar archive (a Debian package?)"},
    {0x101, 5, "ustar", "a tar archive"},
    {0x38, 4, "ARMd", "a Linux kernel for ARM64"},
    {4, 4, "zimg", "a compressed EFI image of a Linux kernel"},
    {0, 4, "\x27\x05\x19\x56", "an image for U-Boot"},
    {0, 4, "\xd0\x0d\xfe\xed", "a device tree or FIT image"},
    {0x8001, 5, "CD001", "an ISO 9660 image"},
    {0, 2, "#!", "a script"},
};

/* Multiboot specification 0.6.96, 3.1.1: in the first 8 KiB, on a multiple of 4, three words that add up to 0. */
static bool is_multiboot1(struct file file)
{
    for (size_t at = 0; at + 12 <= file.size && at + 12 <= 8192; at += 4)
        if (dword(file, at) == 0x1badb002 && dword(file, at) + dword(file, at + 4) + dword(file, at + 8) == 0)
            return true;
    return false;
}

/* Multiboot2 specification 2.0, 3.1.1: in the first 32 KiB, on a multiple of 8, four words that add up to 0. */
static bool is_multiboot2(struct file file)
{
    for (size_t at = 0; at + 16 <= file.size && at + 16 <= 32768; at += 8)
        if (dword(file, at) == 0xe85250d6 &&
            dword(file, at) + dword(file, at + 4) + dword(file, at + 8) + dword(file, at + 12) == 0)
            return true;
    return false;
}

static const char *elf_machine(uint32_t machine)
{
    switch (machine) {
    case 3:
        return "x86";
    case 62:
        return "x86-64";
    case 40:
        return "ARM";
    case 183:
        return "ARM64";
    case 243:
        return "RISC-V";
    default:
        return "another machine";
    }
}

static bool describe_elf(struct file file, char *text, size_t text_size)
{
    if (!has(file, 0, "\177ELF", 4))
        return false;
    format_text(text, text_size, "an ELF%s file for %s (a vmlinux?)", file.size > 4 && file.bytes[4] == 2 ? "64" : "32",
                elf_machine(word(file, 18)));
    return true;
}

/* A Linux header of its own kind is met here only when the loader refused it for another reason, or by other callers.
 */
static bool describe_linux(struct file file, char *text, size_t text_size)
{
    const uint32_t version = word(file, 0x206);

    if (word(file, 0x1fe) != 0xaa55 || !has(file, 0x202, "HdrS", 4))
        return false;
    format_text(text, text_size, "a Linux %s, boot protocol %u.%02u", word(file, 0x211) & 1 ? "bzImage" : "zImage",
                version >> 8, version & 0xff);
    return true;
}

/* Unified kernel images hold the kernel in a section of that name (PE/COFF specification, "Section Table"). */
static bool has_linux_section(struct file file, size_t pe)
{
    const size_t table = pe + 24 + word(file, pe + 20);

    for (size_t i = 0; i < word(file, pe + 6); i++)
        if (has(file, table + i * 40, ".linux\0", 8))
            return true;
    return false;
}

static bool describe_pe(struct file file, char *text, size_t text_size)
{
    const uint32_t pe = dword(file, 0x3c);
    const uint32_t subsystem = word(file, (size_t)pe + 24 + 68); /* PE/COFF specification, "Optional Header" */

    if (!has(file, 0, "MZ", 2))
        return false;
    if (!has(file, pe, "PE\0", 4))
        format_text(text, text_size, "a DOS program");
    else if (has_linux_section(file, pe))
        format_text(text, text_size, "a unified kernel image (the kernel is in its section .linux)");
    else if (subsystem >= 10 && subsystem <= 13)
        format_text(text, text_size, "an EFI program (PE/COFF, machine %#x)", word(file, (size_t)pe + 4));
    else
        format_text(text, text_size, "a Windows program (PE/COFF)");
    return true;
}

static bool describe_format(struct file file, char *text, size_t text_size)
{
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
        if (has(file, formats[i].offset, formats[i].magic, formats[i].length)) {
            format_text(text, text_size, "%s", formats[i].name);
            return true;
        }
    return false;
}

static bool is_text(struct file file)
{
    for (size_t i = 0; i < file.size && i < 512; i++)
        if ((file.bytes[i] < ' ' || file.bytes[i] == 0x7f) && file.bytes[i] != '\n' && file.bytes[i] != '\t' &&
            file.bytes[i] != '\r')
            return false;
    return true;
}

static const char *describe_rest(struct file file)
{
    if (is_text(file))
        return "a text file";
    if (word(file, 0x1fe) == 0xaa55)
        return "a boot sector or disk image, or a Linux older than 1.3.73";
    for (size_t i = 0; i < file.size && i < 4096; i++)
        if (file.bytes[i] != 0)
            return "of an unknown format";
    return "full of zeros";
}

void guest_describe(const void *bytes, size_t size, char *text, size_t text_size)
{
    const struct file file = {bytes, size};

    if (size == 0)
        format_text(text, text_size, "an empty file");
    else if (describe_linux(file, text, text_size))
        return;
    else if (is_multiboot2(file))
        format_text(text, text_size, "a multiboot2 kernel");
    else if (is_multiboot1(file))
        format_text(text, text_size, "a multiboot kernel");
    else if (!describe_elf(file, text, text_size) && !describe_format(file, text, text_size) &&
             !describe_pe(file, text, text_size))
        format_text(text, text_size, "%s", describe_rest(file));
}
