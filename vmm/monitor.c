/* The monitor's conversation: what comes in over the serial line, to whom it goes, and what is said. */
#include "vmm/monitor.h"

#include "arch/x86/clock.h"
#include "arch/x86/console.h"
#include "arch/x86/crash.h"
#include "arch/x86/instr.h"
#include "arch/x86/reset.h"
#include "arch/x86/serial.h"
#include "arch/x86/virt.h"
#include "lib/format.h"
#include "lib/log.h"
#include "lib/string.h"
#include "vmm/guest_watch.h"
#include "vmm/line_edit.h"
#include "vmm/monitor_step.h"
#include "vmm/shootdown.h"

/* 20 times a second; while somebody is writing often enough for a UART's 16 bytes at 115200 baud (1.4 ms). */
enum { IDLE_US = 50000, BUSY_US = 1000, BUSY_FOR_MS = 60000, BYTE_WAIT_US = 300 };
enum { TALK_MAX = 256, SERIAL_PORTS = 8, BYTES_A_POLL_MAX = 512, CRASHES_MAX = 8 };

static const char prompt[] = "plinth> ";
static struct line_edit line;
static bool has_input, owes_prompt; /* until a step is done */
static uint64_t busy_until;

void monitor_say(const char *format, ...)
{
    char text[TALK_MAX + 1];
    va_list args;
    size_t length;

    va_start(args, format);
    length = vformat_text(text, TALK_MAX, format, args);
    va_end(args);
    if (length > TALK_MAX - 1)
        length = TALK_MAX - 1;
    text[length] = '\n';
    text[length + 1] = '\0';
    serial_talk(text);
}

bool monitor_init(struct error *error)
{
    if (serial_owner() == CONSOLE_PASSTHROUGH)
        return true;
    if (serial_owner() != CONSOLE_LOG) {
        has_input = virt_can_poll();
        if (!has_input) {
            log_warning("monitor: this CPU has no VMX-preemption timer that can be saved: there is no monitor");
            serial_give_to_guest();
            return true;
        }
    }
    return virt_intercept_ports(serial_port(), SERIAL_PORTS, error);
}

/* What stands in the terminal's row when the prompt is there: for log lines that come in between. */
static void show(void)
{
    char text[sizeof(prompt) + LINE_MAX_CHARACTERS];

    owes_prompt = monitor_step_is_on();
    if (owes_prompt)
        return;
    format_text(text, sizeof(text), "%s%s", prompt, line.text);
    serial_set_row(text, line.output);
}

void monitor_start(void)
{
    if (!has_input)
        return;
    if (serial_owner() == CONSOLE_SHARED)
        log_info("Console: shared with the guest; Ctrl-A h lists the keys");
    else
        monitor_say("Plinth's monitor: help lists the commands");
    line_init(&line, prompt);
    show();
    serial_guest_starts();
    vcpu_poll_in(IDLE_US);
}

static void help(void)
{
    char text[TALK_MAX];

    for (unsigned i = 0; monitor_help("", i, text, sizeof(text)); i++)
        monitor_say("%s", text);
}

static void reset(void)
{
    monitor_say("resetting the machine");
    console_flush();
    machine_reset();
}

static void power_off(void)
{
    monitor_say("turning the machine off");
    console_flush();
    if (!machine_power_off())
        monitor_say("error: ACPI's tables don't say how, or it had no effect: the guest can do it, or reset");
}

static void run(const struct monitor_command *command)
{
    switch (command->verb) {
    case MONITOR_NOTHING:
        break;
    case MONITOR_HELP:
        help();
        break;
    case MONITOR_STOP:
        monitor_stop();
        break;
    case MONITOR_CONT:
        monitor_cont();
        break;
    case MONITOR_STEP:
        monitor_step(command);
        break;
    case MONITOR_RESET:
        reset();
        break;
    case MONITOR_POWEROFF:
        power_off();
        break;
    case MONITOR_TRACE_ON:
    case MONITOR_TRACE_OFF:
        monitor_trace_set(command->verb == MONITOR_TRACE_ON);
        break;
    case MONITOR_TRACE_SHOW:
        monitor_trace_show(command);
        break;
    case MONITOR_INFO_TICKS:
        monitor_show_ticks();
        break;
    case MONITOR_DUMP:
        monitor_dump(command);
        break;
    case MONITOR_WATCH:
        monitor_watch(command);
        break;
    case MONITOR_UNWATCH:
        monitor_unwatch(command->values[0]);
        break;
    case MONITOR_INFO_WATCH:
        monitor_show_watches();
        break;
    case MONITOR_X:
    case MONITOR_INFO_WALK:
        monitor_ask(command->values[1], command);
        break;
    case MONITOR_XP:
        monitor_show_memory(command);
        break;
    case MONITOR_REGS:
    case MONITOR_NMI:
        monitor_ask(command->values[0], command);
        break;
    case MONITOR_INFO_VERSION:
    case MONITOR_INFO_CPUS:
    case MONITOR_INFO_MEMORY:
    case MONITOR_INFO_EPT:
    case MONITOR_INFO_MTRR:
    case MONITOR_INFO_MSR:
    case MONITOR_INFO_CPUID:
    case MONITOR_INFO_EXITS:
    case MONITOR_INFO_MITIGATIONS:
    case MONITOR_INFO_LEDGER:
    case MONITOR_INFO_LOG:
        monitor_execute(command);
        break;
    }
}

static void run_line(void)
{
    struct monitor_command command;
    struct error error;

    if (monitor_parse(line.text, &command, &error))
        run(&command);
    else
        monitor_say("error: %s", error.text);
}

static void complete(void)
{
    const char *more = NULL;
    char text[TALK_MAX];
    size_t length;
    unsigned count = monitor_complete(line.text, line.cursor, &more, &length);

    if (count && length) {
        line_insert(&line, more, length);
    } else if (count > 1) {
        serial_set_row(NULL, "\r\n");
        for (unsigned i = 0; monitor_help(line.text, i, text, sizeof(text)); i++)
            monitor_say("%s", text);
        line_redraw(&line);
    }
}

static void answer(bool noise)
{
    serial_set_row(NULL, line.output);
    if (noise)
        monitor_say("error: %u bytes were no text or too many: the line is dropped", line.noise);
    else
        run_line();
    line_begin(&line);
}

static void take(uint8_t byte)
{
    switch (line_feed(&line, byte)) {
    case LINE_GOES_ON:
        break;
    case LINE_COMPLETE:
        complete();
        break;
    case LINE_READY:
        answer(false);
        break;
    case LINE_NOISE:
        answer(true);
        break;
    }
    show();
}

static void drop_line(const char *why)
{
    serial_set_row(NULL, "\r\n");
    monitor_say("error: %s: the line is dropped", why);
    line_begin(&line);
    show();
}

/* One byte, or whatever else came instead. False: nothing did. */
static bool take_input(void)
{
    uint8_t byte;

    switch (serial_read(&byte)) {
    case MUX_NOTHING:
        return false;
    case MUX_BYTE:
        take(byte);
        return true;
    case MUX_BREAK:
        drop_line("a break on the serial line");
        return true;
    case MUX_GARBLED:
        drop_line("bytes were lost, or are both ends not at 115200 8N1");
        return true;
    }
    return false;
}

/* All that has come, and what follows on its heels: a terminal that sends a whole line fills the FIFO in 1.4 ms. Not
 * without end: noise must not hold the guest. */
static void take_all_input(void)
{
    uint64_t khz = clock_tsc_khz(), end = rdtsc();
    unsigned bytes = 0;

    do {
        if (take_input() && ++bytes < BYTES_A_POLL_MAX) {
            busy_until = rdtsc() + khz * BUSY_FOR_MS;
            end = rdtsc() + khz * BYTE_WAIT_US / 1000;
        }
        cpu_pause();
    } while (rdtsc() < end && !monitor_step_is_on());
}

/* A fault in the monitor itself comes here again, so not without end. */
void crash_monitor(void)
{
    static unsigned crashes;

    if (!has_input || ++crashes > CRASHES_MAX)
        return;
    serial_set_row(NULL, "\r\n");
    log_error("on_crash=monitor: the guest has ended, the monitor goes on; its command reset resets the machine");
    serial_call_monitor();
    monitor_guest_ended();
    monitor_step_cancel();
    line_begin(&line);
    show();
    for (;;)
        take_all_input();
}

/* Somebody has changed over to the monitor, or written to it, and not long ago. */
static bool is_busy(void)
{
    static bool had_listener;
    bool has_listener = serial_has_listener();

    if (has_listener && !had_listener && serial_owner() == CONSOLE_SHARED)
        busy_until = rdtsc() + clock_tsc_khz() * BUSY_FOR_MS;
    had_listener = has_listener;
    return has_listener && rdtsc() < busy_until;
}

void monitor_converse(void)
{
    if (owes_prompt)
        show();
    while (monitor_stopped() && !monitor_step_is_on() && !crash_in_progress()) {
        shootdown_catch_up(cpu_this());
        take_all_input();
    }
}

void monitor_poll(void)
{
    bool busy;

    if (!monitor_step_is_on()) { /* else it is this CPU's, which goes on after the next slow work */
        take_all_input();
        guest_watch_poll();
        monitor_converse();
    }
    busy = is_busy();
    vcpu_keep_awake(busy);
    vcpu_poll_in(busy ? BUSY_US : IDLE_US);
}
