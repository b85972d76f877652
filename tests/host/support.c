/* Stands in for the machine: console and physical memory. */
#include "tests/host/support.h"

#include "lib/log.h"
#include "lib/log_ring.h"
#include "mm/phys.h"

enum { CONSOLE_MAX = 1 << 20, ARENA_RANGES_MAX = 1024 };

static char console[CONSOLE_MAX];
static size_t console_length;
void (*console_hook)(void);

void console_write(enum log_level level, const char *text, size_t length)
{
    (void)level;
    if (console_hook)
        console_hook();
    for (size_t i = 0; i < length && console_length < CONSOLE_MAX - 1; i++)
        console[console_length++] = text[i];
    console[console_length] = '\0';
}

/* The host's caches outlive no reset. */
void log_write_back(const void *start, size_t length)
{
    (void)start;
    (void)length;
}

const char *console_text(void)
{
    return console;
}

void console_clear(void)
{
    console_length = 0;
    console[0] = '\0';
}

static struct {
    uint64_t address, size;
    uint8_t *bytes;
} arena[ARENA_RANGES_MAX];
static size_t arena_count;

void *arena_add(uint64_t address, uint64_t size)
{
    if (arena_count == ARENA_RANGES_MAX)
        abort();
    arena[arena_count].address = address;
    arena[arena_count].size = size;
    arena[arena_count].bytes = calloc(1, size);
    return arena[arena_count++].bytes;
}

void arena_clear(void)
{
    while (arena_count > 0)
        free(arena[--arena_count].bytes);
}

void *phys_map(uint64_t address, uint64_t size)
{
    for (size_t i = 0; i < arena_count; i++) {
        uint64_t offset = address - arena[i].address;

        if (address >= arena[i].address && offset <= arena[i].size && size <= arena[i].size - offset)
            return arena[i].bytes + offset;
    }
    return NULL;
}

uint64_t random_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}
