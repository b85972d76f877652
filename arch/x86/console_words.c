#include "arch/x86/console_words.h"

#include "lib/string.h"

enum { PORTS_LAST = 0xfff8 };

static const uint16_t com_ports[] = {0x3f8, 0x2f8, 0x3e8, 0x2e8};

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "comN" or "0xPORT" at *text, which moves behind it; 0 if it is neither. */
static uint16_t take_port(const char **text)
{
    const char *at = *text;
    uint32_t port = 0;

    if (!strncmp(at, "com", 3) && at[3] >= '1' && at[3] <= '4') {
        *text = at + 4;
        return com_ports[at[3] - '1'];
    }
    if (strncmp(at, "0x", 2) != 0)
        return 0;
    for (at += 2; digit(*at) >= 0 && port <= PORTS_LAST; at++)
        port = port << 4 | (uint32_t)digit(*at);
    *text = at;
    return port <= PORTS_LAST ? (uint16_t)port : 0;
}

/* Up to `digits` hexadecimal digits and, unless that is 0, a separator behind them. */
static bool take_number(const char **text, unsigned digits, char separator, uint8_t *out)
{
    unsigned value = 0, count = 0;

    for (; count < digits && digit(**text) >= 0; count++, ++*text)
        value = value << 4 | (unsigned)digit(**text);
    *out = (uint8_t)value;
    if (!count || (separator && **text != separator))
        return false;
    *text += separator != 0;
    return true;
}

/* "pci,BB:DD.F" at *text, which moves behind it. */
static bool take_pci(const char **text, struct pci_address *out)
{
    const char *at = *text + 4;

    if (strncmp(*text, "pci,", 4) != 0)
        return false;
    *text = at;
    return take_number(text, 2, ':', &out->bus) && take_number(text, 2, '.', &out->device) && out->device < 32 &&
           take_number(text, 1, 0, &out->function) && out->function < 8;
}

static bool take_owner(const char *text, enum console_owner *owner)
{
    static const char *const names[] = {[CONSOLE_SHARED] = ",mux",
                                        [CONSOLE_OWN] = ",own",
                                        [CONSOLE_LOG] = ",log",
                                        [CONSOLE_PASSTHROUGH] = ",passthrough"};

    if (*text == '\0')
        return true;
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        if (!strcmp(text, names[i])) {
            *owner = (enum console_owner)i;
            return true;
        }
    }
    return false;
}

bool console_words_parse(const char *text, struct console_words *out, struct error *error)
{
    const char *at = text;

    *out = (struct console_words){.port = com_ports[0], .owner = CONSOLE_SHARED};
    if (!strcmp(text, "none")) {
        out->port = 0;
        return true;
    }
    out->is_pci = take_pci(&at, &out->pci);
    out->port = out->is_pci ? 0 : take_port(&at);
    out->owner = out->port == com_ports[0] ? CONSOLE_SHARED : CONSOLE_LOG;
    out->owner_is_said = *at;
    if ((out->is_pci || out->port) && take_owner(at, &out->owner))
        return true;
    *out = (struct console_words){.port = com_ports[0], .owner = CONSOLE_SHARED};
    return fail(error,
                "option \"console=%s\" is ignored: use com1, com2, com3, com4, a port such as 0x2f8 or pci,BB:DD.F, "
                "alone or with ,mux, ,own, ,log or ,passthrough; or none",
                text);
}
