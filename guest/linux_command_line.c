#include "guest/linux_command_line.h"

#include "lib/format.h"
#include "lib/log.h"
#include "lib/string.h"

enum { LINE_MAX = 4096 };

static bool has_word_of(const char *line, const char *prefix)
{
    const size_t length = strlen(prefix);

    for (const char *at = line; *at; at++)
        if ((at == line || at[-1] == ' ') && strncmp(at, prefix, length) == 0)
            return true;
    return false;
}

const char *linux_command_line(const struct guest_source *source, uint32_t most)
{
    static char line[LINE_MAX];
    const uint64_t size = range_size(source->old_log);
    size_t length;

    if (size == 0 || !source->has_old_log || has_word_of(source->command_line, "ramoops."))
        return source->command_line;
    length = format_text(line, sizeof(line),
                         "%s ramoops.mem_address=0x%llx ramoops.mem_size=0x%llx ramoops.console_size=0x%llx "
                         "ramoops.record_size=0 ramoops.ftrace_size=0 ramoops.pmsg_size=0",
                         source->command_line, (unsigned long long)source->old_log.start, (unsigned long long)size,
                         (unsigned long long)size);
    if (length < sizeof(line) && length <= most)
        return line;
    log_warning("the guest's command line has no room for ramoops' parameters: the guest can't find the old log");
    return source->command_line;
}
