/* The boot's steps, what they share, and where one that fails leads. Boot CPU, before launch. */
#pragma once

#include "arch/x86/acpi.h"
#include "boot/block.h"
#include "boot/boot_info.h"
#include "lib/error.h"

extern struct boot {
    uint64_t entry_tsc;
    struct boot_info info;
    struct memmap free_memory; /* RAM without what the firmware may still use */
    struct range screen;       /* physical; empty: none */
    struct acpi_info acpi;
    struct block block;
    bool moved_in;        /* the block holds the running image */
    struct range old_log; /* physical: reserved for it in the guest's RAM; empty: the guest doesn't get it */
    bool has_old_log;
    struct error error; /* of the step that failed: all that return false have filled it */
} boot;

/* What the guest needs too: if not `ok`, boot.error is said and Plinth stops. */
void must(bool ok);

/* What only Plinth needs: without it the guest starts natively, or not, with fallback=never. */
void need(bool ok);

/*
 * boot/take.c, in this order. The block is reserved in the memory map; it grows with what virt_examine_cpu() has found.
 * Before it is written to: the log that an image like this one left there before a warm reset. The boot CPU gets tables
 * and a stack of its own, to which the caller changes.
 */
must_check bool take_block(void);
void take_old_log(void);
must_check bool take_boot_cpu(void);
must_check bool take_other_cpus(void);
must_check bool take_preflight(void);
must_check bool take_virtualization(void); /* EPT, VMX on each CPU, vmm/; what boot fills for good is sealed */
void take_log_pool(void);

/* boot/give.c. Puts the guest's images where they run; then only give_machine() may follow. */
must_check bool give_load_guest(void);
noreturn void give_machine(void);
noreturn void give_natively(void); /* instead, from wherever the boot is */
