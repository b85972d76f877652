/* One area a CPU: its struct cpu, descriptor tables and stacks. Stack pointers lead to it, so that no register is
 * taken. */
#pragma once

#include "tests/guest/exec.h"

/* As ap_start.S records them: the AP's registers right after its start-up IPI. */
struct packed start_registers {
    uint32_t arrivals; /* times that any CPU came to the start page since it was copied */
    uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi;
    uint32_t cr0, cr2, cr3, cr4, dr6, dr7, eflags, efer;
    uint16_t cs, ds, es, fs, gs, ss;
    uint16_t gdt_limit;
    uint32_t gdt_base;
    uint16_t idt_limit;
    uint32_t idt_base;
};

/* The local APIC's registers right after that, as apic_record() found them: by offset / 16. */
struct apic_registers {
    uint32_t value[64];
};

struct packed tss64 {
    uint32_t reserved;
    uint64_t rsp[3], reserved2, ist[7], reserved3;
    uint16_t reserved4, io_map;
};

typedef void job_t(void *argument);

struct cpu {
    unsigned index;
    uint32_t apic_id;
    volatile uint32_t starts;    /* times it has come up */
    volatile uint64_t heartbeat; /* grows while it is idle */
    job_t *volatile job;         /* taken when not NULL, NULL again when done */
    void *volatile job_argument;
    volatile uint32_t nmis, interrupts[256];
    void (*nmi_hook)(void);       /* called in the NMI handler, if not NULL */
    uint64_t last_interrupt_rip;  /* where the last one came */
    bool keeps_in_service;        /* its handler sends no EOI */
    struct start_registers start; /* of the last start */
    struct apic_registers apic;   /* the same */
    struct exec *exec;            /* what runs under test now, or NULL */
    void *exec_host_stack;
    uint64_t gdt[GDT_ENTRIES] aligned(16);
    struct tss64 tss;
};

union cpu_area {
    struct cpu cpu;
    uint8_t bytes[AREA_SIZE];
} aligned(AREA_SIZE);

extern union cpu_area cpu_areas[CPUS_MAX];
extern unsigned cpu_count;              /* in the MADT's order, the boot CPU first */
extern uint32_t cpu_apic_ids[CPUS_MAX]; /* 0xffffffff where there is none */

static inline struct cpu *this_cpu(void)
{
    uintptr_t stack;
    __asm__("mov %%rsp, %0" : "=r"(stack));
    return (struct cpu *)ALIGN_DOWN(stack - 1, AREA_SIZE);
}

static inline struct cpu *cpu_at(unsigned index)
{
    return &cpu_areas[index].cpu;
}

static inline uint8_t *cpu_code(struct cpu *cpu)
{
    return (uint8_t *)cpu + AREA_CODE;
}

/* Loads the calling CPU's own GDT, TSS and IDT. */
void cpu_load_tables(struct cpu *cpu);

/* Directs the vector to the stub of trap.S that forgets its stack, which the calling CPU takes from `stack`; or back.
 */
void cpu_lose_stack(uint8_t vector, uint64_t stack);
void cpu_keep_stack(uint8_t vector);
extern void *lost_stack_host;
extern volatile uint32_t lost_stack_hits;
void unblock_nmis(void);

/* Called from trap.S. */
void trap_handle(struct frame *frame);
