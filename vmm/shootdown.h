/*
 * Making sure that no CPU uses an old translation or an old table of the EPT any more (SDM vol. 3, 28.3.3 "Invalidating
 * Cached Translation Information"): epochs (mm/grace.h), INVEPT on every CPU, NMIs to those that run guest code. Root
 * mode.
 */
#pragma once

#include "arch/x86/cpu.h"

/* Boot. All CPUs are quiet until they enter the guest. */
void shootdown_init(void);

/* A right was taken away, or a memory type changed: returns when no CPU can still use the old one. Any CPU, no lock
 * held but such as are waited for with shootdown_catch_up(). A CPU that doesn't answer for a second is named in a
 * warning, and no longer waited for. Tables that fell out of use are on their way back to the pool. */
void shootdown(void);

/* The same, and tables that fell out of use until now are in the pool when it returns (unless a CPU didn't answer, or
 * others are on their way: then those are). */
void shootdown_and_free(void);

/* This CPU, before its next entry, and while it waits for others: invalidates if that is due. */
void shootdown_catch_up(struct cpu *cpu);

/* A lock that may be held across a shootdown: who waits for it goes on answering, or the two would wait for each other.
 * Slow work in root mode only, any CPU; not for NMI handlers. `lock`: false when nobody has it. */
void shootdown_lock(bool *lock);
void shootdown_unlock(bool *lock);

/* This CPU can't use any translation until shootdown_awake(): it is about to park or to enter wait-for-SIPI. */
void shootdown_quiet(struct cpu *cpu);
void shootdown_awake(struct cpu *cpu);
