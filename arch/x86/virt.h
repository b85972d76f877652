/*
 * The one list of what a virtualization backend (arch/x86/vmx; later arch/x86/svm) gives to vmm/, and what vmm/ gives
 * back to it. Bound at link time. Unless it says otherwise: root mode, on the CPU whose vCPU is meant, not NMI-safe.
 */
#pragma once

#include "arch/x86/guest_walk.h"
#include "arch/x86/instr.h"
#include "arch/x86/property.h"
#include "arch/x86/task.h"
#include "lib/compiler.h"
#include "lib/error.h"
#include "mm/ept.h"

/* In the order of the instruction set's register numbers, but without RSP (number 4), which lives in the VMCS. */
struct guest_regs {
    uint64_t rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
};

enum vm_exit_kind {
    VM_EXIT_CPUID,
    VM_EXIT_MSR_READ,
    VM_EXIT_MSR_WRITE,
    VM_EXIT_XSETBV,
    VM_EXIT_CR_WRITE,
    VM_EXIT_INVD,
    VM_EXIT_UNDEFINED, /* an instruction that this machine doesn't have as far as the guest knows */
    VM_EXIT_VMCALL,
    VM_EXIT_MEMORY,
    VM_EXIT_NMI,
    VM_EXIT_NMI_WINDOW,
    VM_EXIT_EXCEPTION,
    VM_EXIT_PORT,
    VM_EXIT_POLL,    /* the time given to vcpu_poll_in() is over */
    VM_EXIT_WAIT,    /* MWAIT, because of vcpu_keep_awake() */
    VM_EXIT_STEPPED, /* the one instruction of vcpu_step_begin() was executed */
    VM_EXIT_INIT,
    VM_EXIT_STARTUP,
    VM_EXIT_TASK_SWITCH,
    VM_EXIT_TRIPLE_FAULT,
    VM_EXIT_ENTRY_FAILED,
    VM_EXIT_UNEXPECTED,
};

struct vm_exit {
    enum vm_exit_kind kind;
    uint32_t reason; /* the hardware's number, for reports */
    uint64_t qualification;
    union {
        struct {
            uint32_t number; /* 0, 4 */
            uint64_t value;
        } cr;
        struct {
            uint64_t address; /* guest-physical */
            bool read, write, execute;
        } memory;
        uint8_t startup_vector;
        struct {
            uint16_t number;
            uint8_t size; /* bytes: 1, 2, 4 */
            bool in;      /* IN, INS; else OUT, OUTS */
            bool string;  /* INS, OUTS */
            bool repeat;  /* with REP */
            /* string: bytes of the address, 2, 4 or 8, or 0 if the CPU doesn't tell; OUTS: segment, VCPU_ES to VCPU_GS
             */
            uint8_t address_bytes, segment;
        } port;
        struct task_request task;
    };
};

/* What a handler wants done with the instruction that caused the exit. */
enum exit_action {
    ACTION_RESUME, /* nothing: run on at the same RIP */
    ACTION_NEXT,   /* it was carried out: go to the next instruction */
    ACTION_AGAIN,  /* one element of a repeated string instruction was: as between two of them, RIP kept */
    ACTION_UD,     /* #UD, RIP kept */
    ACTION_GP,     /* #GP(0), RIP kept */
    ACTION_DONE,   /* all is done: RIP is where it belongs, and the event that was being delivered is delivered */
    ACTION_CRASH,  /* nothing sensible can be done: report, then on_crash */
};

/* The state in which the boot CPU enters the guest: 32-bit protected mode, paging off, interrupts off. */
struct entry32 {
    uint32_t eip, eax, ebx, esi, gdt_base;
    uint16_t gdt_limit, code_selector, data_selector;
    uint8_t real_mode_page; /* not 0: none of this, but real mode as after a SIPI with this vector */
};

/* ---- given by the backend ---- */

/* Finds out what this CPU can do. On the boot CPU first, then on every other, before virt_start_cpu(). */
void virt_examine_cpu(void);

/* What all CPUs have that were examined so far; *boot_cpu_found: the rows that the boot CPU has. */
struct property_set virt_properties(uint64_t *boot_cpu_found);

/* Pages of the pool that one CPU needs at most. */
uint32_t virt_cpu_pages(void);
/* Instructions that a control must allow for the guest to have them. */
enum virt_feature { VIRT_NEVER, VIRT_INVPCID, VIRT_RDTSCP, VIRT_USER_WAIT, VIRT_PCONFIG, VIRT_XSAVES };
bool virt_gives(enum virt_feature feature);

bool virt_has_gib_pages(void);
bool virt_has_accessed_dirty(void);
/* The CPU can hold a vCPU in the wait-for-SIPI state, as far as it says. */
bool virt_has_wait_for_sipi(void);

/* Once, on the boot CPU, before the first virt_start_cpu(): what all CPUs share. The pool serves from now on. */
must_check bool virt_init(struct pool *pool, const struct ept *ept, struct error *error);

/* Turns virtualization on, on this CPU, and makes its vCPU ready for one of the vcpu_set_...(). */
must_check bool virt_start_cpu(struct error *error);

/* Turns virtualization off on this CPU, if virt_start_cpu() has turned it on. Boot. */
void virt_stop_cpu(void);

/* Enters the guest for the first time. */
noreturn void virt_launch(void);

/* MSR accesses that exit: all CPUs share the bitmap; takes effect at once. Boot, or any CPU later. */
void virt_intercept_msr(uint32_t index, bool read, bool write);

/* Accesses to `count` I/O ports from `first` on exit. Boot, after virt_init(). */
must_check bool virt_intercept_ports(uint16_t first, uint16_t count, struct error *error);
/* This CPU begins to heed that; before its first entry. */
void vcpu_set_port_intercepts(void);

/* Can the guest's time on a CPU be limited? */
bool virt_can_poll(void);
/* VM_EXIT_POLL comes after so much of the guest's time; once, so the handler asks again. Only if virt_can_poll(). */
void vcpu_poll_in(uint32_t microseconds);
/* This CPU's guest can't sleep by MWAIT, where its time might not be counted: VM_EXIT_WAIT comes instead. Or it can. */
void vcpu_keep_awake(bool awake);

/* The table that this CPU's vCPU walks: the shared one's pointer, or a view's. */
void vcpu_set_ept(uint64_t pointer);

/* Drops what this CPU has cached of guest-physical translations. */
void vcpu_flush_ept(uint64_t pointer);

void vcpu_set_first(void); /* before any other, once: the machine's MSRs become the guest's; state as after INIT */
void vcpu_set_entry32(const struct entry32 *entry);
void vcpu_set_init(void);              /* the state after INIT, at the reset vector; cancels a step */
void vcpu_set_wait_for_sipi(void);     /* activity state */
void vcpu_set_startup(uint8_t vector); /* what a SIPI does to a CPU after INIT */

/* WRMSR of IA32_PEBS_ENABLE: in force while the guest runs, 0 in root mode, where a record would be written to Plinth's
 * memory. False for #GP. */
must_check bool vcpu_write_pebs_enable(uint64_t value);

uint64_t vcpu_cr4(void); /* as the guest sees it */
uint8_t vcpu_cpl(void);
bool vcpu_is_64bit(void);                      /* 64-bit mode, not compatibility mode */
void vcpu_paging(struct guest_paging *paging); /* how it translates linear addresses now */
uint64_t vcpu_rip(void);
bool vcpu_violated_in_walk(const struct vm_exit *exit); /* VM_EXIT_MEMORY: by the CPU's walk through page tables */
uint64_t vcpu_linear_rip(void);                         /* with the code segment's base */

/* For task switches. Setting ends the shadows of STI and MOV SS and drops pending debug exceptions; then
 * vcpu_block_nmis() and an exception may follow. */
void vcpu_get_task(struct task_state *state);
void vcpu_set_task(const struct task_state *state);

void vcpu_block_nmis(bool block); /* until the guest's next IRET */

/* The guest's view of the CR0 bits that VMX holds fixed (CR0.NE) becomes that of `value`: a MOV to CR0 that exited for
 * their sake then runs natively when it is executed again. */
void vcpu_show_cr0(uint64_t value);

bool vcpu_is_delivering(void);     /* something that comes before the next instruction: interrupted by this exit, or
                                      injected by the next entry */
void vcpu_inject_nmi(void);        /* now if it can be taken, else as soon as it can */
void vcpu_reflect_exception(void); /* VM_EXIT_EXCEPTION: the guest gets it after all, as if it had not exited */
void vcpu_inject_fault(uint8_t vector, uint32_t error, uint64_t cr2); /* a fault with an error code, EFLAGS.RF set */
void vcpu_inject_task_trap(void);                                     /* the #DB of a TSS's T flag */

/* The INT n of `length` bytes at RIP: delivered at the next entry, checks and all. */
void vcpu_inject_int(uint8_t vector, uint8_t length);

/* Carries out the SYSCALL of `length` bytes at RIP. False, and nothing is done: the CPU would raise #UD. The guest has
 * neither RFLAGS.TF nor CR4.CET set. */
must_check bool vcpu_syscall(uint8_t length);

/* The next entry runs one instruction, or delivers what was injected and runs none, with all events held off; whatever
 * exit comes next ends this state. CLI, PUSHF, INT, SYSCALL and SYSENTER see or leave RFLAGS as they shouldn't. */
void vcpu_step_begin(void);
bool vcpu_is_stepping(void); /* that hasn't come to its end */
void vcpu_set_interrupt_flag(bool on);

/* Sends an NMI to the CPU so that it leaves the guest (or its halt) and does its slow work. Any CPU. */
struct cpu;
void virt_kick(struct cpu *cpu);

/* Halts this CPU until virt_kick(), unless that has come since the last call. May return early. */
void virt_sleep_unless_kicked(void);

struct vcpu_segment {
    uint16_t selector;
    uint32_t limit, rights; /* rights as in the VMCS (SDM vol. 3, table 24-2) */
    uint64_t base;
};
enum { VCPU_ES, VCPU_CS, VCPU_SS, VCPU_DS, VCPU_FS, VCPU_GS, VCPU_LDTR, VCPU_TR, VCPU_SEGMENTS };

struct vcpu_registers {
    struct guest_regs general;
    uint64_t rip, rsp, rflags, cr0, cr2, cr3, cr4, efer, dr7; /* control registers as the guest sees them */
    uint64_t gdt_base, idt_base;
    uint32_t gdt_limit, idt_limit;
    uint32_t activity, interruptibility; /* SDM vol. 3, 24.4.2 */
    struct vcpu_segment segments[VCPU_SEGMENTS];
};
void vcpu_get_registers(struct vcpu_registers *out);

/* The name of a reason for exits, NULL if there is none of that number. */
const char *virt_exit_name(uint32_t reason);

/* Writing entries goes on or pauses. False: not started with trace=on. Any CPU. */
bool virt_trace_set(bool on);
/* The numbers of the entries that a CPU's ring still holds: [*first, *end). Any CPU. */
void virt_trace_range(uint32_t cpu, uint64_t *first, uint64_t *end);
/* One of them, as the line that tools/plinth-trace reads; false if it is being overwritten. Any CPU. */
enum { VIRT_TRACE_TEXT = 200 };
must_check bool virt_trace_text(uint32_t cpu, uint64_t number, char text[VIRT_TRACE_TEXT]);

/* How many exits of a reason took 2^log2 ticks or more, and less than twice that (arch/x86/cpu.h). 0 without
 * statistics=histogram. Any CPU. */
uint64_t virt_tick_bucket(uint32_t cpu, uint32_t reason, unsigned log2);

/* Exits of one reason on one CPU so far, and TSC ticks spent on them. Any CPU. False: no such reason. */
must_check bool virt_statistics(uint32_t cpu, uint32_t reason, uint64_t *exits, uint64_t *ticks);

/* ---- given by vmm/ ---- */

/* CPUID leaves 0 to 63 that are more than the CPU's own answer (a bit each); beyond 63 all go to vmm_cpuid_special().
 */
extern uint64_t vmm_special_leaves;

/* Those leaves: results into regs. */
void vmm_cpuid_special(struct guest_regs *regs);

static inline bool vmm_cpuid_is_plain(uint32_t leaf)
{
    return likely(leaf < 64) && likely(!(vmm_special_leaves >> leaf & 1));
}

/* The CPU's own answer; CPUID clears the upper halves of its four registers (SDM vol. 2). */
static inline void vmm_cpuid_plain(struct guest_regs *regs)
{
    cpuid_full(&regs->rax, &regs->rbx, &regs->rcx, &regs->rdx);
}

/* RDMSR and WRMSR that the bitmap lets exit. */
enum exit_action msr_read(struct guest_regs *regs);
enum exit_action msr_write(struct guest_regs *regs);

enum exit_action vmm_xsetbv(const struct guest_regs *regs);

/* EPT violations outside a step. */
enum exit_action memory_exit(const struct vm_exit *exit);

/* Every other exit. */
enum exit_action vmm_exit(struct guest_regs *regs, const struct vm_exit *exit);

/* cpu->slow_work was found set. */
void vmm_slow_work(struct cpu *cpu);
