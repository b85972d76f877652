#include "arch/x86/pci_uart.h"

enum { ID = 0, CLASS = 2, TYPE = 3, FIRST_BAR = 4, BARS = 6 };
enum { NO_DEVICE = 0xffff, CLASS_COMMUNICATION = 7, TYPE_MASK = 0x7f, TYPE_DEVICE = 0 };
enum { BAR_IO = 1, BAR_TYPE = 6, BAR_64 = 4, PORT_MASK = 0xfff8, MEMORY_FLAGS = 0xf };

/* One that is there and has an address; *at moves behind it. */
static bool take_bar(const uint32_t *bars, unsigned *at, struct pci_uart *out)
{
    uint32_t bar = bars[(*at)++];

    *out = (struct pci_uart){0, 0};
    if (bar & BAR_IO) {
        out->port = bar & PORT_MASK;
        return out->port;
    }
    out->memory = bar & ~(uint32_t)MEMORY_FLAGS;
    if ((bar & BAR_TYPE) == BAR_64 && *at < BARS)
        out->memory |= (uint64_t)bars[(*at)++] << 32;
    return out->memory;
}

bool pci_uart_decode(struct pci_address a, const uint32_t header[PCI_HEADER_WORDS], struct pci_uart *out,
                     struct error *error)
{
    uint16_t vendor = header[ID] & 0xffff, device = header[ID] >> 16;
    uint32_t class = header[CLASS] >> 8;

    if (vendor == NO_DEVICE)
        return fail(error, "console=pci,%02x:%02x.%x is ignored: there is no such PCI function: look for it with lspci",
                    a.bus, a.device, a.function);
    if (class >> 16 != CLASS_COMMUNICATION || (header[TYPE] >> 16 & TYPE_MASK) != TYPE_DEVICE)
        return fail(error,
                    "console=pci,%02x:%02x.%x is ignored: %04x:%04x there is of class %06x, no serial port (07....): "
                    "look for one with lspci",
                    a.bus, a.device, a.function, vendor, device, class);
    for (unsigned at = 0; at < BARS;)
        if (take_bar(header + FIRST_BAR, &at, out))
            return true;
    return fail(
        error,
        "console=pci,%02x:%02x.%x is ignored: the firmware has given %04x:%04x no address: turn on in its setup "
        "that it prepares all PCI devices",
        a.bus, a.device, a.function, vendor, device);
}
