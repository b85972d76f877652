/* An ELF32 or ELF64 program for x86 (System V ABI, "Object Files"; little-endian). Pure. Boot only. */
#pragma once

#include "guest/image.h"

/* True if the file begins with ELF's magic number. */
bool elf_recognise(const void *file, size_t size);

/*
 * Reads the PT_LOAD program headers with something in memory into *image, with the physical addresses. Fails with the
 * field's name when the file is cut off, is for another machine, no program, or wants memory at or above 4 GiB. The
 * entry point is not checked.
 */
must_check bool elf_read(const void *file, size_t size, struct image *image, struct error *error);
