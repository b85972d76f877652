/*
 * The Linux/x86 boot protocol, 2.04 and later, 32-bit entry (Documentation/x86/boot.rst). Pure: memory only through
 * phys_map(). Boot only.
 */
#pragma once

#include "guest/guest.h"

/* True if the file's setup header has the boot flag 0xaa55 and the magic "HdrS". */
bool linux_recognise(const void *file, size_t size);

/*
 * Checks the kernel, places it, the initrd, the zero page, the command line and a GDT in RAM without overlap with one
 * another, the block, or `avoid`, copies them there and fills *entry. The command line may get more words
 * (guest/linux_command_line.h). Errors name the field and the remedy; nothing is copied before everything is checked
 * and placed. The files as the loader left them must not overlap each other.
 */
must_check bool linux_load(const struct guest_source *source, struct guest_entry *entry, struct error *error);
