#include "arch/x86/reset.h"

#include "arch/x86/instr.h"

enum { SPACE_IO = 1, PORT_RESET_CONTROL = 0xcf9, PORT_KEYBOARD = 0x64, KEYBOARD_PULSE_RESET = 0xfe };

static uint16_t reset_port;
static uint8_t reset_value;

void reset_init(const struct acpi_info *acpi)
{
    if (acpi->reset_space != SPACE_IO || acpi->reset_address > 0xffff)
        return;
    reset_port = (uint16_t)acpi->reset_address;
    reset_value = acpi->reset_value;
}

static void wait_a_little(void)
{
    for (unsigned i = 0; i < 100000; i++)
        cpu_pause();
}

void machine_reset(void)
{
    struct descriptor_pointer nothing = {0, 0};

    wbinvd(); /* a reset may drop what caches hold of the log */
    if (reset_port) {
        outb(reset_port, reset_value);
        wait_a_little();
    }
    outb(PORT_RESET_CONTROL, 0x02);
    outb(PORT_RESET_CONTROL, 0x06); /* system reset, then the CPU's reset line */
    wait_a_little();
    outb(PORT_KEYBOARD, KEYBOARD_PULSE_RESET);
    wait_a_little();
    lidt(&nothing);
    asm volatile("ud2");
    cpu_halt();
}
