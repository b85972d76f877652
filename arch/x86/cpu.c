/* Per-CPU descriptor tables and the GS base. */
#include "arch/x86/cpu.h"

#include "arch/x86/exception.h"
#include "arch/x86/instr.h"
#include "arch/x86/regs.h"

extern const uint8_t boot_stack[], boot_stack_top[]; /* boot/entry.S */

uint32_t cpu_count;

static bool cpu_loaded;

/* SDM vol. 3, "TSS Descriptor in 64-bit mode", 7.2.3 */
static void set_tss_descriptor(uint64_t *gdt, const struct tss *tss)
{
    uint64_t base = (uint64_t)tss;

    gdt[SELECTOR_TSS / 8] =
        (sizeof(*tss) - 1) | (base & 0xffffff) << 16 | (uint64_t)0x89 << 40 | (base >> 24 & 0xff) << 56;
    gdt[SELECTOR_TSS / 8 + 1] = base >> 32;
}

struct cpu *cpu_create(uint32_t index, uint32_t apic_id, uint64_t physical, uint64_t *window)
{
    struct cpu *cpu = cpu_at(index);
    uint64_t slot = CPU_BASE + (uint64_t)index * CPU_SLOT;

    *cpu = (struct cpu){
        .self = cpu,
        .index = index,
        .apic_id = apic_id,
        .physical = physical,
        .window = window,
        .gdt = {0, 0x00af9b000000ffff, 0x00cf93000000ffff},
        .tss = {.io_map_base = sizeof(struct tss)},
    };
    cpu->tss.ist[IST_NMI - 1] = slot + CPU_NMI_TOP;
    cpu->tss.ist[IST_DF - 1] = slot + CPU_DF_TOP;
    cpu->tss.ist[IST_MC - 1] = slot + CPU_MC_TOP;
    set_tss_descriptor(cpu->gdt, &cpu->tss);
    return cpu;
}

void cpu_load(struct cpu *cpu)
{
    struct descriptor_pointer gdt = {sizeof(cpu->gdt) - 1, (uint64_t)cpu->gdt};

    lgdt(&gdt);
    asm volatile("pushq %0\n\tleaq 1f(%%rip), %%rax\n\tpushq %%rax\n\tlretq\n1:"
                 :
                 : "i"(SELECTOR_CODE)
                 : "rax", "memory");
    asm volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%ss" : : "r"(SELECTOR_DATA));
    ltr(SELECTOR_TSS);
    exception_load_idt();
    wrmsr(MSR_IA32_GS_BASE, (uint64_t)cpu);
    cpu_loaded = true;
}

uint32_t cpu_index(void)
{
    return cpu_loaded ? cpu_this()->index : 0;
}

bool cpu_find_stack(uint64_t rsp, uint64_t *bottom, uint64_t *top)
{
    static const uint16_t stacks[][2] = {{CPU_STACK_BOTTOM, CPU_STACK_TOP},
                                         {CPU_NMI_BOTTOM, CPU_NMI_TOP},
                                         {CPU_DF_BOTTOM, CPU_DF_TOP},
                                         {CPU_MC_BOTTOM, CPU_MC_TOP}};
    uint64_t slot = CPU_BASE + (uint64_t)cpu_index() * CPU_SLOT;

    *bottom = (uint64_t)boot_stack;
    *top = (uint64_t)boot_stack_top;
    for (unsigned i = 0; cpu_loaded && i < ARRAY_SIZE(stacks); i++) {
        if (rsp >= slot + stacks[i][0] - PAGE_SIZE && rsp < slot + stacks[i][1]) {
            *bottom = slot + stacks[i][0];
            *top = slot + stacks[i][1];
            return true;
        }
    }
    return rsp >= *bottom && rsp < *top;
}
