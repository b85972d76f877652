/* Makes the one sentence of a struct error. Pure: host and bare metal. */
#include "lib/error.h"

#include "lib/format.h"

bool fail(struct error *error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vformat_text(error->text, sizeof(error->text), format, args);
    va_end(args);
    return false;
}
