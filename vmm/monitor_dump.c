/* The monitor's command dump: the guest's memory and registers over the serial line, for tools/plinth-core. The lines
 * are those of docs/dump-format.md. */
#include "arch/x86/serial.h"
#include "arch/x86/virt.h"
#include "lib/format.h"
#include "lib/frame.h"
#include "lib/string.h"
#include "vmm/guest_memory.h"
#include "vmm/monitor.h"
#include "vmm/shootdown.h"
#include "vmm/vmm.h"

enum { VERSION = 1, ROW_BYTES = 256, TEXT_MAX = 480, CTRL_C = 3 };

static const char start_of_line[] = "dump: ";

/* One thing after the other that takes a word whatever its length. */
enum run_kind { RUN_NONE, RUN_FILL, RUN_HOLE };
struct run {
    enum run_kind kind;
    uint64_t start, end, value;
};

static const struct memmap *memory_map;
static uint32_t lines_sent;

void monitor_dump_init(const struct memmap *map)
{
    memory_map = map;
}

/* The text is in line[] behind start_of_line. */
static void finish_line(char *line, size_t length)
{
    const size_t start = sizeof(start_of_line) - 1;

    memcpy(line, start_of_line, start);
    format_text(line + start + length, TEXT_MAX - start - length, " *%08x\n", crc32(line + start, length));
    serial_talk(line);
    lines_sent++;
}

static void printf_like(1, 2) send(const char *format, ...)
{
    char line[TEXT_MAX];
    va_list args;
    size_t length;

    va_start(args, format);
    length = vformat_text(line + sizeof(start_of_line) - 1, TEXT_MAX / 2 + TEXT_MAX / 4, format, args);
    va_end(args);
    finish_line(line, length);
}

static void send_data(uint64_t address, const void *data, size_t size)
{
    char line[TEXT_MAX];
    char *text = line + sizeof(start_of_line) - 1;
    size_t length = format_text(text, TEXT_MAX / 4, "data %lx ", address);

    length += base64(text + length, data, size);
    finish_line(line, length);
}

static void send_run(struct run *run)
{
    if (run->kind == RUN_FILL)
        send("fill %lx %lx %lx", run->start, run->end - run->start, run->value);
    else if (run->kind == RUN_HOLE)
        send("hole %lx %lx", run->start, run->end - run->start);
    run->kind = RUN_NONE;
}

static void add_to_run(struct run *run, enum run_kind kind, uint64_t address, uint64_t size, uint64_t value)
{
    if (run->kind != kind || run->value != value) {
        send_run(run);
        *run = (struct run){kind, address, address, value};
    }
    run->end = address + size;
}

static bool is_uniform(const uint64_t *row, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (row[i] != row[0])
            return false;
    return true;
}

/* At most ROW_BYTES, of one aligned row; whole quadwords. */
static void send_row(struct run *run, uint64_t address, size_t size)
{
    uint64_t row[ROW_BYTES / sizeof(uint64_t)];

    if (monitor_is_apic(address) || !guest_read_physical(address, row, size)) {
        add_to_run(run, RUN_HOLE, address, size, 0);
    } else if (is_uniform(row, size / sizeof(row[0]))) {
        add_to_run(run, RUN_FILL, address, size, row[0]);
    } else {
        send_run(run);
        send_data(address, row, size);
    }
}

static bool is_interrupted(void)
{
    enum mux_input input;
    uint8_t byte;

    while ((input = serial_read(&byte)) != MUX_NOTHING)
        if (input == MUX_BYTE && byte == CTRL_C)
            return true;
    return false;
}

/* False: a person has had enough. */
static bool send_range(struct range range)
{
    struct run run = {.kind = RUN_NONE};

    for (uint64_t at = range.start; at < range.end;) {
        uint64_t size = ROW_BYTES - at % ROW_BYTES;

        if (size > range.end - at)
            size = range.end - at;
        send_row(&run, at, size);
        at += size;
        shootdown_catch_up(cpu_this());
        if (is_interrupted())
            return false;
    }
    send_run(&run);
    return true;
}

void monitor_dump_registers(void)
{
    uint32_t cpu = cpu_this()->index;
    struct vcpu_registers r;
    const struct guest_regs *g = &r.general;
    const struct vcpu_segment *s = r.segments;

    vcpu_get_registers(&r);
    send("cpu %u rip %lx rflags %lx rax %lx rbx %lx rcx %lx rdx %lx rsi %lx rdi %lx rbp %lx rsp %lx", cpu, r.rip,
         r.rflags, g->rax, g->rbx, g->rcx, g->rdx, g->rsi, g->rdi, g->rbp, r.rsp);
    send("cpu %u r8 %lx r9 %lx r10 %lx r11 %lx r12 %lx r13 %lx r14 %lx r15 %lx", cpu, g->r8, g->r9, g->r10, g->r11,
         g->r12, g->r13, g->r14, g->r15);
    send("cpu %u es %x cs %x ss %x ds %x fs %x gs %x fs_base %lx gs_base %lx gdt %lx idt %lx", cpu, s[VCPU_ES].selector,
         s[VCPU_CS].selector, s[VCPU_SS].selector, s[VCPU_DS].selector, s[VCPU_FS].selector, s[VCPU_GS].selector,
         s[VCPU_FS].base, s[VCPU_GS].base, r.gdt_base, r.idt_base);
    send("cpu %u cr0 %lx cr2 %lx cr3 %lx cr4 %lx efer %lx activity %x", cpu, r.cr0, r.cr2, r.cr3, r.cr4, r.efer,
         r.activity);
}

static bool next_ram(unsigned *i, struct range *range)
{
    while (*i < memory_map->count) {
        const struct memmap_entry *entry = &memory_map->entries[(*i)++];

        if (entry->kind == MEMORY_RAM) {
            *range = entry->range;
            return true;
        }
    }
    return false;
}

/* All RAM of the memory map; or the one range of the command, as whole quadwords. */
static bool next_range(const struct monitor_command *command, unsigned *i, struct range *range)
{
    if (!command->value_count)
        return next_ram(i, range);
    range->start = ALIGN_DOWN(command->values[0], sizeof(uint64_t));
    range->end = ALIGN_UP(command->values[0] + command->values[1], sizeof(uint64_t));
    return !(*i)++;
}

static bool send_all(const struct monitor_command *command)
{
    struct range range;

    send("begin %u cpus %u", VERSION, cpu_count);
    for (unsigned i = 0; next_range(command, &i, &range);)
        send("range %lx %lx", range.start, range.end - range.start);
    for (uint32_t cpu = 0; cpu < cpu_count; cpu++)
        monitor_ask(cpu, command);
    for (unsigned i = 0; next_range(command, &i, &range);)
        if (!send_range(range))
            return false;
    return true;
}

static bool is_sound(const struct monitor_command *command)
{
    uint64_t end = command->values[0] + command->values[1];

    if (command->value_count == 1)
        monitor_say("error: a range is an address and a length: dump [ADDRESS LENGTH]");
    else if (end < command->values[0] || end > ept_limit(guest_ept))
        monitor_say("error: the guest's physical addresses end at %lx", ept_limit(guest_ept));
    else
        return true;
    return false;
}

void monitor_dump(const struct monitor_command *command)
{
    bool ran = !monitor_stopped();

    if (!is_sound(command))
        return;
    if (ran)
        monitor_stop();
    lines_sent = 0;
    if (send_all(command))
        send("end %u", lines_sent);
    else
        monitor_say("error: broken off by Ctrl-C");
    if (ran)
        monitor_cont();
}
