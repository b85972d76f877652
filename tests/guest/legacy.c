/* Modes other than long mode: descriptor tables, page tables and stack images for legacy.S. */
#include "tests/guest/legacy.h"
#include "lib/string.h"
#include "tests/guest/cpu.h"

void legacy_enter(void);
extern const uint8_t legacy_stubs[32][16], legacy_page[], legacy_page_end[], legacy_real_stack[];
extern uint64_t page_tables[];

const char *const legacy_names[LEGACY_MODES] = {"flat", "paged", "pae", "user", "vm86", "real", "unreal"};

/* In and out for legacy.S. */
struct packed pointer {
    uint16_t limit;
    uint64_t base;
};
struct pointer legacy_gdt_pointer, legacy_idt_pointer;
uint32_t legacy_cr0, legacy_cr3, legacy_cr4, legacy_real, legacy_real_data, legacy_stack, legacy_controls[13];
struct legacy_frame legacy_frame;
struct tss32 legacy_tss;
uint64_t legacy_pdpt[4] aligned(32);

static uint32_t page_directory[1024] aligned(4096);
static uint8_t code_page[4096] aligned(4096), test_stack[4096] aligned(16), kernel_stack[4096] aligned(16);
uint64_t legacy_gdt[LEGACY_GDT_ENTRIES];
static uint64_t idt[32];

enum { CR0_PE = 0x33, CR4_PSE = 0x10, CR4_PAE = 0x20 };
#define CR0_PG      0x80000000u
#define EFLAGS_VM   0x20000u
#define EFLAGS_IOPL 0x3000u

uint64_t *legacy_gdt_entry(uint16_t selector)
{
    return &legacy_gdt[selector / 8];
}

uint64_t *legacy_idt_entry(unsigned vector)
{
    return &idt[vector];
}

static uint32_t address32(const void *pointer)
{
    return (uint32_t)(uintptr_t)pointer;
}

static uint64_t tss_descriptor(const void *tss, uint32_t limit)
{
    uint64_t base = address32(tss);
    return limit | (base & 0xffffff) << 16 | (uint64_t)0x89 << 40 | (base >> 24) << 56;
}

static void fill_tables(void)
{
    memset(legacy_gdt, 0, sizeof(legacy_gdt));
    legacy_gdt[SELECTOR_CODE64 / 8] = 0x00af9b000000ffff;
    legacy_gdt[SELECTOR_DATA / 8] = 0x00cf93000000ffff;
    legacy_gdt[SELECTOR_CODE32 / 8] = 0x00cf9b000000ffff;
    legacy_gdt[SELECTOR_CODE16 / 8] = 0x00009b000000ffff;
    legacy_gdt[SELECTOR_DATA16 / 8] = 0x000093000000ffff;
    legacy_gdt[SELECTOR_USER_CODE32 / 8] = 0x00cffb000000ffff;
    legacy_gdt[SELECTOR_USER_DATA / 8] = 0x00cff3000000ffff;
    legacy_gdt[LEGACY_TSS_A / 8] = tss_descriptor(&legacy_tss, sizeof(legacy_tss) - 1);
    memset(&legacy_tss, 0, sizeof(legacy_tss));
    legacy_tss.ss0 = SELECTOR_DATA;
    legacy_tss.esp0 = address32(kernel_stack) + sizeof(kernel_stack);
    legacy_tss.io_map = sizeof(legacy_tss);
    for (unsigned i = 0; i < 32; i++) {
        uint32_t stub = address32(legacy_stubs[i]);
        idt[i] = (stub & 0xffff) | (uint64_t)SELECTOR_CODE32 << 16 |
                 (uint64_t)(i == VECTOR_BP ? 0xee00 : 0x8e00) << 32 | (uint64_t)(stub >> 16) << 48;
    }
    legacy_gdt_pointer = (struct pointer){sizeof(legacy_gdt) - 1, (uintptr_t)legacy_gdt};
    legacy_idt_pointer = (struct pointer){sizeof(idt) - 1, (uintptr_t)idt};
}

static void fill_page_tables(void)
{
    for (unsigned i = 0; i < 1024; i++)
        page_directory[i] = i << 22 | 0x87;
    for (unsigned i = 0; i < 4; i++)
        legacy_pdpt[i] = ((uintptr_t)page_tables + 0x2000 + 0x1000 * i) | 1;
}

static bool real_mode(enum legacy_mode mode)
{
    return mode == LEGACY_REAL || mode == LEGACY_UNREAL;
}

static bool low_mode(enum legacy_mode mode)
{
    return real_mode(mode) || mode == LEGACY_VM86;
}

static void prepare_registers(struct legacy *legacy)
{
    enum legacy_mode mode = legacy->mode;
    struct legacy_frame *frame = &legacy->frame;

    frame->eip = legacy->code;
    frame->cs = low_mode(mode) ? LEGACY_LOW_CODE >> 4 : mode == LEGACY_USER ? SELECTOR_USER_CODE32 : SELECTOR_CODE32;
    frame->ss = low_mode(mode) ? 0 : mode == LEGACY_USER ? SELECTOR_USER_DATA : SELECTOR_DATA;
    frame->esp = low_mode(mode) ? LEGACY_LOW_STACK : address32(test_stack) + sizeof(test_stack) - 64;
    frame->eflags = RFLAGS_FIXED | (mode == LEGACY_VM86 ? EFLAGS_VM | EFLAGS_IOPL : 0);
    legacy->cr0 = real_mode(mode) ? CR0_PE & ~1u : mode == LEGACY_FLAT ? CR0_PE : CR0_PE | CR0_PG;
    legacy->cr4 = mode == LEGACY_PAGED ? CR4_PSE : mode == LEGACY_FLAT || real_mode(mode) ? 0 : CR4_PAE;
    legacy->cr3 = mode == LEGACY_PAGED ? address32(page_directory) : address32(legacy_pdpt);
}

void legacy_prepare(struct legacy *legacy, enum legacy_mode mode, const void *code, size_t size)
{
    uint8_t *page = low_mode(mode) ? at_address(LEGACY_LOW_CODE) : code_page;

    fill_tables();
    fill_page_tables();
    memcpy(at_address(LEGACY_PAGE), legacy_page, (size_t)(legacy_page_end - legacy_page));
    memset(legacy, 0, sizeof(*legacy));
    memcpy(page, code, size);
    page[size] = 0xcc;
    legacy->mode = mode;
    legacy->code = low_mode(mode) ? 0 : address32(page);
    legacy->size = (uint32_t)size;
    prepare_registers(legacy);
}

/* The general registers for POPAL and an IRET's frame behind them, so that ESP ends where the frame wants it. */
static void build_stack(const struct legacy *legacy)
{
    const struct legacy_frame *f = &legacy->frame;
    uint32_t image[17] = {f->edi, f->esi, f->ebp, 0,         f->ebx, f->edx, f->ecx,
                          f->eax, f->eip, f->cs,  f->eflags, f->esp, f->ss};
    uint16_t real[3] = {(uint16_t)f->eip, (uint16_t)f->cs, (uint16_t)f->eflags};
    uint32_t base = f->esp - 44;

    if (real_mode(legacy->mode)) {
        base = f->esp - 38;
        memcpy(at_address(base), image, 32);
        memcpy(at_address(base + 32), real, sizeof(real));
    } else if (legacy->mode == LEGACY_USER || legacy->mode == LEGACY_VM86) {
        base = address32(kernel_stack) + sizeof(kernel_stack) - 128;
        memcpy(at_address(base), image, sizeof(image));
    } else {
        memcpy(at_address(base), image, 44);
    }
    legacy_stack = base;
}

static void take_real_frame(void)
{
    uint32_t stack;
    uint16_t words[4];

    memcpy(&stack, at_address(LEGACY_PAGE + (uintptr_t)(legacy_real_stack - legacy_page)), 4);
    memcpy(&legacy_frame, at_address(stack), 32);
    memcpy(words, at_address(stack + 32), sizeof(words));
    legacy_frame.vector = words[0];
    legacy_frame.error = 0;
    legacy_frame.eip = words[1];
    legacy_frame.cs = words[2];
    legacy_frame.eflags = words[3];
    legacy_frame.esp = stack + 40;
}

bool legacy_run(struct legacy *legacy)
{
    struct legacy_frame *frame = &legacy->frame;

    legacy_cr0 = legacy->cr0;
    legacy_cr3 = legacy->cr3;
    legacy_cr4 = legacy->cr4;
    legacy_tss.cr3 = legacy->cr3; /* for a switch back to it: a switch away does not save CR3 */
    legacy_real = real_mode(legacy->mode);
    legacy_real_data = legacy->mode == LEGACY_UNREAL ? SELECTOR_DATA : SELECTOR_DATA16;
    legacy_gdt[LEGACY_TSS_A / 8] &= ~((uint64_t)2 << 40); /* not busy */
    build_stack(legacy);
    legacy_enter();
    cpu_load_tables(this_cpu());
    if (legacy_real)
        take_real_frame();
    *frame = legacy_frame;
    frame->cs &= 0xffff;
    if (!(frame->cs & 3) && !legacy_real && !(frame->eflags & EFLAGS_VM))
        frame->esp = frame->esp_at_pushal + 20;
    legacy->cr0 = legacy_controls[0];
    legacy->cr2 = legacy_controls[1];
    legacy->cr3 = legacy_controls[2];
    legacy->cr4 = legacy_controls[3];
    legacy->tr = legacy_controls[4];
    legacy->tss_type = legacy_controls[5];
    legacy->ds = legacy_controls[6];
    legacy->es = legacy_controls[7];
    legacy->fs = legacy_controls[8];
    legacy->gs = legacy_controls[9];
    legacy->ldtr = legacy_controls[10];
    legacy->dr6 = legacy_controls[11];
    legacy->dr7 = legacy_controls[12];
    return frame->vector == VECTOR_BP && frame->eip == legacy->code + legacy->size + 1;
}

struct outcome legacy_outcome(const struct legacy *legacy)
{
    const struct legacy_frame *f = &legacy->frame;
    struct exec as_exec = {.code = legacy->code, .size = legacy->size};

    as_exec.frame.vector = f->vector;
    as_exec.frame.error = f->error;
    as_exec.frame.rip = f->eip;
    return exec_outcome(&as_exec);
}
