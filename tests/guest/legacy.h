/* Running code under test outside of long mode (boot CPU only). As exec.h, with 32-bit registers. */
#pragma once

#include "tests/guest/exec.h"

enum legacy_mode {
    LEGACY_FLAT,  /* protected mode, CPL 0, paging off */
    LEGACY_PAGED, /* 4 MiB pages */
    LEGACY_PAE,   /* 2 MiB pages */
    LEGACY_USER,  /* CPL 3, PAE */
    LEGACY_VM86,  /* virtual-8086, PAE, IOPL 3 */
    LEGACY_REAL,
    LEGACY_UNREAL, /* real mode with 4 GiB limits in DS and ES */
    LEGACY_MODES,
};
extern const char *const legacy_names[LEGACY_MODES];

/* As PUSHAL and the CPU's exception delivery leave them on the stack. */
struct legacy_frame {
    uint32_t edi, esi, ebp, esp_at_pushal, ebx, edx, ecx, eax, vector, error;
    uint32_t eip, cs, eflags, esp, ss, es, ds, fs, gs;
};

struct legacy {
    enum legacy_mode mode;
    struct legacy_frame frame; /* in and out; EIP is an offset in the code segment */
    uint32_t cr0, cr3, cr4;    /* in and out */
    uint32_t cr2, tr;          /* out */
    uint32_t tss_type;         /* out: of LEGACY_TSS_A, busy or not */
    uint32_t ds, es, fs, gs;   /* out: at the exception, but in real mode */
    uint32_t ldtr, dr6, dr7;   /* out */
    uint32_t code;             /* where the code lies (EIP's value at its start) */
    uint32_t size;
};

/* The page-directory-pointer table that LEGACY_PAE starts with. */
extern uint64_t legacy_pdpt[4];

void legacy_prepare(struct legacy *legacy, enum legacy_mode mode, const void *code, size_t size);
bool legacy_run(struct legacy *legacy);
struct outcome legacy_outcome(const struct legacy *legacy);

enum { LEGACY_GDT_ENTRIES = 16 };
extern uint64_t legacy_gdt[LEGACY_GDT_ENTRIES];

/* The legacy GDT's entry, for tests that put a TSS or a gate of their own there, and one of the 32 IDT gates. */
uint64_t *legacy_gdt_entry(uint16_t selector);
uint64_t *legacy_idt_entry(unsigned vector);

/* Linear address 0-based flat copies, for tests that build jumps. */
enum {
    LEGACY_TSS_A = SELECTOR_TSS,
    LEGACY_TSS_B = 0x58,
    LEGACY_TASK_GATE = 0x60,
    LEGACY_TSS_C = 0x68,
    LEGACY_LDT = 0x70,
    LEGACY_SPARE = 0x78, /* absent */
};

struct packed tss32 {
    uint32_t link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags;
    uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi, es, cs, ss, ds, fs, gs, ldt;
    uint16_t trap, io_map;
};
extern struct tss32 legacy_tss; /* the one that legacy_run() loads */
