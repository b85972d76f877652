/* Lines on COM1, outcomes of tests, the end of the run. */
#include "tests/guest/report.h"
#include "lib/format.h"
#include "lib/string.h"
#include "tests/guest/instructions.h"

enum { COM1 = 0x3f8, LINE_STATUS = 5, LINE_STATUS_THRE = 0x20, LINE_STATUS_TEMT = 0x40 };

static const char *test_name = "guest";
static enum result result;

static void init_com1(void)
{
    out8(COM1 + 1, 0);    /* no interrupts */
    out8(COM1 + 3, 0x80); /* DLAB */
    out8(COM1, 1);        /* 115200 baud */
    out8(COM1 + 1, 0);
    out8(COM1 + 3, 3); /* 8N1 */
    out8(COM1 + 2, 7); /* FIFOs on, emptied */
    out8(COM1 + 4, 3); /* DTR, RTS */
}

static void put(char c)
{
    for (unsigned spins = 0; !(in8(COM1 + LINE_STATUS) & LINE_STATUS_THRE) && spins < 1000000; spins++)
        pause();
    out8(COM1, (uint8_t)c);
}

static void put_line(const char *mark, const char *label, const char *format, va_list args)
{
    char text[512], line[600];

    vformat_text(text, sizeof(text), format, args);
    format_text(line, sizeof(line), "%s%s: %s\r\n", mark, label, text);
    for (const char *c = line; *c; c++)
        put(*c);
}

static void plain(const char *label, const char *format, ...) printf_like(2, 3);
static void plain(const char *label, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_line("= ", label, format, args);
    va_end(args);
}

void observe(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_line("= ", test_name, format, args);
    va_end(args);
}

void differ(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_line("~ ", test_name, format, args);
    va_end(args);
}

void check(bool condition, const char *format, ...)
{
    va_list args;

    if (condition)
        return;
    result = FAIL;
    va_start(args, format);
    put_line("= FAIL ", test_name, format, args);
    va_end(args);
}

void skip(const char *format, ...)
{
    va_list args;

    if (result == PASS)
        result = SKIP;
    va_start(args, format);
    put_line("= SKIP ", test_name, format, args);
    va_end(args);
}

void error_stop(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_line("= ERROR ", test_name, format, args);
    va_end(args);
    shut_down();
}

static bool listed(const char *name, const char *list)
{
    size_t length = strlen(name);

    while (*list) {
        if (!strncmp(list, name, length) && (!list[length] || list[length] == ','))
            return true;
        while (*list && *list++ != ',')
            ;
    }
    return false;
}

static bool selected(const struct test *test, const char *wanted)
{
    return wanted ? listed(test->name, wanted) : !test->on_request;
}

void report_run(const struct test *tests, size_t count, const char *wanted)
{
    static const char *const names[] = {"pass", "fail", "skip", "error"};
    unsigned totals[4] = {0};

    init_com1();
    for (size_t i = 0; i < count; i++) {
        if (!selected(&tests[i], wanted))
            continue;
        test_name = tests[i].name;
        result = PASS;
        tests[i].run();
        plain(test_name, "%s", names[result]);
        totals[result]++;
    }
    test_name = "guest";
    plain(test_name, "%u passed, %u failed, %u skipped", totals[PASS], totals[FAIL], totals[SKIP]);
}

void shut_down(void)
{
    for (unsigned spins = 0; !(in8(COM1 + LINE_STATUS) & LINE_STATUS_TEMT) && spins < 1000000; spins++)
        pause();
    for (const char *c = "Shutdown"; *c; c++)
        out8(0x8900, (uint8_t)*c); /* Bochs */
    out8(0xf4, 0);                 /* QEMU's isa-debug-exit */
    out16(0x604, 0x2000);          /* PM1a_CNT.SLP_EN of QEMU's Q35 */
    out16(0xb004, 0x2000);         /* ... and PIIX4 */
    for (;;)
        __asm__ volatile("cli; hlt");
}
