/*
 * The serial line: the log writes to it, the monitor talks over it, and the guest may have an emulated one at its place
 * (serial_mux.h decides who gets what).
 *
 * The guest owns the interrupt controllers, so only the real UART can raise its interrupt. Its received-data interrupt
 * is enabled when the guest has enabled its own: a byte that comes in interrupts the guest, which looks at its UART and
 * so comes here. Everything else that the emulated pin has to say is said by the real transmitter-empty interrupt:
 * whenever the real transmitter is empty the pin follows its enable bit. It is set while the emulated pin is high, and
 * while bytes of the guest's wait for room, since it then calls the guest when there is some.
 */
#include "arch/x86/serial.h"

#include "arch/x86/clock.h"
#include "arch/x86/instr.h"
#include "lib/log.h"
#include "lib/string.h"

enum { TICK_MS = 40, BYTES_AT_ONCE_MAX = 64 };

static struct uart uart;
static enum console_owner owner;
static struct serial_mux mux;
static uint8_t enabled; /* the real IER */
static bool locked;
static uint64_t next_tick;

/* False if the CPU that holds it may have died with it, and what comes now may tell why. */
static bool lock(void)
{
    struct log_wait wait = {0, 0};

    do {
        if (!__atomic_exchange_n(&locked, true, __ATOMIC_ACQUIRE))
            return true;
        cpu_pause();
    } while (log_goes_on(&wait));
    return false;
}

static void unlock(bool have_lock)
{
    if (have_lock)
        __atomic_store_n(&locked, false, __ATOMIC_RELEASE);
}

void mux_emit(char byte)
{
    uart_put(&uart, byte);
    log_made_progress();
}

bool mux_can_emit(void)
{
    return uart_has_room(&uart);
}

void serial_init(struct console_words words)
{
    uart.present = false;
    owner = words.owner;
    if (words.port || words.registers)
        uart_init(&uart, words.port, words.registers);
    uart.keeps = words.owner != CONSOLE_PASSTHROUGH;
    mux_init(&mux, words.owner == CONSOLE_SHARED, words.owner == CONSOLE_OWN);
    if (words.owner == CONSOLE_SHARED && uart.present)
        uart16550_init(&mux.guest, inb(uart.port + UART_MODEM_STATUS));
}

void serial_give_to_guest(void)
{
    owner = CONSOLE_PASSTHROUGH;
    uart.keeps = false;
    mux.fixed = true;
}

enum console_owner serial_owner(void)
{
    return uart.present ? owner : CONSOLE_PASSTHROUGH;
}

bool serial_is_there(void)
{
    return uart.present;
}

uint16_t serial_port(void)
{
    return uart.port;
}

bool serial_has_listener(void)
{
    return __atomic_load_n(&mux.monitor_has_keys, __ATOMIC_RELAXED);
}

void serial_call_monitor(void)
{
    bool have_lock = lock();

    mux_call_monitor(&mux);
    unlock(have_lock);
}

static void enable(uint8_t bits)
{
    if (bits == enabled)
        return;
    enabled = bits;
    outb(uart.port + UART_INTERRUPT_ENABLE, bits);
}

/* Which real interrupts say what the guest is to hear. */
static uint8_t wanted(void)
{
    const struct uart16550 *guest = &mux.guest;
    uint8_t bits = guest->ier & (IER_DATA | IER_MODEM);

    if ((guest->mcr & (MCR_OUT2 | MCR_LOOP)) != MCR_OUT2)
        return 0;
    if (mux.monitor_has_keys)
        bits &= (uint8_t)~IER_DATA;
    if (uart16550_pin(guest) || (guest->sent_count && guest->ier & IER_THRE))
        bits |= IER_THRE;
    return bits;
}

/* Taking the byte lets the real pin fall, and what the guest finds in its UART lets it rise again: one interrupt too
 * many, unless something else keeps it up meanwhile. A broken UART always has one more byte: not without end. */
static void drain(void)
{
    uint8_t byte, errors;

    if (!uart_look(&uart))
        return;
    if (enabled & IER_DATA)
        enable(enabled | IER_THRE);
    for (unsigned i = 0; i < BYTES_AT_ONCE_MAX && uart_get(&uart, &byte, &errors); i++)
        mux_input(&mux, byte, errors);
}

/* What has changed in the emulated UART is done with the real one; after drain(). */
static void follow(void)
{
    mux_pump(&mux);
    enable(wanted());
}

uint8_t serial_guest_read(unsigned reg)
{
    bool have_lock = lock();
    uint8_t value;

    drain();
    mux_pump(&mux);
    mux.guest.line_idle = uart_is_idle(&uart);
    if (reg == UART_MODEM_STATUS || reg == UART_INTERRUPT_IDENT)
        uart16550_set_lines(&mux.guest, inb(uart.port + UART_MODEM_STATUS));
    value = uart16550_read(&mux.guest, reg);
    follow();
    unlock(have_lock);
    return value;
}

void serial_guest_write(unsigned reg, uint8_t value)
{
    bool have_lock = lock();

    drain();
    uart16550_write(&mux.guest, reg, value);
    follow();
    unlock(have_lock);
}

void serial_guest_starts(void)
{
    bool have_lock = lock();

    mux.rows.guest_runs = owner == CONSOLE_SHARED;
    outb(uart.port + UART_MODEM_CONTROL, MCR_DTR | MCR_RTS | MCR_OUT2);
    unlock(have_lock);
}

void serial_write(const char *text, size_t length)
{
    bool have_lock = lock();

    rows_log(&mux.rows, text, length);
    unlock(have_lock);
}

void serial_talk(const char *text)
{
    bool have_lock = lock();

    mux_talk(&mux, text);
    unlock(have_lock);
}

void serial_set_row(const char *row, const char *echo)
{
    bool have_lock = lock();

    rows_set_monitor(&mux.rows, row ? row : "", row ? strlen(row) : 0, echo);
    unlock(have_lock);
}

static void tick(void)
{
    uint64_t now = rdtsc();

    if (now < next_tick)
        return;
    next_tick = now + clock_tsc_khz() * TICK_MS;
    rows_tick(&mux.rows);
}

enum mux_input serial_read(uint8_t *byte)
{
    enum mux_input input;
    bool have_lock;

    if (serial_owner() == CONSOLE_PASSTHROUGH)
        return MUX_NOTHING;
    have_lock = lock();
    drain();
    if (serial_owner() == CONSOLE_SHARED)
        follow();
    tick();
    input = mux_take(&mux, byte);
    unlock(have_lock);
    return input;
}

void serial_guest_has_ended(void)
{
    bool have_lock = lock();

    rows_guest_has_ended(&mux.rows);
    unlock(have_lock);
}

void serial_flush(void)
{
    bool have_lock = lock();

    rows_flush(&mux.rows);
    unlock(have_lock);
    uart_flush(&uart);
}
