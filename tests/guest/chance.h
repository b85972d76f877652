/* What the random test's two halves share: one CPU's stream of chance, and the hash of what came of it. */
#pragma once

#include "tests/guest/exec.h"

enum { CHANCE_CHECKPOINTS = 20 };

struct chance {
    uint64_t state, hash;
    struct space *space;
    uint64_t hashes[CHANCE_CHECKPOINTS];
    uint32_t vectors[32];
    uint64_t steps;
    struct exec last;
    uint8_t last_code[4];
};

uint64_t chance_next(struct chance *c);
uint64_t chance_below(struct chance *c, uint64_t limit);
void chance_mix(struct chance *c, uint64_t value);

/* Runs the code at CPL 0 to its end or its fault, and mixes the outcome; RAX and RDX only if `registers`. */
void chance_run(struct chance *c, const uint8_t *code, size_t size, uint64_t rax, uint64_t rcx, uint64_t rdx,
                bool registers);

/* One step each at CPL 0: an instruction that a hypervisor sees, with random operands. */
void chance_cpuid(struct chance *c);
void chance_rdmsr(struct chance *c);
void chance_wrmsr(struct chance *c);
void chance_control(struct chance *c);
void chance_xsetbv(struct chance *c);
void chance_exit(struct chance *c);
void chance_burst(struct chance *c);
