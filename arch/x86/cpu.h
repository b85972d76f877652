/*
 * One CPU as Plinth sees it: its stacks, GDT and TSS, reachable through GS. A CPU's slot of the address space
 * (arch/x86/layout.h) is mapped by cpu_create(); its pages come from the block.
 */
#pragma once

#include "arch/x86/cpu_offsets.h"
#include "arch/x86/cpu_this.h"
#include "arch/x86/layout.h"
#include "lib/compiler.h"

enum { CPUS_MAX = 512 };

/* SDM vol. 3, "Task Management in 64-bit Mode", 7.7 */
struct packed tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map_base;
};

enum { IST_NMI = 1, IST_DF = 2, IST_MC = 3 };

struct guest_regs; /* arch/x86/virt.h */
struct vmm_cpu;
struct vcpu; /* the backend's; arch/x86/vmx/vcpu.h */

/* Exits of one reason: how often, and TSC ticks spent on them in root mode. With statistics=histogram `exits` stays 0:
 * how often they came is the sum of what the buckets hold. */
struct exit_statistics {
    uint64_t exits, ticks;
};
enum { EXIT_REASONS = 86 };

/* Bucket n of a reason counts its exits of 2^n ticks and more, and less than twice that. A page of the pool holds the
 * buckets of 16 reasons. */
enum { TICK_BUCKETS = 32, TICK_REASONS_A_PAGE = 4096 / (TICK_BUCKETS * 8) };
enum { TICK_PAGES = (EXIT_REASONS + TICK_REASONS_A_PAGE - 1) / TICK_REASONS_A_PAGE };

struct cpu {
    struct cpu *self;         /* offset 0: what GS:0 gives */
    uint32_t slow_work;       /* something waits to be done before the next entry; set by NMIs too */
    uint32_t index;           /* 0 is the boot CPU */
    struct guest_regs *frame; /* the guest's register frame, at the top of the main stack */
    uint32_t apic_id;
    uint32_t online;    /* the CPU has come to ap_start() in boot/smp.c */
    uint32_t nmi_count; /* NMIs that arrived and are neither a kick nor yet the guest's */
    uint32_t kicked;    /* an NMI was sent by cpu_kick() and has not come yet */
    struct vcpu *vcpu;
    struct vmm_cpu *vmm;  /* vmm/vmm.h */
    uint64_t physical;    /* of the CPU's pages, CPU_PAGES of them */
    uint64_t *window;     /* the page-table entry of CPU_WINDOW */
    uint64_t l1d_flushes; /* arch/x86/mitigations.h */
    uint64_t gdt[5];
    struct tss tss;
    struct exit_statistics statistics[EXIT_REASONS];
    uint64_t *ticks[TICK_PAGES]; /* statistics=histogram: the buckets */
};

_Static_assert(offsetof(struct cpu, slow_work) == CPU_OFFSET_SLOW_WORK, "vmx_enter.S");
_Static_assert(offsetof(struct cpu, frame) == CPU_OFFSET_FRAME, "vmx_enter.S");

/* The page of struct cpu also holds what the backend and vmm/ keep for the CPU. */
enum { CPU_VCPU_OFFSET = 2048, CPU_VMM_OFFSET = 2560 };
_Static_assert(sizeof(struct cpu) <= CPU_VCPU_OFFSET, "struct vcpu follows");

/* Pages of the block a CPU takes: main stack, three IST stacks, the struct; behind them what the backend asks for. */
enum {
    CPU_STACK_PAGES = (CPU_STACK_TOP - CPU_STACK_BOTTOM) / 4096,
    CPU_STRUCT_PAGES = (CPU_STRUCT_END - CPU_STRUCT) / 4096,
    CPU_PAGES = CPU_STACK_PAGES + 3 + CPU_STRUCT_PAGES,
};

extern uint32_t cpu_count; /* CPUs that have come up; indexes 0 .. cpu_count - 1 */

/* Where it lies in memory: last of the CPU's pages. */
static inline uint64_t cpu_struct_physical(const struct cpu *cpu)
{
    return cpu->physical + (uint64_t)(CPU_PAGES - CPU_STRUCT_PAGES) * 4096;
}

/* Fills the struct of CPU `index`, whose slot has been mapped; `window` is the entry of its window. Boot only. */
struct cpu *cpu_create(uint32_t index, uint32_t apic_id, uint64_t physical, uint64_t *window);

/* Loads GDT, TSS, IDT and GS base on the CPU it runs on. Boot only. */
void cpu_load(struct cpu *cpu);

/*
 * The bounds of the stack of this CPU that `rsp` is on, or whose guard page below it has been reached; false if it is
 * on none. That the boot began on is one of them. Any CPU.
 */
must_check bool cpu_find_stack(uint64_t rsp, uint64_t *bottom, uint64_t *top);

/* Boot: the index for messages before any cpu_load() is 0. */
uint32_t cpu_index(void);
