/*
 * printf's core: one pass over the format, one output sink that counts what it had to cut off.
 * It holds no state of its own and takes no lock, so it serves an NMI handler as well as the boot.
 */
#include "lib/format.h"

#include "lib/string.h"

struct sink {
    char *buffer;
    size_t size;
    size_t length; /* of the whole text, kept or not */
};

struct conversion {
    bool left, zero, prefix; /* flags '-', '0', '#' */
    bool has_precision;
    unsigned width, precision;
    unsigned bytes; /* size of an integer argument */
};

struct number {
    uint64_t magnitude;
    bool negative;
    unsigned base;
    bool upper;
};

enum { DIGITS_MAX = 20 }; /* of 2^64 - 1 in decimal */

static void put(struct sink *sink, char c)
{
    if (sink->length + 1 < sink->size)
        sink->buffer[sink->length] = c;
    sink->length++;
}

static void put_repeated(struct sink *sink, char c, unsigned count)
{
    while (count-- > 0)
        put(sink, c);
}

static void put_text(struct sink *sink, const struct conversion *conv, const char *text, size_t length)
{
    unsigned padding = length < conv->width ? (unsigned)(conv->width - length) : 0;

    if (!conv->left)
        put_repeated(sink, ' ', padding);
    for (size_t i = 0; i < length; i++)
        put(sink, text[i]);
    if (conv->left)
        put_repeated(sink, ' ', padding);
}

static void put_string(struct sink *sink, const struct conversion *conv, const char *text)
{
    if (!text)
        text = "(null)";
    put_text(sink, conv, text, conv->has_precision ? strnlen(text, conv->precision) : strlen(text));
}

/* Writes the digits up to `end` and returns the first one. */
static const char *digits_of(const struct number *number, char *end)
{
    const char *digits = number->upper ? "0123456789ABCDEF" : "0123456789abcdef";
    uint64_t rest = number->magnitude;

    do {
        *--end = digits[rest % number->base];
        rest /= number->base;
    } while (rest != 0);
    return end;
}

static void put_number(struct sink *sink, const struct conversion *conv, const struct number *number)
{
    char text[DIGITS_MAX];
    const char *digits = digits_of(number, text + DIGITS_MAX);
    unsigned length = (unsigned)(text + DIGITS_MAX - digits);
    bool prefix = conv->prefix && number->base == 16;
    unsigned total = length + (number->negative ? 1 : 0) + (prefix ? 2 : 0);
    unsigned padding = total < conv->width ? conv->width - total : 0;

    if (!conv->left && !conv->zero)
        put_repeated(sink, ' ', padding);
    if (number->negative)
        put(sink, '-');
    if (prefix) {
        put(sink, '0');
        put(sink, number->upper ? 'X' : 'x');
    }
    if (!conv->left && conv->zero)
        put_repeated(sink, '0', padding);
    while (length-- > 0)
        put(sink, *digits++);
    if (conv->left)
        put_repeated(sink, ' ', padding);
}

/* The lowest `bytes` bytes of an argument that was promoted on its way here. */
static struct number signed_number(int64_t value, unsigned bytes)
{
    unsigned unused_bits = 64 - 8 * bytes;
    int64_t narrow = (int64_t)((uint64_t)value << unused_bits) >> unused_bits;
    uint64_t magnitude = narrow < 0 ? 0 - (uint64_t)narrow : (uint64_t)narrow;

    return (struct number){.magnitude = magnitude, .negative = narrow < 0, .base = 10};
}

static struct number unsigned_number(uint64_t value, unsigned bytes, char kind)
{
    unsigned unused_bits = 64 - 8 * bytes;

    return (struct number){
        .magnitude = value << unused_bits >> unused_bits,
        .base = kind == 'u' ? 10 : 16,
        .upper = kind == 'X',
    };
}

/* A va_list is passed on as part of a struct: a plain parameter of array type could not be taken the address of. */
struct arguments {
    va_list list;
};

static const char *parse_flags(const char *format, struct conversion *conv)
{
    for (;; format++) {
        if (*format == '-')
            conv->left = true;
        else if (*format == '0')
            conv->zero = true;
        else if (*format == '#')
            conv->prefix = true;
        else
            return format;
    }
}

/* A number as digits, or '*' for an argument. */
static const char *parse_count(const char *format, int *count, struct arguments *args)
{
    unsigned value = 0;

    if (*format == '*') {
        *count = va_arg(args->list, int);
        return format + 1;
    }
    while (*format >= '0' && *format <= '9')
        value = value * 10 + (unsigned)(*format++ - '0');
    *count = (int)value;
    return format;
}

static const char *parse_width(const char *format, struct conversion *conv, struct arguments *args)
{
    int count;

    format = parse_count(format, &count, args);
    if (count < 0)
        conv->left = true;
    conv->width = count < 0 ? 0 - (unsigned)count : (unsigned)count;
    if (*format == '.') {
        format = parse_count(format + 1, &count, args);
        conv->has_precision = count >= 0; /* C: a negative one counts as none */
        conv->precision = (unsigned)count;
    }
    return format;
}

static const char *parse_length(const char *format, struct conversion *conv)
{
    conv->bytes = sizeof(int);
    if (*format == 'z')
        format++, conv->bytes = sizeof(size_t);
    else if (format[0] == 'h' && format[1] == 'h')
        format += 2, conv->bytes = sizeof(char);
    else if (*format == 'h')
        format++, conv->bytes = sizeof(short);
    else
        while (*format == 'l')
            format++, conv->bytes = sizeof(long);
    return format;
}

static void put_signed(struct sink *sink, const struct conversion *conv, struct arguments *args)
{
    int64_t value = conv->bytes == sizeof(long) ? va_arg(args->list, long) : va_arg(args->list, int);
    struct number number = signed_number(value, conv->bytes);

    put_number(sink, conv, &number);
}

static void put_unsigned(struct sink *sink, struct conversion *conv, char kind, struct arguments *args)
{
    uint64_t value = conv->bytes == sizeof(long) ? va_arg(args->list, unsigned long) : va_arg(args->list, unsigned);
    struct number number = unsigned_number(value, conv->bytes, kind);

    conv->prefix = conv->prefix && number.magnitude != 0; /* C has it so: "%#x" of 0 is "0" */
    put_number(sink, conv, &number);
}

static void put_pointer(struct sink *sink, struct conversion *conv, struct arguments *args)
{
    struct number number = {.magnitude = (uintptr_t)va_arg(args->list, void *), .base = 16};

    conv->prefix = true;
    put_number(sink, conv, &number);
}

static void put_character(struct sink *sink, const struct conversion *conv, struct arguments *args)
{
    char c = (char)va_arg(args->list, int);

    put_text(sink, conv, &c, 1);
}

/* `format` leads to what follows a '%'; returns what follows the conversion. An unknown one is printed as it stands. */
static const char *put_conversion(struct sink *sink, const char *format, struct arguments *args)
{
    struct conversion conv = {0};
    const char *start = format;

    format = parse_flags(format, &conv);
    format = parse_width(format, &conv, args);
    format = parse_length(format, &conv);
    if (*format == 's') {
        put_string(sink, &conv, va_arg(args->list, const char *));
    } else if (*format == 'c') {
        put_character(sink, &conv, args);
    } else if (*format == 'd' || *format == 'i') {
        put_signed(sink, &conv, args);
    } else if (*format == 'u' || *format == 'x' || *format == 'X') {
        put_unsigned(sink, &conv, *format, args);
    } else if (*format == 'p') {
        put_pointer(sink, &conv, args);
    } else {
        put(sink, '%');
        return *start == '%' ? start + 1 : start;
    }
    return format + 1;
}

size_t vformat_text(char *buffer, size_t size, const char *format, va_list args)
{
    struct sink sink = {.buffer = buffer, .size = size};
    struct arguments arguments;

    va_copy(arguments.list, args);
    while (*format != '\0') {
        if (*format == '%')
            format = put_conversion(&sink, format + 1, &arguments);
        else
            put(&sink, *format++);
    }
    va_end(arguments.list);
    if (size > 0)
        buffer[sink.length < size ? sink.length : size - 1] = '\0';
    return sink.length;
}

size_t format_text(char *buffer, size_t size, const char *format, ...)
{
    va_list args;
    size_t length;

    va_start(args, format);
    length = vformat_text(buffer, size, format, args);
    va_end(args);
    return length;
}
