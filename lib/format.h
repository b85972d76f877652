/*
 * printf's core: %s %c %d %i %u %x %X %p %%, with l, ll, z and h/hh lengths, width, '*', '-', '0', '#' and
 * a precision for %s (digits or '*'). No floating point. Pure; any CPU, NMI-safe.
 * Both return the length the whole text would have (as snprintf does) and always terminate when size > 0.
 */
#pragma once

#include <stdarg.h>

#include "lib/compiler.h"

size_t format_text(char *buffer, size_t size, const char *format, ...) printf_like(3, 4);
size_t vformat_text(char *buffer, size_t size, const char *format, va_list args) printf_like(3, 0);
