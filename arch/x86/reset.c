#include "arch/x86/reset.h"

#include "arch/x86/instr.h"

enum { SPACE_IO = 1, PORT_RESET_CONTROL = 0xcf9, PORT_KEYBOARD = 0x64, KEYBOARD_PULSE_RESET = 0xfe };

/* PM1 control: ACPI 6.5, 4.8.3.2.1 */
enum { PM1_SCI_ENABLE = 1, PM1_TYPE_SHIFT = 10, PM1_TYPE = 7 << PM1_TYPE_SHIFT, PM1_SLEEP_ENABLE = 1 << 13 };

static uint16_t reset_port, pm1_control[2], smi_command;
static uint8_t reset_value, soft_off_type[2], acpi_enable;

static void keep_soft_off(const struct acpi_info *acpi)
{
    for (unsigned i = 0; i < ARRAY_SIZE(pm1_control); i++) {
        pm1_control[i] = acpi->pm1_control[i];
        soft_off_type[i] = acpi->soft_off_type[i];
    }
    smi_command = acpi->smi_command;
    acpi_enable = acpi->acpi_enable;
}

void reset_init(const struct acpi_info *acpi)
{
    keep_soft_off(acpi);
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

/* Both types first, then both enable bits: the machine goes with the last. */
static void write_pm1(uint16_t enable)
{
    for (unsigned i = 0; i < ARRAY_SIZE(pm1_control); i++) {
        uint16_t type = (uint16_t)(soft_off_type[i] << PM1_TYPE_SHIFT);

        if (pm1_control[i])
            outw(pm1_control[i], (uint16_t)((inw(pm1_control[i]) & ~(PM1_TYPE | PM1_SLEEP_ENABLE)) | type | enable));
    }
}

bool machine_power_off(void)
{
    if (!pm1_control[0])
        return false;
    if (smi_command && acpi_enable && !(inw(pm1_control[0]) & PM1_SCI_ENABLE)) {
        outb(smi_command, acpi_enable); /* the guest hasn't turned ACPI on */
        wait_a_little();
    }
    write_pm1(0);
    write_pm1(PM1_SLEEP_ENABLE);
    wait_a_little();
    return false;
}

void machine_reset(void)
{
    struct descriptor_pointer nothing = {0, 0};

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
