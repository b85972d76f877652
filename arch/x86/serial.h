/*
 * The serial console. Any CPU, root mode, not NMI-safe. A lock with a bounded spin keeps what is written in one call
 * together; it is the last of all, below the log's.
 */
#pragma once

#include "arch/x86/console_words.h"
#include "arch/x86/uart.h"

/* Finds out whether the line is there: the UART answers its scratch register. Boot. */
void serial_init(struct console_words words);

/* Lines of the log. */
void serial_write(const char *text, size_t length);

/* Waits (bounded) until the UART has sent everything. */
void serial_flush(void);

/* The line answers, whoever else uses it. */
bool serial_is_there(void);

/* The serial line is Plinth's own and answers: there is somebody to talk to. */
bool serial_is_own(void);
/* The first of the 8 ports of the serial line. */
uint16_t serial_port(void);

/* One byte from Plinth's own serial line. The boot CPU only. */
enum uart_input serial_read(uint8_t *byte);

/* Text for Plinth's own serial line alone, "\n" as it is on a terminal: past the log. */
void serial_talk(const char *text);

/* The row that a person is writing in, with the prompt (NULL: none). A log line that comes goes above it. It is copied;
 * `echo` is written. */
void serial_set_row(const char *row, const char *echo);
