/*
 * What keeps binary data whole on a serial line: base64 and a checksum. Pure; any CPU, NMI-safe.
 */
#pragma once

#include "lib/compiler.h"

/* The CRC-32 of Ethernet, gzip and Python's zlib.crc32(). */
uint32_t crc32(const void *data, size_t length);

/* RFC 4648, section 4: writes base64_length(length) characters and '\0'. Returns how many characters. */
size_t base64(char *out, const void *data, size_t length);
static inline size_t base64_length(size_t length)
{
    return (length + 2) / 3 * 4;
}
