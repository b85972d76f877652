/* What may be wrong with a task switch (SDM vol. 3, table 7-1), and in which task the fault comes. */
#include "lib/string.h"
#include "tests/guest/cpu.h"
#include "tests/guest/report.h"
#include "tests/guest/task_world.h"
#include "tests/guest/tests.h"

static const uint8_t undefined[] = {0x0f, 0x0b}, bad_ds[] = {0x8e, 0xd8}, interrupt[] = {0xcd, 6}, iret[] = {0xcf};

static void in_tss(void)
{
    TASK_BEGIN(LEGACY_PAE, CODE(0xea, 0, 0, 0, 0, LEGACY_TSS_A, 0), task_stop);
    task_run("jmp to busy");
    TASK_BEGIN(LEGACY_PAE, task_jump, task_stop);
    *legacy_gdt_entry(LEGACY_TSS_B) &= ~((uint64_t)0x80 << 40);
    task_run("jmp to absent");
    check(task_a.frame.vector == 11 && task_a.tr == LEGACY_TSS_A, "absent TSS: no #NP");
    TASK_BEGIN(LEGACY_PAE, task_jump, task_stop);
    *legacy_gdt_entry(LEGACY_TSS_B) -= 1;
    task_run("limit one too small");
    TASK_BEGIN(LEGACY_PAE, task_jump_c, task_stop);
    *legacy_gdt_entry(LEGACY_TSS_C) -= 1;
    task_run("16-bit limit one too small");
    TASK_BEGIN(LEGACY_PAE, task_jump, task_stop);
    *legacy_gdt_entry(LEGACY_TSS_A) = task_descriptor((uint32_t)(uintptr_t)&legacy_tss, 0x5e, 0x89, 0);
    task_run("old limit too small");
    TASK_BEGIN(LEGACY_PAE, iret, task_stop);
    task_a.frame.eflags |= 0x4000;
    legacy_tss.link = LEGACY_TSS_B;
    task_run("iret to a task that isn't busy");
    TASK_BEGIN(LEGACY_PAE, iret, task_stop);
    task_a.frame.eflags |= 0x4000;
    legacy_tss.link = 0;
    task_run("iret to null");
    TASK_BEGIN(LEGACY_PAE, iret, task_stop);
    task_a.frame.eflags |= 0x4000;
    legacy_tss.link = LEGACY_TSS_A;
    task_run("iret to itself");
    TASK_BEGIN(LEGACY_PAE, iret, task_stop);
    task_a.frame.eflags |= 0x4000;
    legacy_tss.link = LEGACY_TSS_B | 4;
    task_run("iret to the LDT");
}

/* Offsets in a 32-bit TSS. */
enum field { IN_ES = 72, IN_CS = 76, IN_SS = 80, IN_DS = 84, IN_FS = 88, IN_GS = 92, IN_LDT = 96 };

static void one_bad(const char *name, enum field field, uint16_t selector, uint8_t type, bool call)
{
    if (call)
        TASK_BEGIN(LEGACY_PAE, task_call, task_stop);
    else
        TASK_BEGIN(LEGACY_PAE, task_jump, task_stop);
    *legacy_gdt_entry(LEGACY_SPARE) = task_descriptor(0, 0xfffff, type, 0xc);
    memcpy((uint8_t *)task_b + field, &selector, sizeof(selector));
    task_run(name);
    check(task_a.frame.vector >= 10 && task_a.frame.vector <= 12, "%s: no #TS, #NP or #SS", name);
}

/* In the new task, with its TR and registers. */
static void in_segments(void)
{
    one_bad("cs null", IN_CS, 0, 0, false);
    one_bad("cs of data", IN_CS, SELECTOR_DATA, 0, true);
    one_bad("cs beyond the GDT", IN_CS, 0x80, 0, false);
    one_bad("cs absent", IN_CS, LEGACY_SPARE, 0x1a, false);
    one_bad("cs of another level", IN_CS, SELECTOR_USER_CODE32 & ~3, 0, false);
    one_bad("cs conforming, of a lower level", IN_CS, LEGACY_SPARE, 0xfe, false);
    one_bad("cs of an LDT that isn't there", IN_CS, LOCAL_CODE, 0, false);
    one_bad("ss null", IN_SS, 0, 0, true);
    one_bad("ss read-only", IN_SS, LEGACY_SPARE, 0x90, false);
    one_bad("ss of code", IN_SS, SELECTOR_CODE32, 0, false);
    one_bad("ss absent", IN_SS, LEGACY_SPARE, 0x12, false);
    one_bad("ss of another level", IN_SS, SELECTOR_USER_DATA, 0, false);
    one_bad("ss with another RPL", IN_SS, SELECTOR_DATA | 1, 0, false);
    one_bad("ds of execute-only code", IN_DS, LEGACY_SPARE, 0x98, false);
    one_bad("ds absent", IN_DS, LEGACY_SPARE, 0x12, false);
    one_bad("es of a system segment", IN_ES, LEGACY_TSS_A, 0, false);
    one_bad("fs with too low an RPL", IN_FS, SELECTOR_DATA | 3, 0, false);
    one_bad("gs beyond the GDT", IN_GS, 0xfff8, 0, false);
    one_bad("ldt in the LDT", IN_LDT, LEGACY_LDT | 4, 0, false);
    one_bad("ldt of another type", IN_LDT, LEGACY_TSS_A, 0, false);
    one_bad("ldt absent", IN_LDT, LEGACY_SPARE, 0x02, false);
    one_bad("ldt beyond the GDT", IN_LDT, 0x80, 0, true);
}

/* Segments that are all right, by a hair. */
static void accepted(void)
{
    TASK_BEGIN(LEGACY_PAE, task_jump, task_stop);
    *legacy_gdt_entry(LEGACY_SPARE) = task_descriptor(0, 0xfffff, 0x9c, 0xc); /* conforming */
    task_b->cs = LEGACY_SPARE;
    task_b->ds = SELECTOR_USER_DATA;
    task_b->es = SELECTOR_CODE32;
    task_run("conforming cs, code as data");
}

/* The EXT bit, double faults, and no room for the error code. */
static void of_events(void)
{
    TASK_BEGIN(LEGACY_PAE, undefined, task_stop);
    *legacy_idt_entry(VECTOR_UD) = *legacy_gdt_entry(LEGACY_TASK_GATE);
    task_b->cs = SELECTOR_DATA;
    task_run("#UD to a task with bad cs");
    check(task_a.frame.vector == 10 && task_a.frame.error == (SELECTOR_DATA | 1), "EXT isn't set");
    TASK_BEGIN(LEGACY_PAE, interrupt, task_stop);
    *legacy_idt_entry(VECTOR_UD) = *legacy_gdt_entry(LEGACY_TASK_GATE);
    task_b->cs = SELECTOR_DATA;
    task_run("int to a task with bad cs");
    TASK_BEGIN(LEGACY_PAE, bad_ds, task_stop);
    *legacy_idt_entry(VECTOR_GP) = *legacy_gdt_entry(LEGACY_TASK_GATE);
    task_b->cs = SELECTOR_DATA;
    task_run("#GP to a task with bad cs");
    check(task_a.frame.vector == VECTOR_DF, "no double fault");
    TASK_BEGIN(LEGACY_PAE, undefined, task_stop);
    *legacy_idt_entry(VECTOR_UD) = *legacy_gdt_entry(LEGACY_TASK_GATE);
    *legacy_gdt_entry(LEGACY_TSS_B) &= ~((uint64_t)0x80 << 40);
    task_run("#UD to an absent task");
    TASK_BEGIN(LEGACY_PAE, bad_ds, task_stop);
    *legacy_idt_entry(VECTOR_GP) = *legacy_gdt_entry(LEGACY_TASK_GATE);
    *legacy_gdt_entry(LEGACY_SPARE) = task_descriptor(0, 0xffff, 0x93, 4);
    task_b->ss = LEGACY_SPARE;
    task_b->esp = 0x12346;
    *legacy_idt_entry(VECTOR_DF) = (uint64_t)LEGACY_TSS_C << 16 | (uint64_t)0x8500 << 32;
    task_run("#GP to a task without room on its stack, #DF to another");
    check(task_a.tr == LEGACY_TSS_C && task_c.link == LEGACY_TSS_B, "no double fault in the new task");
}

enum { B_OFFSET = 4096 - 48 };

static void begin_aliased(const uint8_t *code, size_t size)
{
    task_begin(LEGACY_PAE, code, size, task_stop, sizeof(task_stop));
    task_place_b(task_alias + B_OFFSET, ALIAS_BASE + B_OFFSET);
}

#define BEGIN_ALIASED(code) begin_aliased(code, sizeof(code))

/* B's TSS lies across two 4 KiB pages of its own. */
static void in_pages(void)
{
    BEGIN_ALIASED(task_jump);
    task_run("TSS across pages");
    check(task_a.frame.vector == VECTOR_BP, "TSS across pages: B doesn't run");
    BEGIN_ALIASED(task_call);
    task_alias_table[0] &= ~(uint64_t)2;
    task_run("read-only TSS, without WP");
    BEGIN_ALIASED(task_call);
    task_alias_table[0] &= ~(uint64_t)2;
    task_a.cr0 |= 0x10000;
    task_run("link to a read-only TSS");
    check(task_a.frame.vector == VECTOR_PF && task_a.tr == LEGACY_TSS_A, "no #PF in the old task");
    BEGIN_ALIASED(task_jump);
    task_alias_table[0] &= ~(uint64_t)2;
    task_a.cr0 |= 0x10000;
    task_run("jmp to a read-only TSS");
    BEGIN_ALIASED(task_jump);
    task_alias_table[1] = 0;
    task_run("the TSS's second page absent");
    BEGIN_ALIASED(task_jump);
    task_alias_table[0] |= (uint64_t)1 << 51;
    task_run("a reserved bit");
    BEGIN_ALIASED(undefined);
    *legacy_idt_entry(VECTOR_UD) = *legacy_gdt_entry(LEGACY_TASK_GATE);
    task_alias_table[0] = 0;
    task_run("#UD to an absent page");
    TASK_BEGIN(LEGACY_PAE, task_call, task_stop); /* at a jump the emulator has taken A's busy flag before it faults */
    *legacy_gdt_entry(LEGACY_TSS_A) = task_descriptor(ALIAS_BASE + B_OFFSET, sizeof(struct tss32) - 1, 0x89, 0);
    task_alias_table[1] &= ~(uint64_t)2;
    task_a.cr0 |= 0x10000;
    task_run("old TSS read-only");
}

void test_taskfault(void)
{
    in_tss();
    in_segments();
    accepted();
    of_events();
    in_pages();
}
