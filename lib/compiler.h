/* Compiler attributes and the few macros used everywhere. Pure: host and bare metal. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define must_check             __attribute__((warn_unused_result))
#define packed                 __attribute__((packed))
#define noreturn               __attribute__((noreturn))
#define aligned(n)             __attribute__((aligned(n)))
#define printf_like(fmt, args) __attribute__((format(printf, fmt, args)))

#define noinline      __attribute__((noinline))
#define always_inline inline __attribute__((always_inline))
#define likely(x)     __builtin_expect(!!(x), 1)
#define unlikely(x)   __builtin_expect(!!(x), 0)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* a power of two is expected for `align`; callers keep `x` far enough from the wrap */
#define ALIGN_DOWN(x, align) ((x) & ~((__typeof__(x))(align)-1))
#define ALIGN_UP(x, align)   ALIGN_DOWN((x) + ((__typeof__(x))(align)-1), align)

#define KIB       ((uint64_t)1 << 10)
#define MIB       ((uint64_t)1 << 20)
#define GIB       ((uint64_t)1 << 30)
#define PAGE_SIZE ((uint64_t)4096)
