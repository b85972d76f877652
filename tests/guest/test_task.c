/*
 * Task switches (row 27): who may ask for one, and what becomes of both tasks, line by line as on the bare machine.
 * What the SDM says of the plainest ones is demanded besides.
 */
#include "lib/string.h"
#include "tests/guest/cpu.h"
#include "tests/guest/report.h"
#include "tests/guest/smp.h"
#include "tests/guest/task_world.h"
#include "tests/guest/tests.h"

enum { NT = 0x4000, IOPL3 = 0x3000, VM = 0x20000 };

static void plain(void)
{
    const struct legacy_frame *f = &task_a.frame;

    TASK_BEGIN(LEGACY_PAE, task_jump, task_stop);
    task_run("jmp");
    check(task_a.tr == LEGACY_TSS_B && f->vector == VECTOR_BP && f->eax == 0x55, "jmp: B doesn't run");
    check(task_a.tss_type == 0x89 && !(f->eflags & NT) && !task_b->link, "jmp: A stays busy, or B nested");
    check(legacy_tss.eip == task_a.code + 7 && legacy_tss.eax == 0xa0a0a0a0, "jmp: A isn't saved");
    check(task_a.cr0 & 8, "jmp: CR0.TS is clear");
    TASK_BEGIN(LEGACY_PAE, task_call, task_stop);
    task_run("call");
    check(task_a.tss_type == 0x8b && f->eflags & NT && task_b->link == LEGACY_TSS_A, "call: B isn't nested");
    TASK_BEGIN(LEGACY_PAE, task_call, task_back);
    task_run("call and iret");
    check(task_a.tr == LEGACY_TSS_A && f->eip == task_a.code + 8 && f->eax == 0xa0a0a0a0, "iret: A doesn't go on");
    check(!(task_b->eflags & NT) && task_b->eax == 0x77, "iret: B isn't saved");
    TASK_BEGIN(LEGACY_PAE, task_call_gate, task_back);
    task_run("call of a task gate and iret");
    TASK_BEGIN(LEGACY_FLAT, task_call, task_back);
    task_run("without paging");
    TASK_BEGIN(LEGACY_PAGED, task_call, task_back);
    task_run("with 32-bit paging");
    TASK_BEGIN(LEGACY_PAE, task_jump, task_stop);
    task_b->trap = 1;
    task_run("jmp with T");
    check(f->vector == VECTOR_DB && task_a.dr6 & 0x8000 && f->eip == task_b->eip, "T: no #DB with BT");
}

static void sizes(void)
{
    TASK_BEGIN(LEGACY_PAE, task_jump_c, task_stop);
    task_run("jmp to 16-bit");
    TASK_BEGIN(LEGACY_PAE, task_call_c, task_back);
    task_run("call to 16-bit and iret");
    TASK_BEGIN(LEGACY_PAE, task_jump_c, task_jump); /* C jumps to B, which jumps to itself: busy */
    task_run("16-bit to 32-bit");
    TASK_BEGIN(LEGACY_PAE, task_jump_c, task_stop);
    *legacy_gdt_entry(LEGACY_TSS_A) = task_descriptor((uint32_t)(uintptr_t)&legacy_tss, 43, 0x81, 0);
    task_run("16-bit to 16-bit");
    TASK_BEGIN(LEGACY_PAE, task_call_c, task_stop);
    task_c.flags = 0xffff & ~(uint16_t)RFLAGS_TF;
    task_c.ldt = LEGACY_LDT;
    task_c.ds = LOCAL_DATA;
    task_run("16-bit, all flags");
}

/* What a new task starts with. */
static void loads(void)
{
    static const uint8_t reads[] = {0x26, 0xa1, 0,    0,    0, 0,     /* mov %es:0, %eax */
                                    0x64, 0x8b, 0x1d, 4,    0, 0, 0,  /* mov %fs:4, %ebx */
                                    0x65, 0x8b, 0x0d, 8,    0, 0, 0,  /* mov %gs:8, %ecx */
                                    0x65, 0x8b, 0x15, 0x20, 0, 0, 0}; /* mov %gs:20, %edx: beyond the limit */
    static const uint8_t looks[] = {0xa1, 0, 0, 0, 0x40, 0x9a, 0, 0, 0, 0, LEGACY_TSS_B, 0, 0x8b, 0x1d, 0, 0, 0, 0x40};
    static const uint8_t looks_back[] = {0xa1, 0, 0, 0, 0x40, 0xcf};

    TASK_BEGIN(LEGACY_PAE, task_jump, reads);
    task_b->ldt = LEGACY_LDT;
    task_b->es = task_b->fs = task_b->gs = LOCAL_DATA;
    task_b->cs = LOCAL_CODE;
    task_b->ss = LOCAL_STACK;
    task_run("segments of an LDT");
    TASK_BEGIN(LEGACY_PAE, task_jump, reads);
    task_b->ds = task_b->es = task_b->fs = task_b->gs = 0;
    task_run("null segments");
    TASK_BEGIN(LEGACY_PAE, looks, looks_back);
    memcpy(task_alias, "alias", 5);
    task_b->cr3 = (uint32_t)(uintptr_t)task_pdpt;
    task_run("another CR3");
    check(task_b->eax != task_a.frame.eax && task_a.frame.ebx == task_a.frame.eax, "CR3: the other tables aren't used");
    TASK_BEGIN(LEGACY_PAE, task_jump, task_stop);
    task_b->eflags = ~(VM | RFLAGS_TF);
    task_run("all flags");
    TASK_BEGIN(LEGACY_PAE, task_jump, task_stop);
    task_b->eflags = 2 | RFLAGS_TF;
    task_run("TF in the new task");
    TASK_BEGIN(LEGACY_PAE, task_jump, task_stop);
    task_a.frame.eflags |= RFLAGS_TF;
    task_run("TF in the old task");
    TASK_BEGIN(LEGACY_PAE, task_call, task_back);
    write_dr0(0x7fffff00);
    write_dr7(0x7ff);
    task_run("local breakpoints");
    TASK_BEGIN(LEGACY_PAE, task_jump, task_stop);
    task_b->eip = 0xffff0000;
    task_b->cs = SELECTOR_CODE16;
    task_run("EIP beyond the limit");
}

/* Levels of privilege and virtual-8086 mode, on either side. */
static void levels(void)
{
    static const uint8_t interrupt[] = {0xcd, 6};
    static const uint8_t stop[] = {0x0f, 0xa2, 0xcc};

    TASK_BEGIN(LEGACY_PAE, task_jump, task_stop);
    task_b->cs = SELECTOR_USER_CODE32;
    task_b->ss = task_b->ds = task_b->es = SELECTOR_USER_DATA;
    task_run("jmp to a user's task, fs not a user's");
    TASK_BEGIN(LEGACY_PAE, task_jump, task_stop);
    task_b->cs = SELECTOR_USER_CODE32;
    task_b->ss = task_b->ds = task_b->es = SELECTOR_USER_DATA;
    task_b->fs = task_b->gs = 0;
    task_run("jmp to a user's task");
    check(task_a.frame.cs == SELECTOR_USER_CODE32 && task_a.frame.vector == VECTOR_BP, "a user's task doesn't run");
    TASK_BEGIN(LEGACY_USER, task_call_gate, task_back);
    task_run("a user's call of a gate");
    TASK_BEGIN(LEGACY_USER, task_jump, task_stop);
    task_run("a user's jmp to a kernel's TSS");
    TASK_BEGIN(LEGACY_USER, interrupt, task_back);
    *legacy_idt_entry(VECTOR_UD) = *legacy_gdt_entry(LEGACY_TASK_GATE);
    task_run("a user's int");
    TASK_BEGIN(LEGACY_PAE, task_call, stop);
    memcpy(at_address(LEGACY_LOW_CODE), stop, sizeof(stop));
    task_b->eflags = VM | IOPL3 | 2;
    task_b->eip = 0;
    task_b->cs = LEGACY_LOW_CODE >> 4;
    task_b->ss = 0;
    task_b->esp = LEGACY_LOW_STACK;
    task_b->ds = 0x1234;
    task_b->es = 0x5678;
    task_b->fs = 0x9abc;
    task_b->gs = 0xffff;
    task_run("call of a VM86 task");
    check(task_a.frame.eflags & VM && task_a.frame.vector == VECTOR_BP, "VM86: it doesn't run");
    TASK_BEGIN(LEGACY_VM86, interrupt, task_back);
    *legacy_idt_entry(VECTOR_UD) = *legacy_gdt_entry(LEGACY_TASK_GATE);
    task_run("int in VM86 mode");
    check(task_a.frame.eflags & VM && task_a.frame.eip == 3, "VM86: B doesn't come back");
}

static void through_gate(unsigned vector, const char *name, const uint8_t *code, size_t size, const uint8_t *task,
                         size_t task_size)
{
    task_begin(LEGACY_PAE, code, size, task, task_size);
    *legacy_idt_entry(vector) = *legacy_gdt_entry(LEGACY_TASK_GATE);
    task_run(name);
}

#define THROUGH_GATE(vector, name, code, task) through_gate(vector, name, code, sizeof(code), task, sizeof(task))

/* Events whose gate is a task gate. */
static void events(void)
{
    static const uint8_t undefined[] = {0x0f, 0x0b}, bad_ds[] = {0x8e, 0xd8}, interrupt[] = {0xcd, 6};
    static const uint8_t int1[] = {0xf1}, int3[] = {0xcc}, into[] = {0xb0, 0x7f, 0x04, 1, 0xce};
    static const uint8_t prefixed[] = {0x66, 0x26, 0xcd, 6}, divide[] = {0x31, 0xc9, 0xf7, 0xf1};
    static const uint8_t nowhere[] = {0xa1, 0, 0, 0x10, 0x40}; /* absent in the alias */
    static const uint8_t pop[] = {0x58, 0x0f, 0x0b}, back[] = {0xcf, 0x0f, 0x0b};
    static const uint8_t stop[] = {0x0f, 0x0b};

    THROUGH_GATE(VECTOR_UD, "#UD through a gate", undefined, task_stop);
    THROUGH_GATE(VECTOR_UD, "int through a gate", interrupt, task_back);
    THROUGH_GATE(VECTOR_UD, "prefixed int through a gate", prefixed, task_back);
    THROUGH_GATE(VECTOR_DE, "#DE through a gate", divide, stop);
    THROUGH_GATE(VECTOR_DB, "int1 through a gate", int1, back);
    THROUGH_GATE(VECTOR_BP, "int3 through a gate", int3, stop);
    THROUGH_GATE(4, "into through a gate", into, back);
    THROUGH_GATE(VECTOR_GP, "#GP through a gate, its error code popped", bad_ds, pop);
    THROUGH_GATE(VECTOR_PF, "#PF through a gate, its error code popped", nowhere, pop);
    task_begin(LEGACY_PAE, bad_ds, sizeof(bad_ds), pop, sizeof(pop));
    *legacy_idt_entry(VECTOR_GP) = (uint64_t)LEGACY_TSS_C << 16 | (uint64_t)0x8500 << 32;
    task_run("#GP through a gate to 16-bit");
    task_begin(LEGACY_USER, nowhere, sizeof(nowhere), pop, sizeof(pop));
    *legacy_idt_entry(VECTOR_PF) = *legacy_gdt_entry(LEGACY_TASK_GATE);
    task_b->cs = SELECTOR_USER_CODE32;
    task_b->ss = task_b->ds = task_b->es = SELECTOR_USER_DATA;
    task_b->fs = task_b->gs = 0;
    task_run("a user's #PF to a user's task");
}

static uint32_t counter;

/* mov $command, (ICR): 10 bytes */
#define SEND(low, middle) 0xc7, 0x05, 0, 0x03, 0xe0, 0xfe, low, middle, 0, 0

/* NMIs and interrupts through a task gate. The task sends itself another while the first is served: it comes after
 * IRET, once. */
static void from_outside(void)
{
    /* NMI to APIC ID 0, with exits until it has come */
    static const uint8_t nmi[] = {0xc7, 0x05, 0x10, 0x03, 0xe0, 0xfe, 0,    0,    0,    0,    SEND(0, 4), 0x31,
                                  0xc0, 0x0f, 0xa2, 0x31, 0xc0, 0x0f, 0xa2, 0x31, 0xc0, 0x0f, 0xa2};
    uint8_t serve[] = {
        0xff,       0x05, 0,    0,    0,    0,       /* +0: incl counter */
        0x83,       0x3d, 0,    0,    0,    0,    1, /* cmpl $1, counter */
        0x75,       0x0a,                            /* jne +25 */
        SEND(0, 4),                                  /* another, blocked */
        0x31,       0xc0, 0x0f, 0xa2, 0x0f, 0xa2,    /* +25: exits */
        0xcf,       0xeb, 0xde,                      /* +31: iret; jmp +0 */
    };
    static const uint8_t interrupt[] = {0xc7, 0x05, 0,    0x03, 0xe0, 0xfe, 0x1f, 0,    4,
                                        0,    0x31, 0xc0, 0x0f, 0xa2, 0x31, 0xc0, 0x0f, 0xa2};
    uint32_t address = (uint32_t)(uintptr_t)&counter;

    if (apic_is_x2())
        return;
    memcpy(serve + 2, &address, 4);
    memcpy(serve + 8, &address, 4);
    counter = 0;
    TASK_BEGIN(LEGACY_PAE, nmi, serve);
    *legacy_idt_entry(VECTOR_NMI) = *legacy_gdt_entry(LEGACY_TASK_GATE);
    task_run("NMI through a gate");
    observe("NMI through a gate: served %u times", counter);
    check(counter == 2 && task_a.frame.vector == VECTOR_BP && task_a.tr == LEGACY_TSS_A, "%u NMIs of 2 served",
          counter);
    unblock_nmis();
    apic_enable();
    TASK_BEGIN(LEGACY_PAE, interrupt, task_back);
    task_a.frame.eflags |= RFLAGS_IF;
    *legacy_idt_entry(0x1f) = *legacy_gdt_entry(LEGACY_TASK_GATE);
    task_run("interrupt through a gate");
    apic_end_of_interrupt();
}

void test_task(void)
{
    plain();
    sizes();
    loads();
    levels();
    events();
    from_outside();
}
