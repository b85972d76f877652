/* The setup header of a Linux kernel file, checked and in host terms. Pure. Boot only. */
#pragma once

#include "lib/error.h"

struct linux_header {
    uint64_t setup_size;    /* bytes: boot sector and real-mode code, which we skip */
    uint64_t system_size;   /* bytes after them: the protected-mode part */
    uint64_t runtime_size;  /* bytes from the load address on that it needs until it knows its memory */
    uint64_t pref_address;  /* 0: none */
    uint64_t alignment;     /* preferred; a power of two */
    uint64_t min_alignment; /* the least that works; a power of two, at most `alignment` */
    uint64_t initrd_limit;  /* the initrd's end (exclusive) must not be above it; at most 4 GiB */
    uint32_t cmdline_size;  /* characters */
    uint32_t header_end;    /* file offset where the setup header ends */
    bool relocatable;
    bool needs_setup; /* there is no 32-bit entry: its real-mode code must run */
};

/*
 * Checks the header of a file that linux_recognise() knows, and that the file is whole. Fails with an
 * error that names the field (boot.rst, "Details of Header Fields").
 */
must_check bool linux_header_check(const void *file, size_t size, struct linux_header *header, struct error *error);
