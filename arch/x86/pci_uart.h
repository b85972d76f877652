/* A UART on a PCI card: where its registers are, by its configuration space (PCI Local Bus Specification 3.0, 6.1
 * "Configuration Space Organization" and 6.2.5 "Base Addresses"). Pure. */
#pragma once

#include "lib/compiler.h"
#include "lib/error.h"

struct pci_address {
    uint8_t bus, device, function;
};

enum { PCI_HEADER_WORDS = 16, PCI_COMMAND = 1 }; /* of 4 bytes; the command register is the lower half of that word */
enum { PCI_COMMAND_IO = 1, PCI_COMMAND_MEMORY = 2 };

struct pci_uart {
    uint16_t port;   /* the first of 8 I/O ports, or 0 and: */
    uint64_t memory; /* the physical address of its 8 registers */
};

/* `header` is what the function at `address` answers. False: *error says what is there instead. */
must_check bool pci_uart_decode(struct pci_address address, const uint32_t header[PCI_HEADER_WORDS],
                                struct pci_uart *out, struct error *error);
