#include "tests/guest/task_world.h"
#include "lib/string.h"
#include "tests/guest/cpu.h"
#include "tests/guest/report.h"

struct legacy task_a;
static struct tss32 own_b;
struct tss32 *task_b;
struct tss16 task_c;
uint8_t task_code[64], task_stack[1024] aligned(16), task_stack0[1024] aligned(16);
uint64_t task_ldt[8];
uint32_t task_data[8];
uint8_t task_alias[ALIAS_PAGES * 4096] aligned(4096);
uint64_t task_alias_table[512] aligned(4096), task_pdpt[4] aligned(32);
static uint64_t alias_directory[512] aligned(4096);

const uint8_t task_jump[7] = {0xea, 0, 0, 0, 0, LEGACY_TSS_B, 0}, task_call[7] = {0x9a, 0, 0, 0, 0, LEGACY_TSS_B, 0};
const uint8_t task_call_gate[7] = {0x9a, 0, 0, 0, 0, LEGACY_TASK_GATE, 0};
const uint8_t task_jump_c[7] = {0xea, 0, 0, 0, 0, LEGACY_TSS_C, 0};
const uint8_t task_call_c[7] = {0x9a, 0, 0, 0, 0, LEGACY_TSS_C, 0};
/* an exit, then MOV $55, EAX; INT3. And MOV $77, EAX; IRET; INT3 */
const uint8_t task_stop[8] = {0x0f, 0xa2, 0xb8, 0x55, 0, 0, 0, 0xcc};
const uint8_t task_back[7] = {0xb8, 0x77, 0, 0, 0, 0xcf, 0xcc};

static uint32_t address32(const void *pointer)
{
    return (uint32_t)(uintptr_t)pointer;
}

uint64_t task_descriptor(uint32_t base, uint32_t limit, uint8_t type, uint8_t flags)
{
    return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)type << 40 |
           (uint64_t)(limit >> 16 & 0xf) << 48 | (uint64_t)flags << 52 | (uint64_t)(base >> 24) << 56;
}

void task_place_b(void *tss, uint32_t linear)
{
    task_b = tss;
    memset(tss, 0, sizeof(*task_b));
    *task_b = (struct tss32){
        .esp0 = address32(task_stack0) + sizeof(task_stack0),
        .ss0 = SELECTOR_DATA,
        .cr3 = task_a.cr3,
        .eip = address32(task_code),
        .eflags = 2,
        .eax = 0xb0b0b0b0,
        .ecx = 0xb1b1b1b1,
        .edx = 0xb2b2b2b2,
        .ebx = 0xb3b3b3b3,
        .esp = address32(task_stack) + sizeof(task_stack),
        .ebp = 0xb5b5b5b5,
        .esi = 0xb6b6b6b6,
        .edi = 0xb7b7b7b7,
        .es = SELECTOR_DATA,
        .cs = SELECTOR_CODE32,
        .ss = SELECTOR_DATA,
        .ds = SELECTOR_DATA,
        .fs = SELECTOR_DATA,
        .gs = SELECTOR_DATA,
        .io_map = sizeof(*task_b),
    };
    *legacy_gdt_entry(LEGACY_TSS_B) = task_descriptor(linear, sizeof(*task_b) - 1, 0x89, 0);
}

static void fill_c(void)
{
    task_c = (struct tss16){
        .sp0 = LEGACY_LOW_STACK - 512,
        .ss0 = SELECTOR_DATA16,
        .ip = LEGACY_LOW_CODE,
        .flags = 2,
        .ax = 0xc0c0,
        .cx = 0xc1c1,
        .dx = 0xc2c2,
        .bx = 0xc3c3,
        .sp = LEGACY_LOW_STACK,
        .bp = 0xc5c5,
        .si = 0xc6c6,
        .di = 0xc7c7,
        .es = SELECTOR_DATA,
        .cs = SELECTOR_CODE32,
        .ss = SELECTOR_DATA16, /* the upper half of ESP comes out of a 16-bit TSS undefined */
        .ds = SELECTOR_DATA,
    };
    *legacy_gdt_entry(LEGACY_TSS_C) = task_descriptor(address32(&task_c), sizeof(task_c) - 1, 0x81, 0);
}

static void fill_ldt(void)
{
    memset(task_ldt, 0, sizeof(task_ldt));
    for (unsigned i = 0; i < ARRAY_SIZE(task_data); i++)
        task_data[i] = 0xd0d0d000 + i;
    task_ldt[LOCAL_DATA / 8] = task_descriptor(address32(task_data), sizeof(task_data) - 1, 0x92, 4);
    task_ldt[LOCAL_CODE / 8] = task_descriptor(0, 0xfffff, 0x9a, 0xc);
    task_ldt[LOCAL_STACK / 8] = task_descriptor(0, 0xfffff, 0x92, 0xc);
    *legacy_gdt_entry(LEGACY_LDT) = task_descriptor(address32(task_ldt), sizeof(task_ldt) - 1, 0x82, 0);
}

static void fill_alias(void)
{
    memset(task_alias, 0, sizeof(task_alias));
    memset(task_alias_table, 0, sizeof(task_alias_table));
    for (unsigned i = 0; i < ALIAS_PAGES; i++)
        task_alias_table[i] = (address32(task_alias) + i * 4096) | 7;
    alias_directory[0] = address32(task_alias_table) | 7;
    memcpy(task_pdpt, legacy_pdpt, sizeof(task_pdpt));
    task_pdpt[1] = legacy_pdpt[0];
    legacy_pdpt[1] = address32(alias_directory) | 1;
}

void task_begin(enum legacy_mode mode, const void *code, size_t size, const void *task, size_t task_size)
{
    legacy_prepare(&task_a, mode, code, size);
    memset(task_code, 0xcc, sizeof(task_code));
    memcpy(task_code, task, task_size);
    memcpy(at_address(LEGACY_LOW_CODE + 256), task, task_size);
    memset(task_stack, 0, sizeof(task_stack));
    memset(task_stack0, 0, sizeof(task_stack0));
    task_place_b(&own_b, address32(&own_b));
    fill_c();
    task_c.ip = LEGACY_LOW_CODE + 256;
    fill_ldt();
    fill_alias();
    *legacy_gdt_entry(LEGACY_TASK_GATE) = (uint64_t)LEGACY_TSS_B << 16 | (uint64_t)0xe500 << 32; /* DPL 3 */
    task_a.frame.eax = 0xa0a0a0a0;
    task_a.frame.ecx = 0xa1a1a1a1;
    task_a.frame.edx = 0xa2a2a2a2;
    task_a.frame.ebp = 0xa5a5a5a5;
    task_a.cr0 &= ~8u;
}

static uint32_t hash(const void *data, size_t size)
{
    uint32_t value = 0x811c9dc5;

    for (const uint8_t *byte = data; size; byte++, size--)
        value = (value ^ *byte) * 0x01000193;
    return value;
}

static uint8_t type_of(uint16_t selector)
{
    return (uint8_t)(*legacy_gdt_entry(selector) >> 40);
}

static void show_memory(const char *name)
{
    const struct tss32 *a = &legacy_tss;

    observe("%s: A link %x eip %x eflags %x esp %x es %x cs %x ss %x ds %x fs %x gs %x", name, a->link, a->eip,
            a->eflags, a->esp, a->es, a->cs, a->ss, a->ds, a->fs, a->gs);
    observe("%s: B link %x eip %x eflags %x, C link %x ip %x flags %x, types %x %x %x", name, task_b->link, task_b->eip,
            task_b->eflags, task_c.link, task_c.ip, task_c.flags, task_a.tss_type, type_of(LEGACY_TSS_B),
            type_of(LEGACY_TSS_C));
    observe("%s: A %x B %x C %x gdt %x ldt %x stacks %x %x alias %x", name, hash(a, sizeof(*a)),
            hash(task_b, sizeof(*task_b)), hash(&task_c, sizeof(task_c)), hash(legacy_gdt, sizeof(legacy_gdt)),
            hash(task_ldt, sizeof(task_ldt)), hash(task_stack, sizeof(task_stack)),
            hash(task_stack0, sizeof(task_stack0)), hash(task_alias_table, 32));
}

/* If SS couldn't be loaded, the handler's stack is that of level 0. Which RPL the CS has that it finds there, nobody
 * tells: it is left out. */
static void hide_rpl(struct legacy_frame *f)
{
    uint32_t *top = (uint32_t *)(task_stack0 + sizeof(task_stack0)), base = address32(task_stack0);

    if (f->vector < 10 || f->vector > 12 || f->esp_at_pushal - base >= sizeof(task_stack0))
        return;
    top[-4] &= ~3u;
    f->cs &= ~3u;
    f->esp = top[-2];
}

void task_run(const char *name)
{
    struct legacy_frame *f = &task_a.frame;
    bool outer;

    legacy_run(&task_a);
    hide_rpl(f);
    outer = f->cs & 3 || f->eflags & 0x20000;
    observe("%s: #%u(%x) at %x:%x eflags %x esp %x ss %x, tr %x ldtr %x", name, f->vector, f->error, f->cs, f->eip,
            f->eflags, f->esp, outer ? f->ss & 0xffff : 0, task_a.tr, task_a.ldtr);
    observe("%s: eax %x ecx %x edx %x ebx %x ebp %x esi %x edi %x", name, f->eax, f->ecx, f->edx, f->ebx, f->ebp,
            f->esi, f->edi);
    /* which byte of a page that isn't there is touched first, the SDM leaves open */
    observe("%s: ds %x es %x fs %x gs %x cr0 %x cr2 in page %x cr3 %x dr6 %x dr7 %x", name, task_a.ds, task_a.es,
            task_a.fs, task_a.gs, task_a.cr0, task_a.cr2 & ~0xfffu, task_a.cr3, task_a.dr6, task_a.dr7);
    show_memory(name);
    write_cr2(0);
    write_dr6(0xffff0ff0);
    write_dr7(0x400);
}
