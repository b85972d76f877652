/* The EPT as text, one line a run of equal leaves. Pure; any CPU, root mode. */
#pragma once

#include "mm/ept.h"

enum { EPT_LINE_MAX = 80 };

/*
 * The next line at or after *address, such as "0000000000000000-00000000000a0000 rwx WB 4K" (a redirected page also
 * says where it leads); *address moves behind it. False when there is no more. Start with 0.
 */
bool ept_dump_line(const struct ept *ept, uint64_t *address, char text[EPT_LINE_MAX]);
