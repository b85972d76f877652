/*
 * The world of the task-switch tests: task A is the code under test (legacy.h), with legacy_tss; B has a 32-bit TSS, C
 * a 16-bit one. GiB 1 of the PAE modes shows three pages, `task_alias`, one by one. Boot CPU only.
 */
#pragma once

#include "tests/guest/legacy.h"

struct packed tss16 {
    uint16_t link, sp0, ss0, sp1, ss1, sp2, ss2, ip, flags, ax, cx, dx, bx, sp, bp, si, di, es, cs, ss, ds, ldt;
};

extern struct legacy task_a;
extern struct tss32 *task_b; /* the page-table walk is what tests move it for */
extern struct tss16 task_c;
extern uint8_t task_code[64];     /* of B and C */
extern uint8_t task_stack[1024];  /* theirs */
extern uint8_t task_stack0[1024]; /* for privilege level 0 of B and C */
extern uint64_t task_ldt[8];
extern uint32_t task_data[8]; /* for LDT segments to lead to */

enum { ALIAS_BASE = 0x40000000, ALIAS_PAGES = 3 };
extern uint8_t task_alias[ALIAS_PAGES * 4096];
extern uint64_t task_alias_table[512]; /* maps them at ALIAS_BASE */
extern uint64_t task_pdpt[4];          /* another CR3: GiB 1 shows GiB 0 */

/* In LDT and GDT */
enum { LOCAL_DATA = 0x0c, LOCAL_CODE = 0x14, LOCAL_STACK = 0x1c, LOCAL_SPARE = 0x24 };

/* All tables as new; `code` is task A's, at EIP task_a.code, `task` that of B and C. */
void task_begin(enum legacy_mode mode, const void *code, size_t size, const void *task, size_t task_size);

/* Moves B's TSS. */
void task_place_b(void *tss, uint32_t linear);

/* A descriptor of a TSS, LDT or segment; `type` is the byte at 5. */
uint64_t task_descriptor(uint32_t base, uint32_t limit, uint8_t type, uint8_t flags);

/* Runs task A, and prints all that can be seen after the exception that ends it. */
void task_run(const char *name);

#define CODE(...)                                                                                                      \
    (const uint8_t[])                                                                                                  \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }
#define TASK_BEGIN(mode, a, b) task_begin(mode, a, sizeof(a), b, sizeof(b))

/* Code that asks for a switch, and what the new task does. */
extern const uint8_t task_jump[7], task_call[7], task_call_gate[7], task_jump_c[7], task_call_c[7], task_stop[8],
    task_back[7];
