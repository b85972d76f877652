/* IN, OUT, INS and OUTS at a port of Plinth's, on the fake machine: what no guest can show in an emulator, whose bytes
 * at ports are the UART's, and whose UART takes single bytes only. Paging is off; page n of memory is fake_memory[n %
 * FAKE_PAGES]. */
#include "tests/host/exit_fixture.h"

#include "vmm/guest_watch.h"

/* Table 27-5: size less one, IN, string, REP; table 27-8: address size, segment */
enum {
    IN = 1 << 3,
    STRING = 1 << 4,
    REP = 1 << 5,
    PORT = 0x2f8,
    ADDRESS_32 = 1,
    SEGMENT_CS = 1,
    SEGMENT_SS,
    SEGMENT_DS
};
enum { RIP = 0x1000, LENGTH = 2, BUFFER = 0x2100 };
enum { DATA = 0xc093, DATA_READ_ONLY = 0xc091, DATA_DOWN = 0xc097, DATA_DOWN_SMALL = 0x8097, CODE_ONLY = 0xc099 };

static uint8_t *const memory = &fake_memory[BUFFER / PAGE_SIZE][BUFFER % PAGE_SIZE];

static int prepare(void **state)
{
    rewind_cpu(state);
    memset(fake_memory, 0, sizeof(fake_memory));
    memset(fake_port_bytes, 0, sizeof(fake_port_bytes));
    set(INDEX_GUEST_RIP, RIP);
    set(INDEX_EXIT_INSTRUCTION_LENGTH, LENGTH);
    cpu_this()->frame->rcx = 3;
    cpu_this()->frame->rsi = cpu_this()->frame->rdi = BUFFER;
    return 0;
}

static void run(unsigned size, uint64_t how, unsigned segment)
{
    set(INDEX_ENTRY_INTERRUPTION_INFO, 0);
    set(INDEX_EXIT_INSTRUCTION_INFO, ADDRESS_32 << 7 | segment << 15);
    exit_with(EXIT_IO_INSTRUCTION, (uint64_t)PORT << 16 | how | STRING | (size - 1));
}

static bool faulted(uint32_t info)
{
    const struct guest_regs *regs = cpu_this()->frame;

    return get(INDEX_ENTRY_INTERRUPTION_INFO) == info && get(INDEX_GUEST_RIP) == RIP && regs->rcx == 3 &&
           get(INDEX_GUEST_RFLAGS) & RFLAGS_RF;
}
enum { GP = 0x80000b0d, SS = 0x80000b0c, AC = 0x80000b11 };

/* One access to several ports, each of them a byte; IN of 4 clears the upper half of RAX. */
static void plain_accesses_have_1_2_or_4_bytes(void **state)
{
    static const uint64_t read[] = {[1] = 0x11223344556677f8, [2] = 0x112233445566f9f8, [4] = 0x00000000fbfaf9f8};

    for (unsigned size = 1; size <= 4; size *= 2) {
        prepare(state);
        cpu_this()->frame->rax = 0x1122334455667788;
        exit_with(EXIT_IO_INSTRUCTION, (uint64_t)PORT << 16 | (size - 1));
        assert_memory_equal(&fake_port_bytes[PORT % FAKE_PORTS], "\x88\x77\x66\x55", size);
        assert_int_equal(fake_port_bytes[PORT % FAKE_PORTS + size], 0);
        assert_int_equal(cpu_this()->frame->rax, 0x1122334455667788);
        exit_with(EXIT_IO_INSTRUCTION, (uint64_t)PORT << 16 | IN | (size - 1));
        assert_int_equal(cpu_this()->frame->rax, read[size]);
        assert_int_equal(get(INDEX_GUEST_RIP), RIP + 2 * LENGTH);
    }
}

static void elements_have_1_2_or_4_bytes(void **state)
{
    (void)state;
    for (unsigned size = 1; size <= 4; size *= 2) {
        prepare(state);
        memcpy(memory, "\x11\x22\x33\x44", 4);
        run(size, 0, SEGMENT_DS);
        assert_memory_equal(&fake_port_bytes[PORT % FAKE_PORTS], memory, size);
        assert_true(fake_port_bytes[PORT % FAKE_PORTS + size] == 0);
        assert_true(cpu_this()->frame->rsi == BUFFER + size && cpu_this()->frame->rcx == 3);
        assert_true(get(INDEX_GUEST_RIP) == RIP + LENGTH);
        run(size, IN, 7); /* the segment of INS is ES, whatever is said */
        assert_memory_equal(memory, "\xf8\xf9\xfa\xfb", size);
        assert_true(size == 4 || memory[size] == 0x11 * (size + 1));
        assert_true(cpu_this()->frame->rdi == BUFFER + size);
    }
}

/* Between two elements: an instruction's end, but for RIP. */
static void a_repetition_is_an_end_each_time(void **state)
{
    const uint64_t single_step = 1 << 14;

    (void)state;
    set(INDEX_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_TF | RFLAGS_IF);
    set(INDEX_GUEST_INTERRUPTIBILITY, BLOCKING_BY_STI);
    set(INDEX_GUEST_PENDING_DEBUG, single_step);
    for (unsigned left = 2; left > 0; left--) {
        run(1, REP, SEGMENT_DS);
        assert_true(get(INDEX_GUEST_RIP) == RIP && cpu_this()->frame->rcx == left);
        assert_true(get(INDEX_GUEST_PENDING_DEBUG) == single_step && get(INDEX_GUEST_INTERRUPTIBILITY) == 0);
        assert_true(get(INDEX_GUEST_RFLAGS) & RFLAGS_RF);
        set(INDEX_GUEST_RFLAGS, RFLAGS_FIXED);
        set(INDEX_GUEST_PENDING_DEBUG, 0);
        set(INDEX_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_TF);
    }
    run(1, REP, SEGMENT_DS);
    assert_true(get(INDEX_GUEST_RIP) == RIP + LENGTH && cpu_this()->frame->rcx == 0);
    assert_true(cpu_this()->frame->rsi == BUFFER + 3);
    set(INDEX_GUEST_RIP, RIP);
    run(1, REP, SEGMENT_DS);
    assert_true(get(INDEX_GUEST_RIP) == RIP + LENGTH && cpu_this()->frame->rsi == BUFFER + 3);
}

/* 3.4.5.1: up or down, to be read, to be written; and 17.3.1.1 for RF */
static void segments_are_checked(void **state)
{
    static const struct {
        uint32_t rights, limit;
        uint64_t how;
        bool fits;
    } cases[] = {
        {DATA, BUFFER + 3, 0, true},
        {DATA, BUFFER + 2, 0, false},
        {DATA, BUFFER + 3, IN, true},
        {DATA, BUFFER + 2, IN, false},
        {DATA_READ_ONLY, 0xffffffff, 0, true},
        {DATA_READ_ONLY, 0xffffffff, IN, false},
        {CODE_ONLY, 0xffffffff, 0, false},
        {CODE_ONLY | 2, 0xffffffff, 0, true},
        {CODE_ONLY | 2, 0xffffffff, IN, false},
        {DATA_DOWN, BUFFER - 1, 0, true},
        {DATA_DOWN, BUFFER, 0, false},
        {0x10000, 0xffffffff, 0, false},
    };
    const uint32_t index[] = {SEGMENT_CS, SEGMENT_SS, SEGMENT_DS};

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        for (unsigned s = 0; s < ARRAY_SIZE(index); s++) {
            unsigned segment = cases[i].how & IN ? VCPU_ES : index[s];
            struct fake_cpu before;

            prepare(state);
            before = fake_cpus[0];
            set(INDEX_GUEST_ES_LIMIT + segment, cases[i].limit);
            set(INDEX_GUEST_ES_ACCESS_RIGHTS + segment, cases[i].rights);
            set(INDEX_ENTRY_INTERRUPTION_INFO, 0);
            set(INDEX_EXIT_INSTRUCTION_INFO, ADDRESS_32 << 7 | segment << 15);
            set(INDEX_EXIT_REASON, EXIT_IO_INSTRUCTION); /* no entry with such segments: they'd have to fit CS, SS */
            set(INDEX_EXIT_QUALIFICATION, (uint64_t)PORT << 16 | cases[i].how | STRING | 3);
            assert_int_equal(fake_exit(), FAKE_RETURNED);
            if (cases[i].fits)
                assert_true(get(INDEX_GUEST_RIP) == RIP + LENGTH);
            else
                assert_true(faulted(segment == VCPU_SS ? SS : GP));
            fake_cpus[0] = before;
        }
    }
}

static void a_small_segment_down_ends_at_64_kib(void **state)
{
    prepare(state);
    set(INDEX_GUEST_DS_ACCESS_RIGHTS, DATA_DOWN_SMALL);
    set(INDEX_GUEST_DS_LIMIT, 0xfff);
    cpu_this()->frame->rsi = 0xfffd;
    run(4, 0, SEGMENT_DS);
    assert_true(faulted(GP));
    run(2, 0, SEGMENT_DS);
    assert_true(get(INDEX_GUEST_RIP) == RIP + LENGTH);
}

/* 6.15, "Interrupt 17": CR0.AM, EFLAGS.AC and CPL 3 together */
static void alignment_is_checked(void **state)
{
    const uint64_t user_data = 0xc0f3, user_code = 0xc0fb;

    for (unsigned missing = 0; missing < 4; missing++) {
        prepare(state);
        for (unsigned segment = VCPU_ES; segment <= VCPU_GS; segment++)
            if (missing != 1)
                set(INDEX_GUEST_ES_ACCESS_RIGHTS + segment, segment == VCPU_CS ? user_code : user_data);
        if (missing != 1) {
            set(INDEX_GUEST_CS_SELECTOR, get(INDEX_GUEST_CS_SELECTOR) | 3);
            set(INDEX_GUEST_SS_SELECTOR, get(INDEX_GUEST_SS_SELECTOR) | 3);
            set(INDEX_GUEST_DS_SELECTOR, get(INDEX_GUEST_DS_SELECTOR) | 3);
            set(INDEX_GUEST_ES_SELECTOR, get(INDEX_GUEST_ES_SELECTOR) | 3);
            set(INDEX_GUEST_FS_SELECTOR, get(INDEX_GUEST_FS_SELECTOR) | 3);
            set(INDEX_GUEST_GS_SELECTOR, get(INDEX_GUEST_GS_SELECTOR) | 3);
        }
        if (missing != 2)
            set(INDEX_GUEST_CR0, get(INDEX_GUEST_CR0) | CR0_AM);
        set(INDEX_GUEST_RFLAGS, RFLAGS_FIXED | (missing != 3 ? RFLAGS_AC : 0));
        cpu_this()->frame->rdi = BUFFER + 2;
        run(4, IN, 0);
        assert_true(missing ? get(INDEX_GUEST_RIP) == RIP + LENGTH : faulted(AC));
        assert_true(memory[2] == (missing ? 0xf8 : 0));
        set(INDEX_GUEST_RIP, RIP);
        run(2, IN, 0); /* at +6 or, after the fault, +2: aligned */
        assert_true(get(INDEX_GUEST_RIP) == RIP + LENGTH);
    }
}

static void the_block_is_an_empty_bus(void **state)
{
    (void)state;
    cpu_this()->frame->rsi = cpu_this()->frame->rdi = fake_block.start;
    run(4, 0, SEGMENT_DS);
    assert_memory_equal(&fake_port_bytes[PORT % FAKE_PORTS], "\xff\xff\xff\xff", 4);
    run(4, IN, 0);
    assert_true(get(INDEX_GUEST_RIP) == RIP + 2 * LENGTH);
    for (unsigned i = 0; i < FAKE_PAGES; i++)
        for (unsigned n = 0; n < PAGE_SIZE; n++)
            assert_true(fake_memory[i][n] == 0);
}

static void watches_see_it(void **state)
{
    const struct range range = {ALIGN_DOWN(BUFFER, PAGE_SIZE), ALIGN_DOWN(BUFFER, PAGE_SIZE) + PAGE_SIZE};
    struct error error;
    int number = guest_watch_add(range, EPT_READ | EPT_WRITE | EPT_EXECUTE, 0, &error);

    (void)state;
    assert_true(number >= 0);
    log_set_console_level(LOG_INFO);
    console_clear();
    run(1, 0, SEGMENT_DS);
    assert_contains(console_text(), "cpu0 reads 2100");
    run(1, IN, 0);
    assert_contains(console_text(), "cpu0 writes 2100, rip 1002, cpl 0, value 00000000000000f8, was 0000000000000000");
    log_set_console_level(LOG_ERROR);
    assert_true(guest_watch_remove(number, &error));
}

/* A.1: then its addresses' size is anyone's guess. The guest must not be able to fill the log with it. */
static void without_the_details_it_is_refused(void **state)
{
    const uint64_t tells = (uint64_t)1 << 54;
    unsigned lines = 0;

    (void)state;
    vmx.capabilities.basic &= ~tells;
    log_set_console_level(LOG_WARNING);
    console_clear();
    for (unsigned i = 0; i < 100; i++) {
        run(1, 0, SEGMENT_DS);
        assert_true(faulted(GP));
    }
    for (const char *at = console_text(); (at = strstr(at, "INS and OUTS at port 2f8")); at++)
        lines++;
    log_set_console_level(LOG_ERROR);
    vmx.capabilities.basic |= tells;
    assert_int_equal(lines, GUEST_REPORTS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(plain_accesses_have_1_2_or_4_bytes, prepare),
        cmocka_unit_test_setup(elements_have_1_2_or_4_bytes, prepare),
        cmocka_unit_test_setup(a_repetition_is_an_end_each_time, prepare),
        cmocka_unit_test_setup(segments_are_checked, prepare),
        cmocka_unit_test_setup(a_small_segment_down_ends_at_64_kib, prepare),
        cmocka_unit_test_setup(alignment_is_checked, prepare),
        cmocka_unit_test_setup(the_block_is_an_empty_bus, prepare),
        cmocka_unit_test_setup(watches_see_it, prepare),
        cmocka_unit_test_setup(without_the_details_it_is_refused, prepare),
    };

    return cmocka_run_group_tests(tests, boot, NULL);
}
