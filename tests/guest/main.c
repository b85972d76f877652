/*
 * A kernel that tests the machine it runs on. The same file runs on the bare machine and under Plinth, and what it
 * prints must be the same: see report.h.
 */
#include "lib/string.h"
#include "tests/guest/report.h"
#include "tests/guest/smp.h"
#include "tests/guest/tests.h"

static const struct test tests[] = {
    {"boot", test_boot, false},
    {"smp", test_smp, false},
    {"cpuid", test_cpuid, false},
    {"prefix", test_prefix, false},
    {"step", test_step, false},
    {"edge", test_edge, false},
    {"vmx", test_vmx, false},
    {"xsetbv", test_xsetbv, false},
    {"msr", test_msr, false},
    {"msrs", test_msrs, false},
    {"mtrr", test_mtrr, false},
    {"control", test_control, false},
    {"debug", test_debug, false},
    {"vectors", test_vectors, false},
    {"features", test_features, false},
    {"flush", test_flush, false},
    {"keys", test_keys, false},
    {"rewrite", test_rewrite, false},
    {"event", test_event, false},
    {"legacy", test_legacy, false},
    {"pae", test_pae, false},
    {"time", test_time, false},
    {"task", test_task, false},
    {"taskfault", test_taskfault, false},
    {"quiet", test_quiet, false},
    {"random", test_random, false},
    {"touch", test_touch, false},
    {"x2apic", test_x2apic, false},
    {"apicoff", test_apicoff, false},
    /* from here on: each needs a run of its own, which it may spoil for others */
    {"loader", test_loader, true},
    {"restart", test_restart, true},
    {"x2restart", test_x2restart, true},
    {"block", test_block, true},
    {"watch", test_watch, true},
    {"shortage", test_shortage, true},
    {"triple", test_triple, true},
    {"hang", test_hang, true},
    {"steps", test_steps, true},
    {"doze", test_doze, true},
    {"uart", test_uart, true},
    {"strings", test_strings, true},
    {"chatter", test_chatter, true},
    {"bench", test_bench, true},
    {"benchsmp", test_benchsmp, true},
};

struct guest_options guest_options;
const uint8_t *guest_boot_params;

bool under_plinth(void)
{
    struct cpuid r = cpuid(0x40000000, 0);
    return r.ebx == 0x6e696c50; /* "Plin" */
}

static uint64_t read_number(const char **text)
{
    unsigned base = 10;
    uint64_t value = 0;

    if ((*text)[0] == '0' && (*text)[1] == 'x') {
        base = 16;
        *text += 2;
    }
    for (;; (*text)++) {
        char c = **text;
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                                                : 99;
        if (digit >= base)
            return value;
        value = value * base + digit;
    }
}

static void take_word(const char *word)
{
    if (!strncmp(word, "test=", 5))
        guest_options.tests = word + 5;
    if (!strncmp(word, "seed=", 5)) {
        word += 5;
        guest_options.seed = read_number(&word);
    } else if (!strncmp(word, "steps=", 6)) {
        word += 6;
        guest_options.steps = read_number(&word);
    } else if (!strncmp(word, "one_init", 8)) {
        guest_options.one_init = true;
    } else if (!strncmp(word, "sipi_delay=", 11)) {
        word += 11;
        guest_options.sipi_delay = read_number(&word);
    } else if (!strncmp(word, "lines=", 6)) {
        word += 6;
        guest_options.lines = read_number(&word);
    } else if (!strncmp(word, "trace=", 6)) {
        word += 6;
        guest_options.trace = read_number(&word);
    } else if (!strncmp(word, "block=", 6)) {
        word += 6;
        guest_options.block.start = read_number(&word);
        word += *word == '-';
        guest_options.block.end = read_number(&word);
    }
}

static void parse_command_line(const char *text)
{
    static char line[1024];
    bool inside = false;

    for (size_t i = 0; i + 1 < sizeof(line) && text[i]; i++)
        line[i] = text[i] == ' ' ? '\0' : text[i];
    for (size_t i = 0; i < sizeof(line); i++) {
        if (line[i] && !inside)
            take_word(&line[i]);
        inside = line[i];
    }
}

/* boot_params, Documentation/x86/zero-page.rst */
enum { ACPI_RSDP_ADDR = 0x70, CMD_LINE_PTR = 0x228 };

void guest_main(const uint8_t *boot_params);
void guest_main(const uint8_t *boot_params)
{
    uint64_t rsdp;
    uint32_t command_line;
    const char *trouble;

    guest_boot_params = boot_params;
    guest_options.seed = 1;
    guest_options.steps = 2000;
    memcpy(&rsdp, boot_params + ACPI_RSDP_ADDR, sizeof(rsdp));
    memcpy(&command_line, boot_params + CMD_LINE_PTR, sizeof(command_line));
    if (command_line)
        parse_command_line((const char *)(uintptr_t)command_line);
    cpu_load_tables(cpu_at(0));
    apic_enable();
    trouble = acpi_find_cpus(rsdp);
    for (unsigned i = 0; i < cpu_count; i++) {
        cpu_at(i)->index = i;
        cpu_at(i)->apic_id = cpu_apic_ids[i];
    }
    if (trouble)
        error_stop("%s", trouble);
    out8(0x21, 0xff); /* the PICs' lines: BIOS left them on vectors that are exceptions here */
    out8(0xa1, 0xff);
    smp_prepare();
    report_run(tests, ARRAY_SIZE(tests), guest_options.tests);
    shut_down();
}
