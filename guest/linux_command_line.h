/* The kernel's command line. Pure. Boot only. */
#pragma once

#include "guest/guest.h"

/*
 * The loader's, and behind it the parameters by which Linux's ramoops driver finds source->old_log, if there is one;
 * not if the line would get longer than `most`, or has parameters of that driver already. Valid until the next call.
 */
const char *linux_command_line(const struct guest_source *source, uint32_t most);
