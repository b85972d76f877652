/* The monitor's commands x and xp, watch and its kin. */
#include "arch/x86/instr.h"
#include "arch/x86/regs.h"
#include "lib/format.h"
#include "lib/string.h"
#include "mm/ept.h"
#include "vmm/guest_memory.h"
#include "vmm/guest_watch.h"
#include "vmm/monitor.h"

enum { ROW_BYTES = 16, ROW_MAX = 120, STRING_MAX = 100, ITEM_MAX = 40 };

bool monitor_is_apic(uint64_t physical)
{
    uint64_t base = rdmsr(MSR_IA32_APIC_BASE);

    return (base & (APIC_BASE_ENABLE | APIC_BASE_EXTD)) == APIC_BASE_ENABLE &&
           ALIGN_DOWN(base, PAGE_SIZE) == ALIGN_DOWN(physical, PAGE_SIZE);
}

static bool leads_to_apic(const struct monitor_command *command, uint64_t address)
{
    struct guest_walk walk = {.physical = address};
    struct guest_paging paging;

    vcpu_paging(&paging);
    if (command->verb == MONITOR_X && guest_walk(&paging, address, GUEST_ANY, &walk) != GUEST_WALK_OK)
        return false;
    return monitor_is_apic(walk.physical);
}

/* Where only the first 4 bytes of each 16 can be read, and those at once. An item may end there, too. */
static bool upsets_apic(const struct monitor_command *command, uint64_t address, uint64_t size)
{
    return (size != 4 || address % 16) &&
           (leads_to_apic(command, address) || leads_to_apic(command, address + size - 1));
}

/* One item, and a message if it can't be read. */
static bool read_item(const struct monitor_command *command, uint64_t address, void *to, uint64_t size)
{
    struct guest_fault fault;

    if (upsets_apic(command, address, size)) {
        monitor_say("error: %lx is the local APIC's, which is read by 4 bytes at multiples of 16: /xw", address);
        return false;
    }
    if (command->verb == MONITOR_XP) {
        if (guest_read_physical(address, to, size))
            return true;
        monitor_say("error: %lx is Plinth's block or beyond the guest's physical addresses", address);
        return false;
    }
    if (guest_read_linear(address, to, size, GUEST_ANY, &fault))
        return true;
    switch (fault.why) {
    case GUEST_WALK_OK:
        monitor_say("error: %lx leads to Plinth's block or beyond the guest's physical addresses", address);
        break;
    case GUEST_WALK_FAULT:
        monitor_say("error: %lx is not mapped on cpu%u", address, cpu_this()->index);
        break;
    case GUEST_WALK_NON_CANONICAL:
        monitor_say("error: %lx is not canonical", address);
        break;
    }
    return false;
}

static char printable(char c)
{
    return c >= ' ' && c <= '~' ? c : '.';
}

static int64_t sign_extended(uint64_t value, unsigned size)
{
    return (int64_t)(value << (64 - 8 * size)) >> (64 - 8 * size);
}

static size_t format_item(char *out, size_t room, const struct monitor_command *command, uint64_t value)
{
    unsigned size = command->format.size;

    switch (command->format.letter) {
    case 'd':
        return format_text(out, room, " %ld", sign_extended(value, size));
    case 'u':
        return format_text(out, room, " %lu", value);
    case 'c':
        return format_text(out, room, "%c", printable((char)value));
    }
    return format_text(out, room, " %0*lx", (int)(2 * size), value);
}

/* One row: as many items as make 16 bytes, or what is left of them. Returns how many; 0 if the first can't be read. */
static uint32_t show_row(const struct monitor_command *command, uint64_t address, uint32_t left)
{
    unsigned size = command->format.size;
    char row[ROW_MAX + ITEM_MAX];
    size_t length = format_text(row, sizeof(row), "%016lx:", address);
    uint32_t done = 0;
    bool readable = true;

    for (; done < left && done < ROW_BYTES / size; done++) {
        uint64_t value = 0;

        readable = read_item(command, address + done * size, &value, size);
        if (!readable)
            break;
        length += format_item(row + length, sizeof(row) - length, command, value);
    }
    if (done)
        monitor_say("%s", row);
    return readable ? done : 0;
}

/* A string, or as much of it as a line holds; the next begins behind it. */
static bool show_string(const struct monitor_command *command, uint64_t *address)
{
    char text[STRING_MAX + 1];
    unsigned length = 0;

    for (; length < STRING_MAX; length++) {
        if (!read_item(command, *address + length, &text[length], 1))
            return false;
        if (text[length] == '\0')
            break;
        text[length] = printable(text[length]);
    }
    text[length] = '\0';
    monitor_say("%016lx: \"%s\"%s", *address, text, length == STRING_MAX ? "..." : "");
    *address += length == STRING_MAX ? STRING_MAX : length + 1;
    return true;
}

void monitor_show_memory(const struct monitor_command *command)
{
    uint64_t address = command->values[0];
    uint32_t left = command->format.count, done;

    if (command->format.letter == 's') {
        while (left && show_string(command, &address))
            left--;
        return;
    }
    for (; left; left -= done, address += (uint64_t)done * command->format.size) {
        done = show_row(command, address, left);
        if (!done)
            return;
    }
}

/* SDM vol. 3, 24.4.1: CS.L counts in IA-32e mode only */
static unsigned code_bits(const struct vcpu_registers *r)
{
    uint32_t rights = r->segments[VCPU_CS].rights;

    if (r->efer & EFER_LMA && rights & RIGHTS_LONG_CODE)
        return 64;
    return rights & RIGHTS_LARGE ? 32 : 16;
}

void monitor_read_code(const struct vcpu_registers *registers, struct monitor_code *out)
{
    struct guest_fault fault;
    uint64_t at = registers->rip;

    out->bits = code_bits(registers);
    if (out->bits != 64)
        at += registers->segments[VCPU_CS].base;
    for (out->count = 0; out->count < ARRAY_SIZE(out->bytes); out->count++)
        if (!guest_read_linear(at + out->count, &out->bytes[out->count], 1, GUEST_ANY, &fault))
            break;
}

void monitor_show_code(void)
{
    char text[3 * INSTRUCTION_BYTES_MAX + 1] = "";
    struct vcpu_registers registers;
    struct monitor_code code;
    size_t length = 0;

    vcpu_get_registers(&registers);
    monitor_read_code(&registers, &code);
    for (size_t i = 0; i < code.count; i++)
        length += format_text(text + length, sizeof(text) - length, " %02x", code.bytes[i]);
    monitor_say("cpu%u: code %04x:%016lx %u-bit:%s", cpu_this()->index, registers.segments[VCPU_CS].selector,
                registers.rip, code.bits, code.count ? text : " can't be read");
}

void monitor_watch(const struct monitor_command *command)
{
    struct range range = {command->values[0], command->values[0] + command->values[1]};
    struct error error;
    uint64_t rights = command->values[2];
    int number = guest_watch_add(range, rights & EPT_ALL, rights & MONITOR_RIGHTS_PAUSE ? WATCH_PAUSES : 0, &error);

    if (number < 0)
        monitor_say("error: %s", error.text);
    else
        monitor_say("watch %d: physical %lx to %lx", number, range.start, range.end);
}

void monitor_unwatch(uint64_t number)
{
    struct error error;

    if (!guest_watch_remove(number < WATCH_MAX ? (int)number : -1, &error))
        monitor_say("error: %s", error.text);
}

void monitor_show_watches(void)
{
    struct guest_watch watch;

    for (int i = 0; i < WATCH_MAX; i++)
        if (guest_watch_get(i, &watch))
            monitor_say("watch %d: %lx to %lx %s%s%s%s, %lu hits%s", i, watch.range.start, watch.range.end,
                        watch.denied & EPT_READ ? "r" : "", watch.denied & EPT_WRITE ? "w" : "",
                        watch.denied & EPT_EXECUTE ? "x" : "", watch.flags & WATCH_PAUSES ? "p" : "", watch.hits,
                        watch.paused ? ", pauses" : "");
}
