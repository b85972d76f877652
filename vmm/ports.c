#include "vmm/ports.h"

#include "arch/x86/cpu.h"
#include "arch/x86/instr.h"
#include "arch/x86/serial.h"
#include "lib/log.h"
#include "vmm/port_string.h"
#include "vmm/vmm.h"

enum { SERIAL_PORTS = 8, NOTHING_THERE = 0xff };

static bool is_serial(uint32_t port)
{
    return serial_owner() != CONSOLE_PASSTHROUGH && port >= serial_port() &&
           port < (uint32_t)serial_port() + SERIAL_PORTS;
}

static uint8_t read_port(uint16_t port)
{
    if (!is_serial(port))
        return inb(port);
    return serial_owner() == CONSOLE_SHARED ? serial_guest_read(port - serial_port()) : NOTHING_THERE;
}

static void write_port(uint16_t port, uint8_t value)
{
    if (!is_serial(port))
        outb(port, value);
    else if (serial_owner() == CONSOLE_SHARED)
        serial_guest_write(port - serial_port(), value);
}

/* An access of several bytes is one to as many ports; those around the serial line's are the machine's. */
uint32_t ports_read(uint16_t port, unsigned size)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (uint32_t)read_port((uint16_t)(port + i)) << (8 * i);
    return value;
}

void ports_write(uint16_t port, unsigned size, uint32_t value)
{
    for (unsigned i = 0; i < size; i++)
        write_port((uint16_t)(port + i), (uint8_t)(value >> (8 * i)));
}

uint64_t register_mask(unsigned bytes)
{
    return bytes >= 8 ? ~(uint64_t)0 : ((uint64_t)1 << 8 * bytes) - 1;
}

void register_put(uint64_t *reg, unsigned bytes, uint64_t value)
{
    uint64_t mask = register_mask(bytes);

    *reg = (bytes < 4 ? *reg & ~mask : 0) | (value & mask);
}

/* Where the hardware doesn't tell of which size its addresses are (IA32_VMX_BASIC bit 54). */
static enum exit_action refuse_string(const struct vm_exit *exit)
{
    uint32_t refused = ++vmm_cpu(cpu_this())->strings_refused;

    if (refused <= GUEST_REPORTS_MAX)
        log_warning(
            "cpu%u: INS and OUTS at port %x, which is Plinth's, get #GP, as this CPU tells too little of them%s",
            cpu_this()->index, exit->port.number,
            refused == GUEST_REPORTS_MAX ? "; no more reports from this cpu" : "");
    return ACTION_GP;
}

enum exit_action port_exit(struct guest_regs *regs, const struct vm_exit *exit)
{
    if (exit->port.string)
        return exit->port.address_bytes ? port_string_exit(regs, exit) : refuse_string(exit);
    if (exit->port.in)
        register_put(&regs->rax, exit->port.size, ports_read(exit->port.number, exit->port.size));
    else
        ports_write(exit->port.number, exit->port.size, (uint32_t)regs->rax);
    return ACTION_NEXT;
}
