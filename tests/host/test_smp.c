/* boot/smp.c: the CPUs come one by one, each with what was laid ready for it; on a machine whose CPUs take their time.
 */
#include "tests/host/support.h"

#include "arch/x86/clock.h"
#include "arch/x86/cpu.h"
#include "arch/x86/lapic.h"
#include "boot/host_map.h"
#include "boot/smp.h"

enum { CPUS = 4, PAGE = 0x9f000, NEVER = 1000000000 };

/* As trampoline.S: code, then the four words of its parameters */
enum { PARAMETERS = 64, PARAMETER_ARGUMENT = 24 };
asm(".section .rodata\n"
    ".globl trampoline_start, trampoline_parameters, trampoline_end\n"
    "trampoline_start: .fill 64, 1, 0x90\n"
    "trampoline_parameters: .skip 32\n"
    "trampoline_end:\n"
    ".text");

/* An application processor by its APIC ID: how long it takes from the SIPI until it answers, and what it has done. */
struct processor {
    unsigned startup_us;
    bool deaf_once; /* the first SIPI has no effect */
    bool waits;     /* for a SIPI */
    bool runs;
    unsigned due; /* when it runs the trampoline; 0: not on the way */
    unsigned inits, sipis;
    struct cpu *took; /* the argument that it found */
};

static struct processor processors[CPUS];
static struct cpu structs[CPUS];
static uint8_t *page;
static unsigned now; /* microseconds */
static struct acpi_info acpi;
static struct memmap map;
static struct error error;

uint32_t cpu_count;

/* ---- the machine ---- */

uint32_t lapic_id(void)
{
    return 0;
}

bool lapic_send(uint32_t apic_id, uint32_t icr_low)
{
    struct processor *p = &processors[apic_id];

    if (apic_id >= CPUS)
        return false;
    if ((icr_low & ICR_DELIVERY_MASK) == ICR_INIT) {
        p->inits++;
        p->waits = true;
        p->runs = false;
        p->due = 0;
        return true;
    }
    assert_int_equal(icr_low & 0xff, PAGE >> 12);
    p->sipis++;
    if (p->waits && !(p->deaf_once && p->sipis == 1)) {
        p->waits = false;
        p->due = now + p->startup_us;
    }
    return true;
}

static void run(struct processor *p)
{
    p->due = 0;
    p->runs = true;
    memcpy(&p->took, page + PARAMETERS + PARAMETER_ARGUMENT, sizeof(p->took));
    p->took->online = 1;
}

void clock_delay_us(uint32_t microseconds)
{
    now += microseconds;
    for (unsigned i = 0; i < CPUS; i++)
        if (processors[i].due && processors[i].due <= now)
            run(&processors[i]);
}

bool host_map_cpu(uint32_t index, uint64_t physical, struct error *problem)
{
    (void)index, (void)physical, (void)problem;
    return true;
}

uint64_t *host_map_window(uint32_t index)
{
    (void)index;
    return NULL;
}

struct cpu *cpu_create(uint32_t index, uint32_t apic_id, uint64_t physical, uint64_t *window)
{
    structs[index] = (struct cpu){.index = index, .apic_id = apic_id, .physical = physical, .window = window};
    return &structs[index];
}

void cpu_load(struct cpu *cpu)
{
    (void)cpu;
}

/* ---- the tests ---- */

static int power_on(void **state)
{
    (void)state;
    arena_clear();
    page = arena_add(PAGE, PAGE_SIZE);
    memset(page, 0x5a, PAGE_SIZE);
    memset(processors, 0, sizeof(processors));
    acpi = (struct acpi_info){.cpu_count = CPUS};
    for (unsigned i = 0; i < CPUS; i++) {
        acpi.cpus[i].apic_id = i;
        processors[i].startup_us = 50;
    }
    memset(&map, 0, sizeof(map));
    assert_true(memmap_set(&map, (struct range){0, PAGE + PAGE_SIZE}, MEMORY_RAM, &error));
    cpu_count = 1;
    now = 1;
    return 0;
}

static void start(void)
{
    const struct smp_plan plan = {.acpi = &acpi, .map = &map, .cr3 = 0x1000, .pages = 0x100000, .cpu_pages = 7};

    assert_true(smp_start(&plan, &error));
    for (unsigned i = 0; i < PAGE_SIZE; i++)
        assert_int_equal(page[i], 0x5a);
}

/* Every index has the CPU that was told of it, and no CPU runs that has none. */
static void expect_each_has_its_own(void)
{
    for (unsigned i = 1; i < CPUS; i++)
        if (processors[i].runs)
            assert_int_equal(processors[i].took->apic_id, i);
}

static void each_gets_one_sipi(void **state)
{
    (void)state;
    start();
    assert_int_equal(cpu_count, CPUS);
    for (unsigned i = 1; i < CPUS; i++)
        assert_true(processors[i].runs && processors[i].inits == 1 && processors[i].sipis == 1);
    assert_int_equal(processors[0].inits, 0);
    expect_each_has_its_own();
}

static void a_lost_sipi_is_sent_again(void **state)
{
    (void)state;
    processors[2].deaf_once = true;
    start();
    assert_true(cpu_count == CPUS && processors[2].runs && processors[2].sipis == 2);
    expect_each_has_its_own();
}

static void a_dead_one_is_named(void **state)
{
    (void)state;
    processors[1].startup_us = NEVER;
    console_clear();
    start();
    assert_int_equal(cpu_count, CPUS - 1);
    assert_contains(console_text(), "APIC ID 1 doesn't answer");
    expect_each_has_its_own();
}

/* It comes when it has been given up, and the next is being waited for. */
static void a_late_one_takes_nobodys_place(void **state)
{
    (void)state;
    processors[1].startup_us = 150000;
    processors[2].startup_us = 80000;
    start();
    assert_int_equal(cpu_count, CPUS - 1);
    clock_delay_us(1000000);
    assert_false(processors[1].runs);
    assert_true(processors[2].runs && processors[3].runs);
    expect_each_has_its_own();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_gets_one_sipi, power_on),
        cmocka_unit_test_setup(a_lost_sipi_is_sent_again, power_on),
        cmocka_unit_test_setup(a_dead_one_is_named, power_on),
        cmocka_unit_test_setup(a_late_one_takes_nobodys_place, power_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
