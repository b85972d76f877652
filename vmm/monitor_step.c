#include "vmm/monitor_step.h"

#include "arch/x86/clock.h"
#include "arch/x86/crash.h"
#include "arch/x86/instr.h"
#include "arch/x86/regs.h"
#include "vmm/monitor.h"
#include "vmm/shootdown.h"
#include "vmm/step_help.h"
#include "vmm/vmm.h"

/* How long an instruction may take; one that waits for an event never ends. */
enum { STEP_MS = 1000, STEPS_MAX = 1000 };

enum step_state { STEP_OFF, STEP_WANTED, STEP_RUNS, STEP_DONE };

static struct {
    uint32_t state; /* enum step_state; the rest is the stepping CPU's unless it is STEP_OFF */
    uint32_t cpu;
    uint64_t left;
    uint64_t deadline; /* TSC */
} step;

static enum step_state state(void)
{
    return (enum step_state)__atomic_load_n(&step.state, __ATOMIC_ACQUIRE);
}

static void set_state(enum step_state new)
{
    __atomic_store_n(&step.state, new, __ATOMIC_RELEASE);
}

bool monitor_step_is_on(void)
{
    return state() != STEP_OFF;
}

void monitor_step_cancel(void)
{
    set_state(STEP_OFF);
}

static bool valid(uint64_t count, uint64_t cpu)
{
    if (!monitor_stopped() || crash_in_progress())
        monitor_say("error: the guest %s", crash_in_progress() ? "has ended" : "runs: stop comes first");
    else if (cpu >= cpu_count || !monitor_is_held((uint32_t)cpu))
        monitor_say("error: cpu%lu is not there or waits to be started", cpu);
    else if (!count || count > STEPS_MAX)
        monitor_say("error: 1 to %u steps", STEPS_MAX);
    else
        return true;
    return false;
}

void monitor_step(const struct monitor_command *command)
{
    uint64_t count = command->value_count ? command->values[0] : 1;

    if (!valid(count, command->values[1]))
        return;
    step.cpu = (uint32_t)command->values[1];
    step.left = count;
    set_state(STEP_WANTED);
    if (step.cpu == cpu_this()->index) {
        cpu_this()->slow_work = 1;
        return;
    }
    while (monitor_step_is_on()) { /* a kick, if only to let it find that time is over */
        uint64_t end = rdtsc() + clock_tsc_khz() * STEP_MS;

        virt_kick(cpu_at(step.cpu));
        while (monitor_step_is_on() && rdtsc() < end) {
            shootdown_catch_up(cpu_this());
            cpu_pause();
        }
    }
}

static bool give_up(const char *why)
{
    monitor_say("error: cpu%u %s", cpu_this()->index, why);
    return false;
}

/* What becomes of the instruction that comes next. */
enum preparation { STEP_REFUSED, STEP_READY, STEP_CARRIED_OUT };

static enum preparation refuse_step(const char *why)
{
    give_up(why);
    return STEP_REFUSED;
}

static enum preparation carry_out_syscall(const struct vcpu_registers *r, uint8_t length)
{
    if (r->cr4 & CR4_CET || r->rflags & RFLAGS_TF)
        return refuse_step("is at a SYSCALL, with CR4.CET or a trap flag of its own: cont, or watch its target for x");
    return vcpu_syscall(length) ? STEP_CARRIED_OUT : STEP_READY;
}

/* It gets what help it needs; nothing is executed if an event is delivered first. */
static enum preparation prepare(void)
{
    struct step_instruction next;
    struct vcpu_registers r;

    vcpu_get_registers(&r);
    if (r.activity)
        return refuse_step("sleeps until an event comes, and none comes in during steps: cont");
    next = step_help_begin();
    switch (next.kind) {
    case STEP_AS_IT_IS:
    case STEP_CLI:
    case STEP_PUSHF:
    case STEP_INT:
        return STEP_READY;
    case STEP_HLT:
        return refuse_step("is about to wait in HLT for an event, and no event comes in during steps: cont");
    case STEP_SYSCALL:
        return carry_out_syscall(&r, next.length);
    }
    return STEP_REFUSED;
}

/* An instruction that Plinth carries out is one as well; an exception or event that was raised is delivered by the next
 * entry, which is a step again. */
void monitor_step_exit(const struct vm_exit *exit, enum exit_action action)
{
    struct cpu *cpu = cpu_this();
    bool done =
        exit->kind == VM_EXIT_STEPPED || action == ACTION_NEXT || action == ACTION_AGAIN || action == ACTION_DONE;

    vmm_cpu(cpu)->monitor_steps = false;
    cpu->slow_work = 1;
    if (!done || state() != STEP_RUNS)
        return;
    set_state(STEP_DONE);
}

/* False: there is none. */
static bool next_instruction(void)
{
    if (state() == STEP_DONE) {
        monitor_show_code();
        step.left--;
    }
    step.deadline = rdtsc() + clock_tsc_khz() * STEP_MS;
    return step.left;
}

/* The step may have begun: a watch or the like lets just this instruction through, or a kick came before the entry. */
static bool begin(struct vmm_cpu *me)
{
    enum preparation next = STEP_READY;

    if (!vcpu_is_stepping()) {
        while ((next = prepare()) == STEP_CARRIED_OUT) {
            set_state(STEP_DONE);
            if (!next_instruction())
                return false;
        }
        if (next == STEP_REFUSED)
            return false;
        vcpu_step_begin();
    }
    me->monitor_steps = true;
    set_state(STEP_RUNS);
    return true;
}

/* Something came before its end. False: it takes too long. */
static bool same_instruction(void)
{
    return rdtsc() < step.deadline || give_up("has not come to the end of its instruction");
}

bool monitor_step_enter(struct cpu *cpu)
{
    if (state() == STEP_OFF || step.cpu != cpu->index)
        return false;
    if ((state() == STEP_RUNS ? same_instruction() : next_instruction()) && begin(vmm_cpu(cpu)))
        return true;
    set_state(STEP_OFF);
    return false;
}
