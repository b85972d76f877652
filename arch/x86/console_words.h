/* What the option console= says: which serial line, and whose it is. Pure. */
#pragma once

#include "arch/x86/pci_uart.h"
#include "lib/compiler.h"
#include "lib/error.h"

enum console_owner {
    CONSOLE_SHARED,      /* mux: Plinth has the line, the guest an emulated one at the same place */
    CONSOLE_OWN,         /* own: Plinth has it for log and monitor; for the guest there is none */
    CONSOLE_LOG,         /* log: the same without a monitor, which would have to look at the line now and then */
    CONSOLE_PASSTHROUGH, /* passthrough: the guest has it, and Plinth writes its lines there too */
};

struct console_words {
    bool is_pci;            /* its place is still to be found: */
    struct pci_address pci; /* here */
    uint16_t port;          /* 0: no serial console, or one whose registers are in memory: */
    volatile uint8_t *registers;
    enum console_owner owner;
    bool owner_is_said; /* by the second word */
};

/*
 * "com1".."com4", a port ("0x2f8") or a PCI function ("pci,BB:DD.F"), then ",mux", ",own", ",log" or ",passthrough";
 * "none" for no serial console. Without the second word com1 is shared with the guest and any other line for the log.
 * False: *error says what is possible, and *out is as for "com1".
 */
must_check bool console_words_parse(const char *text, struct console_words *out, struct error *error);
