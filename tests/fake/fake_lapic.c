/* A local APIC of each fake CPU: its registers with the effects that writing them has, in both modes. No timer, and no
 * IPI but a kick. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/fake/fake.h"

#include "arch/x86/exception.h"
#include "arch/x86/instr.h"
#include "arch/x86/lapic.h"
#include "arch/x86/regs.h"

enum { VERSION = 0x01060015, SVR_ENABLED = 1 << 8, DELIVERY = 7 << 8, ERROR_ILLEGAL_VECTOR = 1 << 6 };

static struct fake_lapic *mine(void)
{
    return &fake_cpus[fake_current].lapic;
}

static uint32_t *at(struct fake_lapic *lapic, uint32_t reg)
{
    return &lapic->registers[reg / 16];
}

static bool is_lvt(uint32_t reg)
{
    return reg == LAPIC_LVT_CMCI || (reg >= LAPIC_LVT_TIMER && reg <= LAPIC_LVT_ERROR);
}

static void mask_all(struct fake_lapic *lapic)
{
    for (uint32_t reg = 0; reg < 0x400; reg += 16)
        if (is_lvt(reg))
            *at(lapic, reg) |= LVT_MASKED;
}

/* 10.4.7.1 "Local APIC State After Power-Up or Reset" */
void fake_lapic_power_up(struct fake_lapic *lapic)
{
    *lapic = (struct fake_lapic){.errors = 0};
    *at(lapic, LAPIC_VERSION) = VERSION;
    *at(lapic, LAPIC_DFR) = 0xffffffff;
    *at(lapic, LAPIC_SVR) = 0xff;
    mask_all(lapic);
}

bool lapic_is_x2apic(void)
{
    return rdmsr(MSR_IA32_APIC_BASE) & APIC_BASE_EXTD;
}

uint32_t lapic_id(void)
{
    return fake_current;
}

/* The highest vector whose bit is set, or -1 */
static int highest(struct fake_lapic *lapic, uint32_t bits)
{
    for (int vector = 255; vector >= 0; vector--)
        if (*at(lapic, bits + (uint32_t)vector / 32 * 16) >> vector % 32 & 1)
            return vector;
    return -1;
}

static void flip(struct fake_lapic *lapic, uint32_t bits, int vector)
{
    *at(lapic, bits + (uint32_t)vector / 32 * 16) ^= (uint32_t)1 << vector % 32;
}

static void end_of_interrupt(struct fake_lapic *lapic)
{
    int vector = highest(lapic, LAPIC_ISR);

    if (vector >= 0)
        flip(lapic, LAPIC_ISR, vector);
}

/* 10.5.3: an illegal vector is an error, masked or not; but where the APIC is software disabled nobody is told */
static void write_lvt(struct fake_lapic *lapic, uint32_t reg, uint32_t value)
{
    bool enabled = *at(lapic, LAPIC_SVR) & SVR_ENABLED;

    if ((value & 0xff) < 16 && !(value & DELIVERY))
        lapic->errors |= ERROR_ILLEGAL_VECTOR;
    if (lapic->errors && enabled && !(*at(lapic, LAPIC_LVT_ERROR) & LVT_MASKED))
        flip(lapic, LAPIC_IRR, *at(lapic, LAPIC_LVT_ERROR) & 0xff);
    *at(lapic, reg) = value | (enabled ? 0 : LVT_MASKED);
}

static void write(struct fake_lapic *lapic, uint32_t reg, uint32_t value)
{
    if (is_lvt(reg)) {
        write_lvt(lapic, reg, value);
        return;
    }
    if (reg == LAPIC_EOI) {
        end_of_interrupt(lapic);
        return;
    }
    if (reg == LAPIC_ESR) {
        value = lapic->errors;
        lapic->errors = 0;
    }
    *at(lapic, reg) = value;
    if (reg == LAPIC_SVR && !(value & SVR_ENABLED))
        mask_all(lapic);
}

uint32_t lapic_read(enum lapic_register reg)
{
    return *at(mine(), reg);
}

void lapic_write(enum lapic_register reg, uint32_t value)
{
    write(mine(), reg, value);
}

/* Table 10-6 "Local APIC Register Address Map Supported by x2APIC" */
static bool is_readable(uint32_t reg)
{
    return reg == LAPIC_ID || reg == LAPIC_VERSION || reg == LAPIC_TPR || reg == LAPIC_LDR || reg == LAPIC_SVR ||
           (reg >= LAPIC_ISR && reg <= LAPIC_ESR) || is_lvt(reg) || reg == LAPIC_INITIAL_COUNT || reg == LAPIC_DIVIDE;
}

static bool is_writable(uint32_t reg)
{
    return reg == LAPIC_TPR || reg == LAPIC_EOI || reg == LAPIC_SVR || reg == LAPIC_ESR || is_lvt(reg) ||
           reg == LAPIC_INITIAL_COUNT || reg == LAPIC_DIVIDE;
}

static bool is_x2apic_msr(uint32_t index)
{
    return index >= MSR_X2APIC_FIRST && index < MSR_X2APIC_FIRST + 64 && lapic_is_x2apic();
}

bool fake_lapic_msr_read(uint32_t index, uint64_t *value)
{
    uint32_t reg = (index - MSR_X2APIC_FIRST) * 16;

    if (!is_x2apic_msr(index) || !is_readable(reg))
        return false;
    *value = *at(mine(), reg);
    return true;
}

bool fake_lapic_msr_write(uint32_t index, uint64_t value)
{
    uint32_t reg = (index - MSR_X2APIC_FIRST) * 16;

    if (!is_x2apic_msr(index) || !is_writable(reg) || value >> 32)
        return false;
    if (value && (reg == LAPIC_EOI || reg == LAPIC_ESR))
        return false;
    write(mine(), reg, (uint32_t)value);
    return true;
}

bool fake_lapic_off;

/* Plinth sends nothing but kicks. */
bool lapic_send(uint32_t apic_id, uint32_t icr_low)
{
    if (apic_id >= FAKE_CPUS || (icr_low & ICR_DELIVERY_MASK) != ICR_NMI)
        abort();
    if (fake_lapic_off)
        return false;
    fake_cpus[apic_id].nmi_pending = true;
    return true;
}

void exception_load_idt(void)
{
    fake_cpus[fake_current].idt_limit = EXCEPTION_VECTORS * 16 - 1;
}

/* 10.8.3: by classes; one that came in at a vector below 32 would be an exception of Plinth's. And one for which the
 * IDT seems to have a gate would go where what lies behind it says. */
void exception_take_interrupts(void)
{
    struct fake_lapic *lapic = mine();

    if (fake_cpus[fake_current].idt_limit == FAKE_IDT_LIMIT_OF_EXIT) {
        fprintf(stderr, "fake LAPIC: interrupts in root mode with the IDT's limit as an exit leaves it\n");
        abort();
    }
    for (int vector; (vector = highest(lapic, LAPIC_IRR)) >= 0;) {
        int in_service = highest(lapic, LAPIC_ISR), task = (int)(*at(lapic, LAPIC_TPR) & 0xff);

        if (vector >> 4 <= task >> 4 || (in_service >= 0 && vector >> 4 <= in_service >> 4))
            return;
        if (vector < EXCEPTION_VECTORS) {
            fprintf(stderr, "fake LAPIC: vector %d in root mode\n", vector);
            abort();
        }
        flip(lapic, LAPIC_IRR, vector);
        flip(lapic, LAPIC_ISR, vector);
    }
}
