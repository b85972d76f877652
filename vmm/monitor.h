/*
 * The monitor: a person at Plinth's own serial line looks at the guest and stops it, whatever it does. The boot CPU
 * reads the line in the guest's time (virt_can_poll()); the other CPUs do what it asks of them in their slow work.
 */
#pragma once

#include "arch/x86/cpu.h"
#include "arch/x86/virt.h"
#include "lib/error.h"
#include "mm/memmap.h"
#include "vmm/monitor_command.h"
#include "vmm/step_policy.h"

/* Boot CPU, before launch: takes the serial line's ports from the guest, if the line is Plinth's own. */
must_check bool monitor_init(struct error *error);

/* Boot CPU, before launch: the machine's memory, for the command dump. The map must stay. */
void monitor_dump_init(const struct memmap *map);

/* Boot CPU, last before its first entry: greets, and asks for VM_EXIT_POLL. */
void monitor_start(void);

/* VM_EXIT_POLL. Returns when the guest shall go on. */
void monitor_poll(void);

/* The guest has crashed: no CPU goes back to it. Any CPU. */
void monitor_guest_ended(void);

/* Any CPU, in its slow work: stays while the guest is stopped, and carries out what it is asked to. */
void monitor_slow_work(struct cpu *cpu);

/* ---- between the monitor's files ---- */

/* The boot CPU, the guest stopped: until it goes on, or this CPU has to execute a step. */
void monitor_converse(void);

/* A line to the person, "\n" added. The CPU that carries out a command. */
void monitor_say(const char *format, ...) printf_like(1, 2);

/* monitor_cpus.c: stopping and asking other CPUs. The boot CPU. */
bool monitor_stopped(void);
void monitor_stop(void);
void monitor_cont(void);
/* Has `command` carried out by monitor_execute() on the CPU; says so if that doesn't answer. */
void monitor_ask(uint64_t cpu, const struct monitor_command *command);
/* It is stopped (and not one that waits to be started). */
bool monitor_is_held(uint32_t cpu);
/* What a CPU is doing, in a word. */
const char *monitor_cpu_state(uint32_t cpu);

/* monitor_memory.c */
void monitor_show_memory(const struct monitor_command *command);
/* This CPU's local APIC is there: read in another way than its registers are made for it may hang the CPU (10.4.1). */
bool monitor_is_apic(uint64_t physical);
/* The bytes at this CPU's RIP, as many as can be read. */
struct monitor_code {
    uint8_t bytes[INSTRUCTION_BYTES_MAX];
    size_t count;
    unsigned bits; /* 16, 32, 64: what they mean */
};
void monitor_read_code(const struct vcpu_registers *registers, struct monitor_code *out);
void monitor_show_code(void);
void monitor_watch(const struct monitor_command *command);
void monitor_unwatch(uint64_t number);
void monitor_show_watches(void);

/* monitor_trace.c */
void monitor_trace_set(bool on);
void monitor_trace_show(const struct monitor_command *command);
void monitor_show_ticks(void);

/* monitor_dump.c */
void monitor_dump(const struct monitor_command *command);
void monitor_dump_registers(void); /* of this CPU */

/* monitor_show.c: the commands that look, on the CPU that is looked at. */
void monitor_execute(const struct monitor_command *command);
