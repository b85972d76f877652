#include "boot/host_map.h"

#include "arch/x86/cpu.h"
#include "arch/x86/instr.h"
#include "boot/image.h"
#include "mm/host_format.h"
#include "mm/pgtable.h"

#define HOST_TEXT   (HOST_PRESENT | HOST_ACCESSED)
#define HOST_RODATA (HOST_PRESENT | HOST_ACCESSED | HOST_NO_EXECUTE)
#define HOST_DATA   (HOST_RODATA | HOST_WRITABLE | HOST_DIRTY)
#define HOST_LOW    (HOST_TEXT | HOST_WRITABLE | HOST_DIRTY)
#define HOST_MMIO   (HOST_DATA | HOST_PCD | HOST_PWT)

/* Not HOST_PWT: so an MTRR of the firmware can make it write-combining (SDM vol. 3, table 11-7: UC- gives way to WC) */
#define HOST_SCREEN (HOST_DATA | HOST_PCD)

enum { LARGE_PAGE = 2 << 20 };

static struct pgtable_format format;
static struct pgtable table;
static uint64_t uart_page; /* physical; 0: none */

static bool map(uint64_t start, uint64_t end, uint64_t physical, uint64_t attributes)
{
    return pgtable_map(&table, start, end, physical, attributes);
}

/* [from, to) of the image, which lies linearly at the block's start */
static bool map_image(const struct block *block, const char *from, const char *to, uint64_t attributes)
{
    uint64_t start = (uint64_t)from;

    return map(start, (uint64_t)to, start - VIRT_BASE + block->range.start, attributes);
}

static uint64_t screen_address(struct range screen)
{
    return SCREEN_BASE + screen.start % LARGE_PAGE;
}

static bool map_screen(struct range screen)
{
    uint64_t first = ALIGN_DOWN(screen.start, PAGE_SIZE);
    uint64_t start = ALIGN_DOWN(screen_address(screen), PAGE_SIZE);

    return !range_size(screen) || map(start, start + ALIGN_UP(screen.end, PAGE_SIZE) - first, first, HOST_SCREEN);
}

static bool map_uart(void)
{
    uint64_t start = UART_BASE + uart_page % LARGE_PAGE;

    return !uart_page || map(start, start + PAGE_SIZE, uart_page, HOST_MMIO);
}

static bool build(const struct block *block, uint64_t local_apic, struct range screen)
{
    uint64_t pool = VIRT_BASE + block->pool_offset;

    return map_image(block, text_start, text_end, HOST_TEXT) &&
           map_image(block, rodata_start, rodata_end, HOST_RODATA) &&
           map_image(block, data_start, image_end, HOST_DATA) &&
           map(pool, pool + block->pool_bytes, block->range.start + block->pool_offset, HOST_DATA) &&
           map(0, 4 * GIB, 0, HOST_LOW) && /* in the block too, so that nothing of ours is left where guests may go */
           map(FIXED_LOCAL_APIC, FIXED_LOCAL_APIC + PAGE_SIZE, local_apic, HOST_MMIO) && map_screen(screen) &&
           map_uart();
}

/* The directory of the GiB at SCREEN_BASE, which entry.S leaves out. */
static uint64_t *early_directory(void)
{
    uint64_t *pdpt = image_boot_pointer(boot_pdpt_high), *directory = image_boot_pointer(boot_pd_screen);

    pdpt[SCREEN_BASE >> 30 & 511] = (uint64_t)directory | HOST_PRESENT | HOST_WRITABLE;
    return directory;
}

void *host_map_early_screen(struct range screen)
{
    uint64_t *directory = early_directory();
    uint64_t page = ALIGN_DOWN(screen.start, LARGE_PAGE);

    for (unsigned i = 0; page < screen.end; i++, page += LARGE_PAGE)
        directory[i] = page | HOST_SCREEN | HOST_LARGE;
    write_cr3(read_cr3());
    return (void *)screen_address(screen);
}

volatile void *host_map_early_uart(uint64_t physical)
{
    uint64_t large = ALIGN_DOWN(physical, LARGE_PAGE);

    uart_page = ALIGN_DOWN(physical, PAGE_SIZE);
    early_directory()[UART_BASE >> 21 & 511] = large | HOST_MMIO | HOST_LARGE;
    write_cr3(read_cr3());
    return (volatile void *)(UART_BASE + physical % LARGE_PAGE);
}

bool host_map_init(const struct block *block, struct pool *pool, uint64_t local_apic, struct range screen,
                   struct error *error)
{
    format = host_format(2);
    if (!pgtable_init(&table, &format, pool) || !build(block, local_apic, screen))
        return fail(error,
                    "Memory: the page pool of %lu KiB is too small for Plinth's own tables: report this as a defect",
                    block->pool_bytes / KIB);
    write_cr3(host_map_cr3());
    return true;
}

bool host_map_cpu(uint32_t index, uint64_t physical, struct error *error)
{
    static const struct {
        uint32_t bottom, top;
    } areas[] = {{CPU_STACK_BOTTOM, CPU_STACK_TOP},
                 {CPU_NMI_BOTTOM, CPU_NMI_TOP},
                 {CPU_DF_BOTTOM, CPU_DF_TOP},
                 {CPU_MC_BOTTOM, CPU_MC_TOP},
                 {CPU_STRUCT, CPU_STRUCT_END}};
    uint64_t slot = CPU_BASE + (uint64_t)index * CPU_SLOT;

    for (unsigned i = 0; i < ARRAY_SIZE(areas); i++) {
        uint64_t size = areas[i].top - areas[i].bottom;

        if (!map(slot + areas[i].bottom, slot + areas[i].top, physical, HOST_DATA))
            return fail(error, "Memory: the page pool ran out while mapping cpu%u: report this as a defect", index);
        physical += size;
    }
    return true;
}

/* The slot's other pages have made the table that the entry lies in. */
uint64_t *host_map_window(uint32_t index)
{
    return pgtable_lookup(&table, CPU_BASE + (uint64_t)index * CPU_SLOT + CPU_WINDOW).slot;
}

uint64_t host_map_cr3(void)
{
    return pool_physical(table.pool, table.root);
}

bool host_map_seal(struct error *error)
{
    uint64_t start = (uint64_t)sealed_start, end = (uint64_t)sealed_end;
    uint64_t physical = pgtable_lookup(&table, start).entry & format.address;

    if (!map(start, end, physical, HOST_RODATA))
        return fail(error, "Memory: the page pool ran out while sealing: report this as a defect");
    write_cr3(host_map_cr3());
    return true;
}

void host_map_drop_low(void)
{
    table.root[0] = 0;
}
