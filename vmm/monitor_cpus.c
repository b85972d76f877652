/* Stopping all CPUs, and asking one of them for something. The boot CPU asks; an NMI fetches the others. */
#include "arch/x86/clock.h"
#include "arch/x86/crash.h"
#include "arch/x86/instr.h"
#include "arch/x86/virt.h"
#include "vmm/monitor.h"
#include "vmm/monitor_step.h"
#include "vmm/shootdown.h"

enum { ANSWER_MS = 100 };

enum request_state { REQUEST_NONE, REQUEST_POSTED, REQUEST_TAKEN };

static uint32_t stopped;       /* no CPU may go back to the guest */
static uint8_t held[CPUS_MAX]; /* the CPU is in monitor_slow_work() because of that */
static struct monitor_command request;
static uint32_t request_cpu, request_state;

bool monitor_stopped(void)
{
    return __atomic_load_n(&stopped, __ATOMIC_ACQUIRE);
}

bool monitor_is_held(uint32_t cpu)
{
    return cpu == cpu_this()->index || __atomic_load_n(&held[cpu], __ATOMIC_ACQUIRE);
}

static unsigned held_count(void)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < cpu_count; i++)
        count += monitor_is_held(i);
    return count;
}

static void kick_others(void)
{
    for (uint32_t i = 0; i < cpu_count; i++)
        if (i != cpu_this()->index)
            virt_kick(cpu_at(i));
}

/* Bounded: a CPU that waits to be started answers nobody (SDM vol. 3, 24.4.2), and runs nothing either. */
void monitor_stop(void)
{
    uint64_t end = rdtsc() + clock_tsc_khz() * ANSWER_MS;

    __atomic_store_n(&stopped, 1, __ATOMIC_SEQ_CST);
    kick_others();
    while (held_count() < cpu_count && rdtsc() < end) {
        shootdown_catch_up(cpu_this());
        cpu_pause();
    }
    monitor_say("stopped: %u of %u CPUs%s", held_count(), cpu_count,
                held_count() < cpu_count ? "; the others wait to be started" : "");
}

void monitor_cont(void)
{
    if (crash_in_progress() || !monitor_stopped()) {
        monitor_say("error: the guest %s", crash_in_progress() ? "has ended: reset is left" : "is not stopped");
        return;
    }
    __atomic_store_n(&stopped, 0, __ATOMIC_SEQ_CST);
    kick_others();
}

const char *monitor_cpu_state(uint32_t cpu)
{
    if (!monitor_stopped())
        return "runs or sleeps";
    return monitor_is_held(cpu) ? "stopped" : "waits to be started";
}

static bool is_answered(uint32_t cpu)
{
    bool ended = crash_in_progress(); /* else it may end while that CPU looks at it */
    uint64_t end = rdtsc() + clock_tsc_khz() * ANSWER_MS;
    uint32_t posted = REQUEST_POSTED;

    virt_kick(cpu_at(cpu));
    while (__atomic_load_n(&request_state, __ATOMIC_ACQUIRE) == REQUEST_POSTED && rdtsc() < end) {
        shootdown_catch_up(cpu_this());
        cpu_pause();
    }
    if (__atomic_compare_exchange_n(&request_state, &posted, REQUEST_NONE, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return false;
    while (__atomic_load_n(&request_state, __ATOMIC_ACQUIRE) != REQUEST_NONE && crash_in_progress() == ended) {
        shootdown_catch_up(cpu_this()); /* who was taken up with the request finishes it */
        cpu_pause();
    }
    return true;
}

void monitor_ask(uint64_t cpu, const struct monitor_command *command)
{
    if (cpu >= cpu_count) {
        monitor_say("error: there is no cpu%lu, the last is cpu%u", cpu, cpu_count - 1);
        return;
    }
    if (cpu == cpu_this()->index) {
        monitor_execute(command);
        return;
    }
    request = *command;
    request_cpu = (uint32_t)cpu;
    __atomic_store_n(&request_state, REQUEST_POSTED, __ATOMIC_RELEASE);
    if (!is_answered(request_cpu))
        monitor_say("error: cpu%lu doesn't answer: it waits to be started", cpu);
}

static void answer_request(const struct cpu *cpu)
{
    uint32_t posted = REQUEST_POSTED;

    if (__atomic_load_n(&request_state, __ATOMIC_ACQUIRE) != REQUEST_POSTED ||
        __atomic_load_n(&request_cpu, __ATOMIC_RELAXED) != cpu->index ||
        !__atomic_compare_exchange_n(&request_state, &posted, REQUEST_TAKEN, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return;
    monitor_execute(&request);
    __atomic_store_n(&request_state, REQUEST_NONE, __ATOMIC_RELEASE);
}

/* The boot CPU comes here only from a step of its own. */
static void wait(const struct cpu *cpu)
{
    if (cpu->index == 0 && !crash_in_progress())
        monitor_converse();
    else
        virt_sleep_unless_kicked();
}

void monitor_slow_work(struct cpu *cpu)
{
    answer_request(cpu);
    while (monitor_stopped()) {
        if (monitor_step_enter(cpu))
            return;
        __atomic_store_n(&held[cpu->index], 1, __ATOMIC_RELEASE);
        wait(cpu);
        shootdown_catch_up(cpu);
        answer_request(cpu);
    }
    __atomic_store_n(&held[cpu->index], 0, __ATOMIC_RELEASE);
}

void monitor_guest_ended(void)
{
    __atomic_store_n(&stopped, 1, __ATOMIC_SEQ_CST);
}
