#include "vmm/guest_memory.h"

#include "arch/x86/virt.h"
#include "arch/x86/window.h"
#include "lib/string.h"
#include "vmm/guest_watch.h"
#include "vmm/vmm.h"
#include "vmm/watch_report.h"

enum { TYPE_MASK = 7 };

static bool reachable(uint64_t address, uint64_t size)
{
    struct range range = {address, address + size};

    return range.end >= address && range.end <= ept_limit(guest_ept) && !range_overlaps(range, guest_ept->block);
}

bool guest_is_write_back(uint64_t address)
{
    uint64_t page = ALIGN_DOWN(address, PAGE_SIZE);

    return (ept_attributes(guest_ept, page, page, 0) >> EPT_TYPE_SHIFT & TYPE_MASK) == MEMORY_WB;
}

/* Write-back where the guest's MTRRs say so; the window's own type is then what the machine's MTRRs say. */
static volatile uint8_t *show(uint64_t address)
{
    return (volatile uint8_t *)window_map(ALIGN_DOWN(address, PAGE_SIZE), !guest_is_write_back(address)) +
           address % PAGE_SIZE;
}

/* The largest naturally aligned piece: a device register or a page-table entry is read or written in one go. */
static unsigned width(uint64_t address, uint64_t size)
{
    unsigned bytes = 8;

    while (address % bytes || bytes > size)
        bytes /= 2;
    return bytes;
}

static uint64_t load(const volatile void *there, unsigned bytes)
{
    switch (bytes) {
    case 8:
        return *(const volatile uint64_t *)there;
    case 4:
        return *(const volatile uint32_t *)there;
    case 2:
        return *(const volatile uint16_t *)there;
    }
    return *(const volatile uint8_t *)there;
}

static void store(volatile void *there, unsigned bytes, uint64_t value)
{
    switch (bytes) {
    case 8:
        *(volatile uint64_t *)there = value;
        return;
    case 4:
        *(volatile uint32_t *)there = (uint32_t)value;
        return;
    case 2:
        *(volatile uint16_t *)there = (uint16_t)value;
        return;
    }
    *(volatile uint8_t *)there = (uint8_t)value;
}

/* Watches see what Plinth does in the guest's place, piece by piece, and nothing of what it does for others, their own
 * reports among that: those look at memory too, through the same window. True: so it has to be moved again. */
static bool tell_watches(uint64_t address, bool write)
{
    struct vmm_cpu *me = vmm_cpu(cpu_this());

    if (likely(!me->emulates))
        return false;
    me->emulates = false;
    guest_watch_emulated(address, write);
    me->emulates = true;
    return true;
}

/* A write is told of when it is done. */
static void tell_done(void)
{
    struct vmm_cpu *me = vmm_cpu(cpu_this());

    if (likely(!me->emulates))
        return;
    me->emulates = false;
    watch_report_end(true);
    me->emulates = true;
}

static void transfer(uint64_t address, uint8_t *own, uint64_t size, bool write)
{
    volatile uint8_t *there = NULL;

    for (unsigned bytes; size; size -= bytes, address += bytes, own += bytes, there += bytes) {
        uint64_t value = 0;

        bytes = width(address, size);
        if (tell_watches(address, write) || !there || address % PAGE_SIZE == 0)
            there = show(address);

        if (write) {
            memcpy(&value, own, bytes);
            store(there, bytes, value);
        } else {
            value = load(there, bytes);
            memcpy(own, &value, bytes);
        }
        tell_done();
    }
}

bool guest_read_physical(uint64_t address, void *to, uint64_t size)
{
    if (!reachable(address, size))
        return false;
    transfer(address, to, size, false);
    return true;
}

bool guest_write_physical(uint64_t address, const void *from, uint64_t size)
{
    if (!reachable(address, size))
        return false;
    transfer(address, (uint8_t *)from, size, true);
    return true;
}

#define EXCHANGE(type)                                                                                                 \
    ({                                                                                                                 \
        type expected = (type)*old;                                                                                    \
        bool same = __atomic_compare_exchange_n((volatile type *)there, &expected, (type) new, false,                  \
                                                __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);                                   \
        *old = expected;                                                                                               \
        same;                                                                                                          \
    })

static bool exchange(volatile uint8_t *there, unsigned size, uint64_t *old, uint64_t new)
{
    switch (size) {
    case 1:
        return EXCHANGE(uint8_t);
    case 2:
        return EXCHANGE(uint16_t);
    case 4:
        return EXCHANGE(uint32_t);
    case 8:
        return EXCHANGE(uint64_t);
    }
    return false;
}

bool guest_exchange_physical(uint64_t address, unsigned size, uint64_t *old, uint64_t new)
{
    bool exchanged;

    if (!reachable(address, size))
        return false;
    tell_watches(address, true);
    exchanged = exchange(show(address), size, old, new);
    tell_done();
    return exchanged;
}

/* Plinth's block is an empty bus to the guest's walks too: all-ones, and writes are dropped. */
uint64_t guest_entry_read(uint64_t physical, unsigned size)
{
    uint64_t value = 0;

    if (!guest_read_physical(physical, &value, size))
        return size == 4 ? 0xffffffff : ~(uint64_t)0;
    return value;
}

bool guest_entry_replace(uint64_t physical, unsigned size, uint64_t old, uint64_t new)
{
    return !reachable(physical, size) || guest_exchange_physical(physical, size, &old, new);
}

/* All pages are translated, and all found to be the guest's, before the first byte moves. */
static bool resolve(uint64_t linear, uint64_t size, unsigned access, struct guest_span *span, struct guest_fault *fault)
{
    struct guest_paging paging;

    vcpu_paging(&paging);
    if (!guest_linear_resolve(&paging, linear, size, access, span, fault))
        return false;
    for (unsigned i = 0; i < ARRAY_SIZE(span->pieces); i++)
        if (!reachable(span->pieces[i].physical, span->pieces[i].size))
            return false;
    return true;
}

bool guest_read_linear(uint64_t linear, void *to, uint64_t size, unsigned access, struct guest_fault *fault)
{
    struct guest_span span;

    if (!resolve(linear, size, access & ~(unsigned)GUEST_WRITE, &span, fault))
        return false;
    guest_span_read(&span, 0, to, size);
    return true;
}

bool guest_write_linear(uint64_t linear, const void *from, uint64_t size, unsigned access, struct guest_fault *fault)
{
    struct guest_span span;

    if (!resolve(linear, size, access | GUEST_WRITE, &span, fault))
        return false;
    guest_span_write(&span, 0, from, size);
    return true;
}
