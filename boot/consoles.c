#include "boot/consoles.h"

#include "arch/x86/console.h"
#include "arch/x86/crash.h"
#include "arch/x86/instr.h"
#include "boot/host_map.h"
#include "boot/screen.h"
#include "lib/log.h"
#include "lib/options.h"
#include "mm/phys.h"

/* PCI Local Bus Specification 3.0, 3.2.2.3.2 "Software Generation of Configuration Transactions" */
enum { PORT_CONFIG_ADDRESS = 0xcf8, PORT_CONFIG_DATA = 0xcfc };
#define CONFIG_ENABLE (UINT32_C(1) << 31)

static void select_word(struct pci_address a, unsigned word)
{
    outl(PORT_CONFIG_ADDRESS,
         CONFIG_ENABLE | (uint32_t)a.bus << 16 | (uint32_t)a.device << 11 | (uint32_t)a.function << 8 | word << 2);
}

static void read_header(struct pci_address address, uint32_t header[PCI_HEADER_WORDS])
{
    for (unsigned word = 0; word < PCI_HEADER_WORDS; word++) {
        select_word(address, word);
        header[word] = inl(PORT_CONFIG_DATA);
    }
}

/* The function answers at its address from now on. The upper half of the word, status, is cleared by writing ones. */
static void switch_on(struct pci_address address, uint32_t command, uint32_t bit)
{
    select_word(address, PCI_COMMAND);
    outl(PORT_CONFIG_DATA, (command & 0xffff) | bit);
}

static bool find_pci_uart(struct console_words *words, struct error *error)
{
    uint32_t header[PCI_HEADER_WORDS];
    struct pci_uart uart;

    read_header(words->pci, header);
    if (!pci_uart_decode(words->pci, header, &uart, error))
        return false;
    switch_on(words->pci, header[PCI_COMMAND], uart.port ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY);
    words->port = uart.port;
    if (uart.port)
        return true;
    if (words->owner_is_said && words->owner != CONSOLE_PASSTHROUGH)
        return fail(
            error,
            "console=pci,%02x:%02x.%x is ignored: its registers are in memory, at %lx, which can't be kept from "
            "the guest: leave out the last word",
            words->pci.bus, words->pci.device, words->pci.function, uart.memory);
    words->owner = CONSOLE_PASSTHROUGH;
    words->registers = host_map_early_uart(uart.memory);
    return true;
}

/* What one console is told, by an option of its own or by that for both. */
static enum log_level level_of(unsigned own)
{
    return own == LOG_AS_ALL ? options.log_level : (enum log_level)own;
}

void boot_first_console(void)
{
    struct framebuffer mode = framebuffer_ega_text();
    struct console_words words;
    struct error error;

    options_parse("", &options);
    if (!console_words_parse(options.console, &words, &error))
        refuse(&error);
    console_init(words);
    console_set_screen(&mode, phys_map(mode.address, range_size(framebuffer_range(&mode))));
}

struct range boot_consoles(struct boot_info *info)
{
    struct range screen = boot_screen_start(info);
    struct console_words words, preset;
    struct error error, none;
    bool known;

    options_parse(info->command_line, &options);
    console_set_levels(level_of(options.log_serial), level_of(options.log_screen));
    known = console_words_parse(options.console, &words, &error) && (!words.is_pci || find_pci_uart(&words, &error));
    if (!known && console_words_parse("com1", &preset, &none))
        words = preset;
    if (!options.serial)
        words = (struct console_words){.owner = words.owner};
    console_flush(); /* console_init() empties the UART, and a warning about the screen may still be in it */
    console_init(words);
    if (!known)
        log_warning("%s", error.text);
    return screen;
}
