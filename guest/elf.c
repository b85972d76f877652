/* Reads an ELF file's program headers: both classes into the 64-bit form, then one set of checks. */
#include "guest/elf.h"

#include "lib/string.h"

enum { EI_CLASS = 4, EI_DATA = 5, EI_VERSION = 6, ELFCLASS32 = 1, ELFCLASS64 = 2, ELFDATA2LSB = 1, EV_CURRENT = 1 };
enum { ET_EXEC = 2, ET_DYN = 3, EM_386 = 3, EM_X86_64 = 62, PT_LOAD = 1 };

struct elf32_header {
    uint8_t e_ident[16];
    uint16_t e_type, e_machine;
    uint32_t e_version, e_entry, e_phoff, e_shoff, e_flags;
    uint16_t e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx;
};

struct elf64_header {
    uint8_t e_ident[16];
    uint16_t e_type, e_machine;
    uint32_t e_version;
    uint64_t e_entry, e_phoff, e_shoff;
    uint32_t e_flags;
    uint16_t e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx;
};

struct elf32_program_header {
    uint32_t p_type, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_flags, p_align;
};

struct elf64_program_header {
    uint32_t p_type, p_flags;
    uint64_t p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align;
};

_Static_assert(sizeof(struct elf32_header) == 52 && sizeof(struct elf64_header) == 64, "System V ABI, ELF Header");
_Static_assert(sizeof(struct elf32_program_header) == 32 && sizeof(struct elf64_program_header) == 56,
               "System V ABI, Program Header");

/* A file and what its ELF header says, for both classes. */
struct elf {
    const uint8_t *file;
    size_t size;
    bool is_64bit;
    uint64_t entry, phoff;
    uint32_t version;
    uint16_t type, machine, phentsize, phnum;
};

#define DAMAGED "the file is damaged, copy it again"

bool elf_recognise(const void *file, size_t size)
{
    return size >= 4 && memcmp(file, "\177ELF", 4) == 0;
}

static void read_header(struct elf *elf)
{
    struct elf32_header narrow;
    struct elf64_header wide;

    if (elf->is_64bit) {
        memcpy(&wide, elf->file, sizeof wide);
    } else {
        memcpy(&narrow, elf->file, sizeof narrow);
        wide = (struct elf64_header){.e_type = narrow.e_type,
                                     .e_machine = narrow.e_machine,
                                     .e_version = narrow.e_version,
                                     .e_entry = narrow.e_entry,
                                     .e_phoff = narrow.e_phoff,
                                     .e_phentsize = narrow.e_phentsize,
                                     .e_phnum = narrow.e_phnum};
    }
    elf->type = wide.e_type;
    elf->machine = wide.e_machine;
    elf->version = wide.e_version;
    elf->entry = wide.e_entry;
    elf->phoff = wide.e_phoff;
    elf->phentsize = wide.e_phentsize;
    elf->phnum = wide.e_phnum;
}

static bool check_ident(const struct elf *elf, struct error *error)
{
    const uint8_t *ident = elf->file;

    if (elf->size < sizeof(struct elf32_header))
        return fail(error, "the kernel's ELF file has %zu bytes, less than its header: " DAMAGED, elf->size);
    if (ident[EI_CLASS] != ELFCLASS32 && ident[EI_CLASS] != ELFCLASS64)
        return fail(error, "the kernel's ELF class (EI_CLASS) is %u, not 1 (32 bits) or 2 (64 bits): " DAMAGED,
                    ident[EI_CLASS]);
    if (ident[EI_DATA] != ELFDATA2LSB)
        return fail(error, "the kernel's ELF byte order (EI_DATA) is %u, not 1 (little-endian): use a kernel for x86",
                    ident[EI_DATA]);
    if (ident[EI_VERSION] != EV_CURRENT)
        return fail(error, "the kernel's ELF version (EI_VERSION) is %u, not 1: " DAMAGED, ident[EI_VERSION]);
    if (ident[EI_CLASS] == ELFCLASS64 && elf->size < sizeof(struct elf64_header))
        return fail(error, "the kernel's ELF file has %zu bytes, less than its header: " DAMAGED, elf->size);
    return true;
}

static bool check_header(const struct elf *elf, struct error *error)
{
    const uint32_t entry_size =
        elf->is_64bit ? sizeof(struct elf64_program_header) : sizeof(struct elf32_program_header);

    if (elf->type != ET_EXEC && elf->type != ET_DYN)
        return fail(error, "the kernel's ELF type (e_type) is %u, not 2 (program): link it to a program", elf->type);
    if (elf->machine != EM_386 && elf->machine != EM_X86_64)
        return fail(error, "the kernel's ELF machine (e_machine) is %u, not 3 or 62: use a kernel for x86",
                    elf->machine);
    if (elf->version != EV_CURRENT)
        return fail(error, "the kernel's ELF version (e_version) is %u, not 1: " DAMAGED, elf->version);
    if (elf->phentsize != entry_size)
        return fail(error, "the kernel's ELF program headers (e_phentsize) have %u bytes, not %u: " DAMAGED,
                    elf->phentsize, entry_size);
    if (elf->phoff > elf->size || elf->phnum > (elf->size - elf->phoff) / entry_size)
        return fail(error,
                    "the kernel's %u ELF program headers at %#lx (e_phnum, e_phoff) are beyond the file's %zu bytes: "
                    "the file is truncated, copy it again",
                    elf->phnum, elf->phoff, elf->size);
    return true;
}

static struct elf64_program_header program_header(const struct elf *elf, unsigned index)
{
    const uint8_t *at = elf->file + elf->phoff + (size_t)index * elf->phentsize;
    struct elf32_program_header narrow;
    struct elf64_program_header wide;

    if (elf->is_64bit) {
        memcpy(&wide, at, sizeof wide);
        return wide;
    }
    memcpy(&narrow, at, sizeof narrow);
    return (struct elf64_program_header){.p_type = narrow.p_type,
                                         .p_offset = narrow.p_offset,
                                         .p_vaddr = narrow.p_vaddr,
                                         .p_paddr = narrow.p_paddr,
                                         .p_filesz = narrow.p_filesz,
                                         .p_memsz = narrow.p_memsz};
}

static bool add_segment(const struct elf *elf, unsigned index, struct image *image, struct error *error)
{
    const struct elf64_program_header header = program_header(elf, index);
    struct image_segment segment;

    if (header.p_type != PT_LOAD || header.p_memsz == 0)
        return true;
    if (header.p_filesz > header.p_memsz)
        return fail(error, "the kernel's ELF program header %u has p_filesz %#lx above p_memsz %#lx: " DAMAGED, index,
                    header.p_filesz, header.p_memsz);
    if (header.p_offset > elf->size || header.p_filesz > elf->size - header.p_offset)
        return fail(error,
                    "the kernel's ELF program header %u (p_offset %#lx, p_filesz %#lx) goes beyond the file's %zu "
                    "bytes: the file is truncated, copy it again",
                    index, header.p_offset, header.p_filesz, elf->size);
    if (header.p_paddr >= 4 * GIB || header.p_memsz > 4 * GIB - header.p_paddr)
        return fail(error,
                    "the kernel's ELF program header %u (p_paddr %#lx, p_memsz %#lx) goes beyond 4 GiB, but multiboot "
                    "kernels start below: link it lower",
                    index, header.p_paddr, header.p_memsz);
    segment = (struct image_segment){.to = {header.p_paddr, header.p_paddr + header.p_memsz},
                                     .virtual_address = header.p_vaddr,
                                     .offset = header.p_offset,
                                     .bytes = header.p_filesz,
                                     .number = index};
    return image_add(image, &segment, error);
}

bool elf_read(const void *file, size_t size, struct image *image, struct error *error)
{
    struct elf elf = {.file = file, .size = size};

    image->count = 0;
    image->is_elf = true;
    if (!check_ident(&elf, error))
        return false;
    elf.is_64bit = elf.file[EI_CLASS] == ELFCLASS64;
    read_header(&elf);
    if (!check_header(&elf, error))
        return false;
    for (unsigned i = 0; i < elf.phnum; i++)
        if (!add_segment(&elf, i, image, error))
            return false;
    image->entry = elf.entry;
    if (image->count == 0)
        return fail(error, "the kernel's ELF file has no PT_LOAD program header: link it to a program");
    return true;
}
