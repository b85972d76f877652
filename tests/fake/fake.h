/*
 * A machine of two CPUs for the host: just as much of it as the exit path touches. The headers under tests/fake stand
 * in for those with assembly; fake_cpu.c answers for one CPU's instructions, fake_machine.c for the rest and for how
 * an exit begins and ends.
 */
#pragma once

#include "arch/x86/vmx/entry_checks.h"
#include "lib/range.h"

struct ept;

#define FAKE_FEATURE_CONTROL 0x16ff07 /* SGX, LMCE, VMX and SMX; locked */
enum { FAKE_CPUS = 2, FAKE_MSRS = 96, FAKE_IDT_LIMIT_OF_EXIT = 0xffff };

struct fake_msr {
    uint32_t index;
    uint64_t value;
};

/* What a CPU may go on using until it executes INVEPT, or that very access is refused (SDM 28.3.2, 28.3.3.1): with the
 * EPT pointer it was found by, a page's entry. */
struct fake_translation {
    uint64_t pointer, page, entry;
};
enum { FAKE_TLB = 32 };

/* fake_lapic.c */
struct fake_lapic {
    uint32_t registers[256]; /* by register / 16 */
    uint32_t errors;         /* that the ESR will show */
};
void fake_lapic_power_up(struct fake_lapic *lapic);
extern bool fake_lapic_off; /* so nothing can be sent */
/* The current CPU's register behind an MSR; false: #GP. */
bool fake_lapic_msr_read(uint32_t index, uint64_t *value);
bool fake_lapic_msr_write(uint32_t index, uint64_t value);

struct fake_cpu {
    struct fake_translation tlb[FAKE_TLB];
    uint64_t vmcs[VMCS_FIELDS];
    bool written[VMCS_FIELDS]; /* since fake_exit() began */
    uint64_t vmcs_active;      /* its address; 0: none */
    uint64_t cr0, cr2, cr3, cr4, dr6, xcr0;
    uint32_t pkru;
    uint64_t breakpoints;    /* for DR0 to DR3: 0 when they are */
    unsigned linear_flushes; /* INVVPID so far */
    unsigned write_backs;    /* WBINVD */
    struct fake_msr msrs[FAKE_MSRS];
    unsigned msr_count;
    struct fake_lapic lapic;
    uint16_t idt_limit;
    bool nmi_pending; /* a kick is on its way */
    bool in_guest;
    bool deaf;  /* it takes no NMI */
    bool waits; /* in park() */
};
extern struct fake_cpu fake_cpus[FAKE_CPUS];
extern unsigned fake_current;

/* How the last call into Plinth ended, if not by a return. */
enum fake_end { FAKE_RETURNED, FAKE_CRASHED, FAKE_RESET, FAKE_LAUNCHED, FAKE_PARKED, FAKE_HALTED };
const char *fake_end_text(void); /* what crash() said */

/* Plinth's block and what lies in it */
extern const struct range fake_block;

struct fake_setup {
    bool preemption_timer, monitor_trap_flag, accessed_dirty;
    bool invpcid;                                      /* and RDTSCP */
    bool serial;                                       /* COM1 is shared, and polled */
    uint8_t ap_start, on_crash, l1d_flush, statistics; /* as in struct options */
    unsigned pool_pages;                               /* 0: plenty */
};

/* The machine as it is when the guest has made its first entry, CPU 1 waiting to be started. Once a process, as
 * Plinth's variables can't be made new. */
void fake_boot(const struct fake_setup *setup);

/* The same for several machines, if the code was built with clang's sections (fake_sections.h); fake_choose() makes one
 * of them the machine again, as it was after its boot. Cheap. */
enum { FAKE_MACHINES = 8 };
void fake_boot_all(const struct fake_setup *setups, unsigned count);
void fake_choose(unsigned number);

/* The current CPU leaves its guest as its VMCS says, and enters again if Plinth wants that. */
enum fake_end fake_exit(void);

/* CPU 1, which waits, is sent a SIPI: it enters its guest. */
enum fake_end fake_start_parked(unsigned index);

/* The same by VMX's wait-for-SIPI state (ap_start=wait), where the SIPI is an exit. Ends on CPU 0. */
enum fake_end fake_start_waiting(unsigned index);

void fake_image(struct entry_image *image); /* of the current CPU's VMCS */
/* NULL if the current CPU could enter its guest as its VMCS is; else what breaks a rule, good until the next call. */
const char *fake_entry_fault(void);
struct ept *fake_ept(void);

/* The guest's memory, as far as Plinth looks into it: few pages, each of many addresses */
enum { FAKE_PAGES = 8 };
extern uint8_t fake_memory[FAKE_PAGES][4096];

/* The guest on the current CPU needs the rights `access` (of the EPT) in the page at `address`: the entry that the CPU
 * goes by, from its TLB or from the tables that its VMCS names; 0: an EPT violation. */
uint64_t fake_access(uint64_t address, uint64_t access);

/* What was written to ports last, by their low bits. An IN reads the port's own number. */
enum { FAKE_PORTS = 16 };
extern uint8_t fake_port_bytes[FAKE_PORTS];

/* What INVEPT does not do any more: for a test that has to see it missing. */
extern bool fake_invept_broken;

/* fake_cpu.c */
uint64_t *fake_msr(uint32_t index); /* of the current CPU; NULL: #GP */
void fake_msr_add(struct fake_cpu *cpu, uint32_t index, uint64_t value);
static inline uint64_t *fake_field(enum vmcs_index field)
{
    return &fake_cpus[fake_current].vmcs[field];
}
