/* The serial line: written to by the log, talked over by the monitor. */
#include "arch/x86/serial.h"

#include "arch/x86/instr.h"
#include "lib/string.h"

enum { ROW_MAX = 160, LOCK_SPINS_MAX = 1000000 };

static struct uart serial;
static enum console_owner owner;
static char row[ROW_MAX]; /* what serial_set_row() said */
static bool locked;

/* False if another CPU has held the lock all the time: it may have died with it, and what comes now may tell why. */
static bool lock(void)
{
    for (unsigned spins = 0; spins < LOCK_SPINS_MAX; spins++) {
        if (!__atomic_exchange_n(&locked, true, __ATOMIC_ACQUIRE))
            return true;
        cpu_pause();
    }
    return false;
}

static void unlock(bool have_lock)
{
    if (have_lock)
        __atomic_store_n(&locked, false, __ATOMIC_RELEASE);
}

void serial_init(struct console_words words)
{
    serial.present = false;
    owner = words.owner;
    if (words.port)
        uart_init(&serial, words.port);
    serial.keeps = words.owner == CONSOLE_OWN;
}

bool serial_is_own(void)
{
    return serial.present && owner == CONSOLE_OWN;
}

bool serial_is_there(void)
{
    return serial.present;
}

uint16_t serial_port(void)
{
    return serial.port;
}

static void put_text(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n')
            uart_put(&serial, '\r');
        uart_put(&serial, text[i]);
    }
}

/* A line of the log takes the place of the row that is being written, which follows again below it (ECMA-48 EL). */
static void put_above_row(const char *text, size_t length)
{
    static const char erase[] = "\r\x1b[K";

    if (row[0])
        put_text(erase, sizeof(erase) - 1);
    put_text(text, length);
    put_text(row, strlen(row));
}

void serial_write(const char *text, size_t length)
{
    bool have_lock = lock();

    put_above_row(text, length);
    unlock(have_lock);
}

void serial_talk(const char *text)
{
    bool have_lock = lock();

    put_text(text, strlen(text));
    unlock(have_lock);
}

void serial_set_row(const char *new_row, const char *echo)
{
    bool have_lock = lock();
    size_t length = new_row ? strnlen(new_row, ROW_MAX - 1) : 0;

    if (new_row)
        memcpy(row, new_row, length);
    row[length] = '\0';
    for (; *echo; echo++)
        uart_put(&serial, *echo);
    unlock(have_lock);
}

enum uart_input serial_read(uint8_t *byte)
{
    enum uart_input input;
    bool have_lock;

    if (!serial_is_own())
        return UART_NOTHING;
    have_lock = lock();
    input = uart_get(&serial, byte);
    unlock(have_lock);
    return input;
}

void serial_flush(void)
{
    uart_flush(&serial);
}
