/*
 * A kernel that says on COM1 how it was started and what it was told, and switches the machine off. Lines that begin
 * with
 * "= " must be the same from GRUB and from Plinth; those with "~ " may differ.
 */
#include "tests/multiboot/multiboot.h"

enum { COM1 = 0x3f8, LINE_STATUS = 5, LINE_STATUS_THRE = 0x20, LINE_STATUS_TEMT = 0x40 };
enum { MAGIC1 = 0x2badb002, MAGIC2 = 0x36d76289, CR0_PE = 1, RFLAGS_IF = 0x200, RFLAGS_VM = 0x20000 };
enum { RAM = 1, PAGE = 4096 };

extern const char image_start[], image_end[], bss_end[], far_start[], far_end[];

static volatile uint32_t zeros[1 << 20]; /* 4 MiB: the kernel goes to where a loader likes to put files */
static uint32_t far_data[3] __attribute__((section(".far"))) = {1, 0x22222222, 3};
static uint32_t near_data = 0x12345678;
static struct information info;

void kernel_main(uint32_t magic, const uint8_t *information, uint32_t cr0, uint32_t flags, uint32_t load_base);

static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t in8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static void init_com1(void)
{
    static const uint8_t setup[][2] = {{1, 0}, {3, 0x80}, {0, 1}, {1, 0}, {3, 3}, {2, 7}, {4, 3}};

    for (unsigned i = 0; i < ARRAY_SIZE(setup); i++)
        out8(COM1 + setup[i][0], setup[i][1]);
}

static void put(char c)
{
    for (unsigned spins = 0; !(in8(COM1 + LINE_STATUS) & LINE_STATUS_THRE) && spins < 1000000; spins++)
        ;
    out8(COM1, (uint8_t)c);
}

void put_text(const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            put('\r');
        put(*text);
    }
}

void put_hex(uint64_t value)
{
    unsigned digits = 1;

    while (digits < 16 && value >> 4 * digits)
        digits++;
    while (digits-- > 0)
        put("0123456789abcdef"[value >> 4 * digits & 15]);
}

static void line(const char *name, uint64_t value)
{
    put_text(name);
    put_text(" ");
    put_hex(value);
    put_text("\n");
}

static void text_line(const char *name, const char *text)
{
    put_text(name);
    put_text(" [");
    put_text(text ? text : "(none)");
    put_text("]\n");
}

static uint32_t sum(const uint8_t *from, uint32_t size)
{
    uint32_t total = size;

    for (uint32_t i = 0; i < size; i++)
        total = (total << 5 | total >> 27) ^ from[i];
    return total;
}

static bool a20_is_on(void)
{
    volatile uint32_t *low = (uint32_t *)0x7000, *high = (uint32_t *)0x107000;
    const uint32_t before = *low;
    bool differ;

    *low = ~*high;
    differ = *low != *high;
    *low = ~*high;
    differ = differ && *low != *high;
    *low = before;
    return differ;
}

static void show_state(uint32_t magic, uint32_t cr0, uint32_t flags)
{
    put_text("= magic ");
    put_text(magic == MAGIC1 ? "multiboot\n" : magic == MAGIC2 ? "multiboot2\n" : "WRONG\n");
    line("= protected mode, paging off:", (cr0 & (CR0_PE | 1u << 31)) == CR0_PE);
    line("= interrupts off:", (flags & (RFLAGS_IF | RFLAGS_VM)) == 0);
    line("= A20 on:", a20_is_on());
}

static void show_image(uint32_t load_base)
{
    bool zero = true;

    for (unsigned i = 0; i < ARRAY_SIZE(zeros); i++)
        zero = zero && zeros[i] == 0;
    line("= bss is zero:", zero);
    line("= data is whole:", near_data == 0x12345678 && far_data[0] == 1 && far_data[1] == 0x22222222);
    line("= load base is as told:", !info.has_load_base || info.load_base == load_base);
    line("~ loaded at", load_base);
}

static void show_modules(void)
{
    line("= modules", info.module_count);
    for (unsigned i = 0; i < info.module_count; i++) {
        const uint32_t size = info.modules[i].end - info.modules[i].start;

        text_line("= module", info.modules[i].string);
        line("=   bytes", size);
        line("=   sum", sum((const uint8_t *)info.modules[i].start, size));
        line("=   on a page boundary:", info.modules[i].start % PAGE == 0);
        line("~   at", info.modules[i].start);
    }
}

static bool overlap(uint64_t a, uint64_t a_end, uint64_t b, uint64_t b_end)
{
    return a < b_end && b < a_end;
}

/* Is it all in one piece of RAM, by the map, and clear of the kernel's own memory? */
static bool is_good_place(uint64_t start, uint64_t end)
{
    bool in_ram = false;

    for (unsigned i = 0; i < info.memory_count; i++)
        in_ram = in_ram || (info.memory[i].type == RAM && info.memory[i].base <= start &&
                            end <= info.memory[i].base + info.memory[i].length);
    return in_ram && !overlap(start, end, (uint32_t)image_start, (uint32_t)bss_end) &&
           !overlap(start, end, (uint32_t)far_start, (uint32_t)far_end);
}

static void show_places(void)
{
    bool good = is_good_place(info.start, info.start + info.size);

    for (unsigned i = 0; i < info.module_count; i++) {
        good = good && is_good_place(info.modules[i].start, info.modules[i].end) &&
               !overlap(info.modules[i].start, info.modules[i].end, info.start, info.start + info.size);
        for (unsigned j = 0; j < i; j++)
            good = good &&
                   !overlap(info.modules[i].start, info.modules[i].end, info.modules[j].start, info.modules[j].end);
    }
    line("= nothing overlaps, all is in RAM:", good);
}

static void show_memory(void)
{
    uint64_t ram = 0;

    for (unsigned i = 0; i < info.memory_count; i++) {
        put_text("~ memory ");
        put_hex(info.memory[i].base);
        put_text(" ");
        put_hex(info.memory[i].length);
        line(" type", info.memory[i].type);
        ram += info.memory[i].type == RAM ? info.memory[i].length : 0;
    }
    line("~ RAM", ram);
    line("= lower KiB", info.lower);
    line("~ upper KiB", info.upper);
}

static void show_screen(void)
{
    line("= screen", info.screen.present);
    line("=   type", info.screen.type);
    line("=   address", info.screen.address);
    line("=   pitch", info.screen.pitch);
    line("=   width", info.screen.width);
    line("=   height", info.screen.height);
    line("=   depth", info.screen.depth);
}

static void show_rsdp(const char *name, const uint8_t *rsdp, unsigned size)
{
    uint8_t total = 0;

    for (unsigned i = 0; rsdp && i < size; i++)
        total = (uint8_t)(total + rsdp[i]);
    line(name, rsdp != NULL);
    if (rsdp) {
        line("=   checksum", total);
        line("=   RSDT", *(const uint32_t *)(rsdp + 16));
    }
}

/* What the UART hasn't sent yet would be lost with the machine. */
static void shut_down(void)
{
    for (unsigned spins = 0; !(in8(COM1 + LINE_STATUS) & LINE_STATUS_TEMT) && spins < 1000000; spins++)
        ;
    for (const char *c = "Shutdown"; *c; c++)
        out8(0x8900, (uint8_t)*c); /* Bochs */
    out8(0xf4, 0);                 /* QEMU's isa-debug-exit */
}

void kernel_main(uint32_t magic, const uint8_t *information, uint32_t cr0, uint32_t flags, uint32_t load_base)
{
    init_com1();
    put_text("\n");
    show_state(magic, cr0, flags);
    if (magic == MAGIC1)
        read1(information, &info);
    else
        read2(information, &info);
    show_image(load_base);
    text_line("= command line", info.command_line);
    text_line("~ loader", info.loader_name);
    show_modules();
    show_memory();
    show_places();
    show_screen();
    show_rsdp("= RSDP of ACPI 1.0", info.rsdp_old, 20);
    show_rsdp("= RSDP of ACPI 2.0", info.rsdp_new, 36);
    put_text("= end\n");
    shut_down();
}
