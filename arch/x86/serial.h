/*
 * The serial console. Any CPU, root mode, not NMI-safe. A lock with a bounded spin keeps what is written in one call
 * together; it is the last of all, below the log's.
 */
#pragma once

#include "arch/x86/console_words.h"
#include "arch/x86/serial_mux.h"
#include "arch/x86/uart.h"

/* Finds out whether the line is there: the UART answers its scratch register. One with registers in memory can only be
 * CONSOLE_PASSTHROUGH. Boot. */
void serial_init(struct console_words words);

/* Whose it is; CONSOLE_PASSTHROUGH too if there is none. */
enum console_owner serial_owner(void);
/* The first of the 8 ports of the serial line. */
uint16_t serial_port(void);
/* It can't be shared after all. Boot. */
void serial_give_to_guest(void);

/* Lines of the log. */
void serial_write(const char *text, size_t length);

/* What still waits is written; waits (bounded) until the UART has sent everything. */
void serial_flush(void);

/* The line answers, whoever else uses it. */
bool serial_is_there(void);

/* ---- for the guest, where the line is shared ---- */

/* Before its first instruction. */
void serial_guest_starts(void);
/* Its accesses to the emulated UART; `reg` is 0 to 7. */
uint8_t serial_guest_read(unsigned reg);
void serial_guest_write(unsigned reg, uint8_t value);
/* A report comes: nobody waits for the end of the guest's line any longer. */
void serial_guest_has_ended(void);

/* ---- for the monitor ---- */

/* What is typed goes to the monitor now. */
bool serial_has_listener(void);

/* Gives it the keys, whoever has them. */
void serial_call_monitor(void);

/* One byte for the monitor. To be called often: time is kept here for who waits for the end of the guest's line. */
enum mux_input serial_read(uint8_t *byte);

/* Text for who talks to the monitor, "\n" as it is on a terminal: past the log. */
void serial_talk(const char *text);

/* The row that a person is writing in, with the prompt (NULL: none). A log line that comes goes above it. It is copied;
 * `echo` is written. */
void serial_set_row(const char *row, const char *echo);
