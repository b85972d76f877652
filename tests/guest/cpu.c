/* Descriptor tables: one IDT for all, a GDT and TSS a CPU, so that the code under test can spoil no other CPU's. */
#include "tests/guest/cpu.h"

union cpu_area cpu_areas[CPUS_MAX];
unsigned cpu_count;
uint32_t cpu_apic_ids[CPUS_MAX];

extern const uint8_t trap_stubs[256][16];

struct packed descriptor_pointer {
    uint16_t limit;
    uint64_t base;
};

struct packed gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
};

static struct gate idt[256];

_Static_assert(sizeof(struct frame) == FRAME_SIZE, "trap.S");
_Static_assert(offsetof(struct frame, rip) == FRAME_RIP, "trap.S");
_Static_assert(sizeof(struct cpu) <= AREA_CODE, "struct cpu grows into the code page");

static const uint64_t gdt_template[GDT_ENTRIES] = {
    [SELECTOR_CODE64 / 8] = 0x00af9b000000ffff,      [SELECTOR_DATA / 8] = 0x00cf93000000ffff,
    [SELECTOR_CODE32 / 8] = 0x00cf9b000000ffff,      [SELECTOR_CODE16 / 8] = 0x008f9b000000ffff,
    [SELECTOR_DATA16 / 8] = 0x008f93000000ffff,      [SELECTOR_USER_CODE32 / 8] = 0x00cffb000000ffff,
    [SELECTOR_USER_DATA / 8] = 0x00cff3000000ffff,   [SELECTOR_USER_CODE64 / 8] = 0x00affb000000ffff,
    [SELECTOR_USER_CODE16 / 8] = 0x008ffb000000ffff,
};

static unsigned stack_of(unsigned vector)
{
    if (vector == VECTOR_NMI)
        return 2;
    return vector < 32 ? 1 : 3;
}

static void fill_gate(unsigned vector, uint64_t stub, unsigned ist)
{
    idt[vector] = (struct gate){
        .offset_low = (uint16_t)stub,
        .selector = SELECTOR_CODE64,
        .ist = (uint8_t)ist,
        .type = vector == VECTOR_BP ? 0xee : 0x8e, /* interrupt gate; INT3 from CPL 3 too */
        .offset_middle = (uint16_t)(stub >> 16),
        .offset_high = (uint32_t)(stub >> 32),
    };
}

static void fill_idt(void)
{
    for (unsigned vector = 0; vector < 256; vector++)
        fill_gate(vector, (uintptr_t)trap_stubs[vector], stack_of(vector));
}

enum { LOST_STACK_IST = 7 };
void *lost_stack_host;
volatile uint32_t lost_stack_hits;
extern const uint8_t lost_stack_stub[];

void cpu_lose_stack(uint8_t vector, uint64_t stack)
{
    this_cpu()->tss.ist[LOST_STACK_IST - 1] = stack;
    fill_gate(vector, (uintptr_t)lost_stack_stub, LOST_STACK_IST);
}

void cpu_keep_stack(uint8_t vector)
{
    fill_gate(vector, (uintptr_t)trap_stubs[vector], stack_of(vector));
}

static void fill_tss(struct cpu *cpu)
{
    uint64_t area = (uintptr_t)cpu, base = (uintptr_t)&cpu->tss;

    cpu->tss = (struct tss64){.io_map = sizeof(struct tss64)};
    cpu->tss.rsp[0] = area + AREA_TRAP_STACK;
    cpu->tss.ist[0] = area + AREA_TRAP_STACK;
    cpu->tss.ist[1] = area + AREA_NMI_STACK;
    cpu->tss.ist[2] = area + AREA_INTERRUPT_STACK;
    cpu->gdt[SELECTOR_TSS / 8] =
        (sizeof(struct tss64) - 1) | (base & 0xffffff) << 16 | (uint64_t)0x89 << 40 | (base >> 24 & 0xff) << 56;
    cpu->gdt[SELECTOR_TSS / 8 + 1] = base >> 32;
}

void cpu_load_tables(struct cpu *cpu)
{
    struct descriptor_pointer gdt_pointer = {sizeof(cpu->gdt) - 1, (uintptr_t)cpu->gdt};
    struct descriptor_pointer idt_pointer = {sizeof(idt) - 1, (uintptr_t)idt};

    if (!idt[0].type)
        fill_idt();
    for (unsigned i = 0; i < GDT_ENTRIES; i++)
        cpu->gdt[i] = gdt_template[i];
    fill_tss(cpu);
    /* No LDT: that of the reset is 64 KiB from address 0, where firmware and loaders leave what they like. */
    __asm__ volatile("lgdt %0; lidt %1; ltr %w2; lldt %w3"
                     :
                     : "m"(gdt_pointer), "m"(idt_pointer), "r"(SELECTOR_TSS), "r"(0)
                     : "memory");
    __asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%ss; mov %1, %%fs; mov %1, %%gs"
                     :
                     : "r"(SELECTOR_DATA), "r"(0)
                     : "memory");
}
