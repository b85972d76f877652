/* The linker's and entry.S's symbols: Plinth's image and the tables it starts on. */
#pragma once

#include "arch/x86/layout.h"
#include "lib/compiler.h"
#include "lib/range.h"

extern char image_start[], text_start[], text_end[], rodata_start[], rodata_end[], data_start[], sealed_start[],
    sealed_end[], image_end[], load_end[];

/* The tables of entry.S; they stay where the image was loaded. */
extern uint64_t boot_pml4[], boot_pdpt[], boot_pdpt_high[], boot_pd[], boot_pd_high[], boot_pd_screen[];

extern const uint64_t load_base; /* the physical address that the image was loaded at: set by entry.S */

/* Where such a boot-only object is in the identity map, whether or not the image has moved. */
static inline void *image_boot_pointer(void *symbol)
{
    return (void *)((uint64_t)symbol - VIRT_BASE + load_base);
}

/* The memory that the loader gave us, with the tables of entry.S. */
struct range image_loaded(void);

/* Moves the running image to the block's start. On the boot stack, boot CPU, before any pointer into low memory but the
 * identity map's is kept. */
void image_move_to(struct range block, uint64_t image_bytes);

void boot_move(void *to, const void *from, uint64_t bytes, uint64_t *high_pd, uint64_t to_physical, uint64_t pages);
noreturn void boot_main(uint32_t magic, uint32_t information, uint64_t entry_tsc);
