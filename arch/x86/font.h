/* The built-in font: printable ASCII, each character 5 dots wide and 8 high, the eighth row for what hangs below the
 * line. Pure. */
#pragma once

#include "lib/compiler.h"

enum { FONT_DOTS_WIDE = 5, FONT_DOTS_HIGH = 8 };

/* The dots of one row (0 is the top), bit 4 the leftmost. What isn't printable ASCII looks like '?'. */
uint8_t font_row(char character, unsigned row);
