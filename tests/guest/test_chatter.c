/* A guest that writes without end in sight, numbered lines of 64 characters, for what stands between it and the
 * terminal: lines=N of them, or until a '!' is typed. What else is typed is answered in between. */
#include "tests/guest/instructions.h"
#include "tests/guest/report.h"
#include "tests/guest/tests.h"

enum { COM1 = 0x3f8, LINE_STATUS = 5, DATA_READY = 1 };

/* False: it was the one that ends it. */
static bool answer(uint8_t byte)
{
    if (byte > ' ' && byte <= '~')
        differ("typed %c", byte);
    return byte != '!';
}

void test_chatter(void)
{
    bool goes_on = true;

    for (uint64_t i = 0; i < guest_options.lines && goes_on; i++) {
        observe("%08lx abcdefghijklmnopqrstuvwxyz 0123456789 .,:;-", i);
        while (in8(COM1 + LINE_STATUS) & DATA_READY)
            goes_on = answer(in8(COM1)) && goes_on;
    }
}
