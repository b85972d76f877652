/* Task switches in a small world: what both tasks become, and faults before and after the commit point. */
#include "tests/host/support.h"

#include "arch/x86/regs.h"
#include "tests/host/guest_world.h"
#include "tests/host/task_check.h"
#include "vmm/task_switch.h"

enum {
    GDT = 0x1000,
    LDT = 0x1800,
    TSS_A = 0x2000,
    TSS_B = 0x2400,
    TSS_C = 0x2800,
    STACK_B = 0x4000,
    DIRECTORY = 0x30000,
};
enum {
    CODE = 0x08,
    DATA = 0x10,
    A = 0x18,
    B = 0x20,
    C = 0x28,
    LOCAL = 0x30,
    USER_CODE = 0x3b,
    USER_DATA = 0x43,
    SPARE = 0x48,
    GDT_BYTES = 0x50,
};

static struct task_state state;
static struct task_request request;
static struct task_outcome outcome;

static uint64_t descriptor(uint32_t base, uint32_t limit, uint8_t type, uint8_t flags)
{
    return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)type << 40 |
           (uint64_t)(limit >> 16 & 0xf) << 48 | (uint64_t)flags << 52 | (uint64_t)(base >> 24) << 56;
}

static void put(uint16_t selector, uint64_t raw)
{
    guest_world_set((selector & 4 ? LDT : GDT) + (selector & ~7u), 8, raw);
}

static uint8_t type_of(uint16_t selector)
{
    return guest_world[GDT + (selector & ~7) + 5];
}

static struct tss32 *tss(unsigned address)
{
    return (struct tss32 *)(guest_world + address);
}

static void fill_gdt(void)
{
    put(CODE, descriptor(0, 0xfffff, 0x9b, 0xc));
    put(DATA, descriptor(0, 0xfffff, 0x93, 0xc));
    put(A, descriptor(TSS_A, 103, 0x8b, 0));
    put(B, descriptor(TSS_B, 103, 0x89, 0));
    put(C, descriptor(TSS_C, 43, 0x81, 0));
    put(LOCAL, descriptor(LDT, 0x1f, 0x82, 0));
    put(USER_CODE, descriptor(0, 0xfffff, 0xfb, 0xc));
    put(USER_DATA, descriptor(0, 0xfffff, 0xf3, 0xc));
}

static void fill_b(void)
{
    struct tss32 *b = tss(TSS_B);

    *b = (struct tss32){.cr3 = DIRECTORY, .eip = 0xb000, .eflags = 0x46};
    for (enum task_register i = TASK_EAX; i < TASK_REGISTERS; i++)
        b->registers[i] = 0xb0b0b0b0 + i;
    b->registers[TASK_ESP] = STACK_B;
    for (enum task_segment_index i = TASK_ES; i <= TASK_GS; i++)
        b->segments[i].selector = i == TASK_CS ? CODE : DATA;
}

static void fill_c(void)
{
    struct tss16 c = {.ip = 0xc000, .flags = 0x246, .segments = {DATA, CODE, DATA, DATA}};

    for (enum task_register i = TASK_EAX; i < TASK_REGISTERS; i++)
        c.registers[i] = (uint16_t)(0xc0c0 + i);
    memcpy(guest_world + TSS_C, &c, sizeof(c));
}

static int begin(void **unused)
{
    (void)unused;
    memset(guest_world, 0, sizeof(guest_world));
    guest_world_hook = NULL;
    fill_gdt();
    fill_b();
    fill_c();
    state = (struct task_state){.eip = 0xa000,
                                .eflags = 0x202,
                                .gdt_base = GDT,
                                .gdt_limit = GDT_BYTES - 1,
                                .dr7 = 0x7ff,
                                .paging = {.cr0 = CR0_PE, .cr3 = DIRECTORY, .cr4 = CR4_PSE, .physical_bits = 40}};
    for (enum task_register i = TASK_EAX; i < TASK_REGISTERS; i++)
        state.registers[i] = 0xa0a0a0a0 + i;
    for (enum task_segment_index i = TASK_ES; i <= TASK_GS; i++)
        state.segments[i] =
            (struct task_segment){i == TASK_CS ? CODE : DATA, 0, 0xffffffff, i == TASK_CS ? 0xc09b : 0xc093};
    state.segments[TASK_LDTR] = (struct task_segment){.rights = RIGHTS_UNUSABLE};
    state.segments[TASK_TR] = (struct task_segment){A, TSS_A, 103, 0x8b};
    request = (struct task_request){.source = TASK_BY_JUMP, .selector = B, .next_eip = 0xa007};
    guest_world_set(DIRECTORY, 4, 0xe7 | 0);
    return 0;
}

static void run(void)
{
    task_switch(&state, &request, &outcome);
    if (outcome.committed)
        assert_true(task_enterable(&state, outcome.result != TASK_SWITCHED));
}

static void a_jump(void **unused)
{
    (void)unused;
    tss(TSS_A)->link = 0x1234;
    tss(TSS_A)->segments[TASK_ES].reserved = 0x5678;
    tss(TSS_A)->cr3 = 0x77777000;
    run();
    assert_int_equal(outcome.result, TASK_SWITCHED);
    assert_int_equal(tss(TSS_A)->eip, 0xa007);
    assert_int_equal(tss(TSS_A)->eflags, 0x202);
    assert_int_equal(tss(TSS_A)->registers[TASK_EDI], 0xa0a0a0a7);
    assert_int_equal(tss(TSS_A)->segments[TASK_CS].selector, CODE);
    assert_int_equal(tss(TSS_A)->segments[TASK_ES].reserved, 0x5678); /* not the CPU's to write */
    assert_int_equal(tss(TSS_A)->link, 0x1234);
    assert_int_equal(tss(TSS_A)->cr3, 0x77777000);
    assert_int_equal(state.eip, 0xb000);
    assert_int_equal(state.eflags, 0x46);
    assert_int_equal(state.registers[TASK_EBX], 0xb0b0b0b3);
    assert_int_equal(state.segments[TASK_TR].selector, B);
    assert_int_equal(state.segments[TASK_TR].base, TSS_B);
    assert_int_equal(state.segments[TASK_TR].rights, 0x8b);
    assert_int_equal(state.segments[TASK_CS].limit, 0xffffffff);
    assert_int_equal(state.dr7, 0x6aa);
    assert_true(state.paging.cr0 & CR0_TS);
    assert_false(outcome.trap);
}

/* Table 7-2 "Effect of a Task Switch on Busy Flag, NT Flag, Previous Task Link Field, and TS Flag" */
static void flags_and_links(void **unused)
{
    static const struct {
        enum task_source source;
        uint8_t old_type, new_type;
        bool nested, linked, old_nt;
    } rows[] = {
        {TASK_BY_JUMP, 0x89, 0x8b, false, false, true},
        {TASK_BY_CALL, 0x8b, 0x8b, true, true, true},
        {TASK_BY_GATE, 0x8b, 0x8b, true, true, true},
        {TASK_BY_IRET, 0x89, 0x8b, false, false, false},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        begin(unused);
        state.eflags |= RFLAGS_NT;
        request.source = rows[i].source;
        if (rows[i].source == TASK_BY_IRET)
            put(B, descriptor(TSS_B, 103, 0x8b, 0));
        run();
        assert_int_equal(outcome.result, TASK_SWITCHED);
        assert_int_equal(type_of(A), rows[i].old_type);
        assert_int_equal(type_of(B), rows[i].new_type);
        assert_int_equal(!!(state.eflags & RFLAGS_NT), rows[i].nested);
        assert_int_equal(tss(TSS_B)->link, rows[i].linked ? A : 0);
        assert_int_equal(!!(tss(TSS_A)->eflags & RFLAGS_NT), rows[i].old_nt);
    }
}

static void there_and_back(void **unused)
{
    struct task_state before = state;

    (void)unused;
    request.source = TASK_BY_CALL;
    run();
    request = (struct task_request){.source = TASK_BY_IRET, .selector = A, .next_eip = 0xb001};
    tss(TSS_A)->cr3 = DIRECTORY;
    run();
    assert_int_equal(outcome.result, TASK_SWITCHED);
    before.paging.cr0 |= CR0_TS;
    before.dr7 = 0x6aa;
    before.eip = 0xa007;
    assert_memory_equal(&state, &before, sizeof(state));
    assert_int_equal(tss(TSS_B)->eip, 0xb001);
}

static void narrow(void **unused)
{
    struct tss16 c;

    (void)unused;
    request.source = TASK_BY_CALL;
    request.selector = C;
    run();
    assert_int_equal(outcome.result, TASK_SWITCHED);
    assert_int_equal(state.registers[TASK_ECX], 0xffffc0c1);
    assert_int_equal(state.eip, 0xc000);
    assert_int_equal(state.segments[TASK_FS].selector, 0);
    assert_true(state.segments[TASK_FS].rights & RIGHTS_UNUSABLE);
    assert_int_equal(state.segments[TASK_TR].rights, 0x83);
    state.registers[TASK_EDI] = 0x12345678;
    state.eflags |= 0x200000;
    request = (struct task_request){.source = TASK_BY_IRET, .selector = A, .next_eip = 0xc005};
    run();
    memcpy(&c, guest_world + TSS_C, sizeof(c));
    assert_int_equal(c.registers[TASK_EDI], 0x5678);
    assert_int_equal(c.ip, 0xc005);
    assert_int_equal(c.link, A);
    assert_int_equal(c.flags, 0x246);
    assert_int_equal(c.ldt, 0);
}

static void expect_fault(unsigned vector, uint32_t error, bool committed)
{
    run();
    assert_int_equal(outcome.result, TASK_FAULTED);
    assert_int_equal(outcome.vector, vector);
    assert_int_equal(outcome.error, error);
    assert_int_equal(outcome.committed, committed);
}

static uint8_t memory_before[GUEST_WORLD_BYTES];

/* Before the commit point: then nothing may have changed. */
static void expect_early(unsigned vector, uint32_t error)
{
    struct task_state before = state;

    memcpy(memory_before, guest_world, sizeof(guest_world));
    expect_fault(vector, error, false);
    assert_memory_equal(&state, &before, sizeof(state));
    assert_memory_equal(guest_world, memory_before, sizeof(guest_world));
    begin(NULL);
}

static void before_the_commit_point(void **unused)
{
    (void)unused;
    request.selector = A;
    expect_early(VECTOR_GP, A); /* busy */
    request.selector = 0;
    expect_early(VECTOR_GP, 0);
    request.selector = B | 4;
    expect_early(VECTOR_GP, B | 4);
    request.selector = GDT_BYTES;
    expect_early(VECTOR_GP, GDT_BYTES);
    request.selector = DATA;
    expect_early(VECTOR_GP, DATA);
    request.selector = B | 3; /* the RPL isn't told */
    put(B, descriptor(TSS_B, 103, 0x09, 0));
    expect_early(VECTOR_NP, B);
    put(B, descriptor(TSS_B, 102, 0x89, 0));
    expect_early(VECTOR_TS, B);
    request.selector = C;
    put(C, descriptor(TSS_C, 42, 0x81, 0));
    expect_early(VECTOR_TS, C);
    state.segments[TASK_TR].limit = 0x5e;
    expect_early(VECTOR_TS, A);
    request.source = TASK_BY_IRET;
    expect_early(VECTOR_TS, B); /* not busy */
    request.source = TASK_BY_IRET;
    request.selector = A | 4;
    expect_early(VECTOR_TS, A | 4);
}

static void paging_on(void)
{
    state.paging.cr0 |= CR0_PG | CR0_WP;
}

/* 4 KiB pages for the first 4 MiB, one of which the test changes. */
static void map_page(unsigned page, uint32_t entry)
{
    for (unsigned i = 0; i < GUEST_WORLD_PAGES; i++)
        guest_world_set(DIRECTORY + 0x1000 + i * 4, 4, i << 12 | 0x67);
    guest_world_set(DIRECTORY, 4, (DIRECTORY + 0x1000) | 0x67);
    guest_world_set(DIRECTORY + 0x1000 + page * 4, 4, entry);
    paging_on();
}

static void pages(void **unused)
{
    enum { PAGE = 0x10 };

    (void)unused;
    map_page(PAGE, 0);
    put(B, descriptor(PAGE * 4096 - 0x30, 103, 0x89, 0));
    expect_early(VECTOR_PF, 0);
    map_page(PAGE - 1, (PAGE - 1) << 12 | 0x65);
    put(B, descriptor(PAGE * 4096 - 0x30, 103, 0x89, 0));
    request.source = TASK_BY_CALL;
    expect_early(VECTOR_PF, 3); /* the link */
    map_page(PAGE, PAGE << 12 | 0x65);
    state.segments[TASK_TR].base = PAGE * 4096 - 0x50;
    expect_early(VECTOR_PF, 3);
    map_page(1, 1 << 12 | 0x65);
    expect_early(VECTOR_PF, 3); /* the busy flag */
    map_page(PAGE, 0);
    state.gdt_base = PAGE * 4096;
    run();
    assert_int_equal(outcome.cr2, PAGE * 4096 + B);
    assert_int_equal(outcome.vector, VECTOR_PF);
}

static void after_the_commit_point(void **unused)
{
    static const struct {
        enum task_segment_index index;
        uint16_t selector;
        uint8_t spare; /* the type of SPARE */
        uint8_t vector;
    } rows[] = {
        {TASK_CS, 0, 0, VECTOR_TS},        {TASK_CS, DATA, 0, VECTOR_TS},       {TASK_CS, GDT_BYTES, 0, VECTOR_TS},
        {TASK_CS, SPARE, 0x1b, VECTOR_NP}, {TASK_CS, SPARE, 0xff, VECTOR_TS}, /* conforming, DPL 3, at RPL 0 */
        {TASK_CS, 0x0c, 0, VECTOR_TS},                                        /* no LDT */
        {TASK_SS, 0, 0, VECTOR_TS},        {TASK_SS, CODE, 0, VECTOR_TS},       {TASK_SS, SPARE, 0x91, VECTOR_TS},
        {TASK_SS, SPARE, 0x13, VECTOR_SS}, {TASK_SS, DATA | 1, 0, VECTOR_TS},   {TASK_SS, USER_DATA, 0, VECTOR_TS},
        {TASK_DS, SPARE, 0x99, VECTOR_TS}, {TASK_DS, SPARE, 0x13, VECTOR_NP},   {TASK_ES, A, 0, VECTOR_TS},
        {TASK_FS, DATA | 3, 0, VECTOR_TS}, {TASK_GS, 0xfff8, 0, VECTOR_TS},     {TASK_LDTR, LOCAL | 4, 0, VECTOR_TS},
        {TASK_LDTR, A, 0, VECTOR_TS},      {TASK_LDTR, SPARE, 0x02, VECTOR_TS},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        begin(unused);
        put(SPARE, descriptor(0, 0xfffff, rows[i].spare, 0xc));
        tss(TSS_B)->segments[rows[i].index].selector = rows[i].selector;
        expect_fault(rows[i].vector, rows[i].selector & 0xfffc, true);
        assert_int_equal(state.eip, 0xb000);
        assert_int_equal(state.segments[TASK_TR].selector, B);
        assert_int_equal(state.segments[rows[i].index].selector, rows[i].selector);
        assert_true(state.segments[rows[i].index].rights & RIGHTS_UNUSABLE);
        assert_int_equal(tss(TSS_A)->eip, 0xa007);
    }
}

static void local_segments(void **unused)
{
    (void)unused;
    put(0x0c, descriptor(0x1234, 0xff, 0x92, 4));
    tss(TSS_B)->segments[TASK_LDTR].selector = LOCAL;
    tss(TSS_B)->segments[TASK_DS].selector = 0x0c;
    run();
    assert_int_equal(outcome.result, TASK_SWITCHED);
    assert_int_equal(state.segments[TASK_DS].base, 0x1234);
    assert_int_equal(state.segments[TASK_DS].limit, 0xff);
    assert_int_equal(guest_world[LDT + 8 + 5], 0x93); /* accessed */
    begin(unused);
    tss(TSS_B)->segments[TASK_LDTR].selector = LOCAL;
    tss(TSS_B)->segments[TASK_DS].selector = 0x24;
    expect_fault(VECTOR_TS, 0x24, true);
}

static void virtual_8086(void **unused)
{
    (void)unused;
    tss(TSS_B)->eflags = RFLAGS_VM | 2;
    tss(TSS_B)->segments[TASK_CS].selector = 0x1234;
    tss(TSS_B)->segments[TASK_GS].selector = 0xffff;
    run();
    assert_int_equal(outcome.result, TASK_SWITCHED);
    assert_int_equal(state.segments[TASK_CS].base, 0x12340);
    assert_int_equal(state.segments[TASK_SS].rights >> 5 & 3, 3);
    begin(unused);
    tss(TSS_B)->eflags = RFLAGS_VM | 2;
    tss(TSS_B)->segments[TASK_LDTR].selector = A;
    expect_fault(VECTOR_TS, A, true);
}

static void by_exception(uint8_t vector)
{
    request.source = TASK_BY_GATE;
    request.is_exception = request.external = request.has_error = true;
    request.vector = vector;
    request.error = 0xabcd1234;
}

static void error_codes(void **unused)
{
    (void)unused;
    by_exception(VECTOR_GP);
    run();
    assert_int_equal(state.registers[TASK_ESP], STACK_B - 4);
    assert_int_equal(guest_world_get(STACK_B - 4, 4), 0xabcd1234);
    begin(unused);
    by_exception(VECTOR_GP);
    request.selector = C;
    put(SPARE, descriptor(0x8000, 0xffff, 0x93, 0)); /* a 16-bit stack that wraps */
    ((struct tss16 *)(guest_world + TSS_C))->segments[TASK_SS] = SPARE;
    ((struct tss16 *)(guest_world + TSS_C))->registers[TASK_ESP] = 0;
    run();
    assert_int_equal(state.registers[TASK_ESP], 0xfffffffe);
    assert_int_equal(guest_world_get(0x8000 + 0xfffe, 2), 0x1234);
    begin(unused);
    by_exception(VECTOR_UD);
    put(SPARE, descriptor(0, STACK_B - 2, 0x93, 4));
    tss(TSS_B)->segments[TASK_SS].selector = SPARE;
    expect_fault(VECTOR_SS, 1, true); /* EXT */
    assert_int_equal(state.registers[TASK_ESP], STACK_B);
    begin(unused);
    by_exception(VECTOR_UD);
    put(SPARE, descriptor(0, STACK_B - 5, 0x97, 4)); /* expands down: from just below */
    tss(TSS_B)->segments[TASK_SS].selector = SPARE;
    run();
    assert_int_equal(outcome.result, TASK_SWITCHED);
    begin(unused);
    by_exception(VECTOR_UD);
    put(SPARE, descriptor(0, STACK_B - 4, 0x97, 4));
    tss(TSS_B)->segments[TASK_SS].selector = SPARE;
    expect_fault(VECTOR_SS, 1, true);
}

/* Table 6-5 "Conditions for Generating a Double Fault" */
static void two_exceptions(void **unused)
{
    for (unsigned first = 0; first < 32; first++) {
        bool contributory = first == 0 || (first >= 10 && first <= 13);

        begin(unused);
        by_exception((uint8_t)first);
        tss(TSS_B)->segments[TASK_CS].selector = DATA; /* #TS */
        run();
        if (first == VECTOR_DF)
            assert_int_equal(outcome.result, TASK_SHUT_DOWN);
        else if (contributory || first == VECTOR_PF)
            assert_true(outcome.vector == VECTOR_DF && outcome.error == 0);
        else
            assert_true(outcome.vector == VECTOR_TS && outcome.error == (DATA | 1));
        begin(unused);
        by_exception((uint8_t)first);
        map_page(4, 0);
        tss(TSS_B)->registers[TASK_ESP] = 0x5000; /* #PF */
        run();
        if (first == VECTOR_DF)
            assert_int_equal(outcome.result, TASK_SHUT_DOWN);
        else
            assert_int_equal(outcome.vector, first == VECTOR_PF ? VECTOR_DF : VECTOR_PF);
    }
    begin(unused);
    by_exception(VECTOR_GP);
    request.is_exception = request.external = false; /* INT 13 */
    tss(TSS_B)->segments[TASK_CS].selector = DATA;
    expect_fault(VECTOR_TS, DATA, true);
}

static void page_directories(void **unused)
{
    (void)unused;
    paging_on();
    memcpy(guest_world + 0x31000, guest_world + DIRECTORY, 4);
    tss(TSS_B)->cr3 = 0x31000;
    run();
    assert_int_equal(state.paging.cr3, 0x31000);
    begin(unused);
    tss(TSS_B)->cr3 = 0x31000;
    run();
    assert_int_equal(state.paging.cr3, DIRECTORY); /* without paging it stays */
}

static void pdptes(void **unused)
{
    (void)unused;
    for (unsigned round = 0; round < 2; round++) {
        begin(unused);
        paging_on();
        state.paging.cr4 = CR4_PAE;
        state.paging.pdpte[0] = 0x32001;
        guest_world_set(0x32000, 8, 0xe7);
        guest_world_set(0x33020, 8, 0x32001 | (round ? (uint64_t)1 << 40 : 0));
        tss(TSS_B)->cr3 = 0x33020;
        if (round)
            expect_fault(VECTOR_TS, 0, true);
        else
            run();
        assert_int_equal(state.paging.pdpte[0], round ? 0 : 0x32001);
    }
}

static void trap_flag(void **unused)
{
    (void)unused;
    tss(TSS_B)->trap = 1;
    run();
    assert_true(outcome.trap);
    begin(unused);
    tss(TSS_B)->trap = 1;
    tss(TSS_B)->segments[TASK_DS].selector = 0xfff8;
    expect_fault(VECTOR_TS, 0xfff8, true);
    assert_false(outcome.trap);
}

static void refused(void **unused)
{
    struct task_state before;

    (void)unused;
    state.paging.cr4 |= CR4_CET;
    before = state;
    run();
    assert_int_equal(outcome.result, TASK_REFUSED);
    assert_memory_equal(&state, &before, sizeof(state));
}

/* TSS B where nothing is: all-ones, as on an empty bus. */
static void nowhere(void **unused)
{
    (void)unused;
    put(B, descriptor(GUEST_WORLD_BYTES + 0x1000, 103, 0x89, 0));
    run();
    assert_true(outcome.committed);
    assert_int_equal(state.eip, 0xffffffff);
    assert_int_equal(state.eflags, 0x3f7fd7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_jump, begin),
        cmocka_unit_test_setup(flags_and_links, begin),
        cmocka_unit_test_setup(there_and_back, begin),
        cmocka_unit_test_setup(narrow, begin),
        cmocka_unit_test_setup(before_the_commit_point, begin),
        cmocka_unit_test_setup(pages, begin),
        cmocka_unit_test_setup(after_the_commit_point, begin),
        cmocka_unit_test_setup(local_segments, begin),
        cmocka_unit_test_setup(virtual_8086, begin),
        cmocka_unit_test_setup(error_codes, begin),
        cmocka_unit_test_setup(two_exceptions, begin),
        cmocka_unit_test_setup(page_directories, begin),
        cmocka_unit_test_setup(pdptes, begin),
        cmocka_unit_test_setup(trap_flag, begin),
        cmocka_unit_test_setup(refused, begin),
        cmocka_unit_test_setup(nowhere, begin),
    };

    return cmocka_run_group_tests_name("task_switch", tests, NULL, NULL);
}
