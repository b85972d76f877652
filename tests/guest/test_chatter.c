/* A guest that writes without end in sight, numbered lines of 64 characters, for what stands between it and the
 * terminal: lines=N of them. A line feed typed to it is answered in between. */
#include "tests/guest/instructions.h"
#include "tests/guest/report.h"
#include "tests/guest/tests.h"

enum { COM1 = 0x3f8, LINE_STATUS = 5, DATA_READY = 1 };

void test_chatter(void)
{
    for (uint64_t i = 0; i < guest_options.lines; i++) {
        observe("%08lx abcdefghijklmnopqrstuvwxyz 0123456789 .,:;-", i);
        while (in8(COM1 + LINE_STATUS) & DATA_READY) {
            uint8_t byte = in8(COM1);

            if (byte > ' ' && byte <= '~')
                differ("typed %c", byte);
        }
    }
}
