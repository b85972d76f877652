/* What the option `watch=` says. Pure. */
#pragma once

#include "lib/range.h"

struct watch_request {
    struct range range; /* guest-physical, in bytes */
    uint64_t denied;    /* EPT_READ, EPT_WRITE, EPT_EXECUTE */
    bool pauses;
};

/*
 * One of "ADDRESS+LENGTH:RIGHTS[,...]": numbers are decimal or begin with 0x; RIGHTS are any of r, w, x, and p for a
 * watch that pauses when hit too often. *text moves behind it and its comma. False, with *text where it was: it is
 * none.
 */
must_check bool watch_parse(const char **text, struct watch_request *out);

/* One letter of RIGHTS, into *out. False: it is none. */
must_check bool watch_parse_letter(char c, struct watch_request *out);
