/*
 * memcpy and its kin for bare metal; the host's C library has its own. Copying and filling go by qwords with the
 * string instructions: quick on hardware, and one tick a qword in an emulator that counts instructions.
 * The direction flag stays clear throughout, so an interrupt handler may copy, too.
 */
#include "lib/string.h"

/* Ascending, element by element, so it is right for overlaps with to < from as well. */
static void copy_up(void *to, const void *from, size_t size)
{
    size_t count = size / 8;

    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
    count = size % 8;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    copy_up(to, from, size);
    return to;
}

/* Descending, for overlaps with to > from: piece by piece from the end, each no longer than the two are apart and so
 * without an overlap of its own. */
static void copy_down(unsigned char *to, const unsigned char *from, size_t size)
{
    const size_t apart = (size_t)(to - from);

    while (size > 0) {
        const size_t piece = size < apart ? size : apart;

        size -= piece;
        copy_up(to + size, from + size, piece);
    }
}

void *memmove(void *to, const void *from, size_t size)
{
    if (to == from || (uintptr_t)to - (uintptr_t)from >= size)
        copy_up(to, from, size);
    else
        copy_down(to, from, size);
    return to;
}

void *memset(void *to, int byte, size_t size)
{
    uint64_t pattern = (uint8_t)byte * UINT64_C(0x0101010101010101);
    size_t count = size / 8;
    void *at = to;

    __asm__ volatile("rep stosq" : "+D"(at), "+c"(count) : "a"(pattern) : "memory");
    count = size % 8;
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(count) : "a"(pattern) : "memory");
    return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const unsigned char *x = a, *y = b;

    for (size_t i = 0; i < size; i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}

size_t strlen(const char *text)
{
    return strnlen(text, SIZE_MAX);
}

size_t strnlen(const char *text, size_t most)
{
    size_t length = 0;

    while (length < most && text[length] != '\0')
        length++;
    return length;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t most)
{
    for (size_t i = 0; i < most; i++) {
        unsigned char x = (unsigned char)a[i], y = (unsigned char)b[i];

        if (x != y)
            return x < y ? -1 : 1;
        if (x == '\0')
            return 0;
    }
    return 0;
}

char *strchr(const char *text, int character)
{
    for (;; text++) {
        if (*text == (char)character)
            return (char *)(uintptr_t)text;
        if (*text == '\0')
            return NULL;
    }
}
