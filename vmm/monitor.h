/*
 * The monitor: a person at Plinth's own serial line looks at the guest and stops it, whatever it does. The boot CPU
 * reads the line in the guest's time (virt_can_poll()); the other CPUs do what it asks of them in their slow work.
 */
#pragma once

#include "arch/x86/cpu.h"
#include "lib/error.h"
#include "mm/memmap.h"
#include "vmm/monitor_command.h"

/* Boot CPU, before launch: takes the serial line's ports from the guest, if the line is Plinth's own. */
must_check bool monitor_init(struct error *error);

/* Boot CPU, before launch: the machine's memory, for the command dump. The map must stay. */
void monitor_dump_init(const struct memmap *map);

/* Boot CPU, last before its first entry: greets, and asks for VM_EXIT_POLL. */
void monitor_start(void);

/* VM_EXIT_POLL. Returns when the guest shall go on. */
void monitor_poll(void);

/* Any CPU, in its slow work: stays while the guest is stopped, and carries out what it is asked to. */
void monitor_slow_work(struct cpu *cpu);

/* ---- between the monitor's files ---- */

/* A line to the person, "\n" added. The CPU that carries out a command. */
void monitor_say(const char *format, ...) printf_like(1, 2);

/* monitor_cpus.c: stopping and asking other CPUs. The boot CPU. */
bool monitor_stopped(void);
void monitor_stop(void);
void monitor_cont(void);
/* Has `command` carried out by monitor_execute() on the CPU; says so if that doesn't answer. */
void monitor_ask(uint64_t cpu, const struct monitor_command *command);
/* What a CPU is doing, in a word. */
const char *monitor_cpu_state(uint32_t cpu);

/* monitor_memory.c */
void monitor_show_memory(const struct monitor_command *command);
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
