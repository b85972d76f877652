/* Loads a Linux kernel: check everything, place everything, then move it (Documentation/x86/boot.rst). */
#include "guest/linux.h"

#include "guest/bios.h"
#include "guest/linux_command_line.h"
#include "guest/linux_header.h"
#include "guest/linux_initrds.h"
#include "guest/linux_params.h"
#include "guest/linux_place.h"
#include "guest/linux_setup.h"
#include "lib/string.h"
#include "mm/phys.h"

/* Where phys_map() shows what is to be moved. */
struct mapped {
    const void *file;
    void *kernel, *initrd_from, *initrd_to, *parameters;
};

static bool check_command_line(const char *command_line, uint32_t most, struct error *error)
{
    const size_t length = strlen(command_line);

    return length <= most ||
           fail(error,
                "the guest's command line has %zu characters, more than the kernel's %u (cmdline_size): shorten it",
                length, most);
}

static void *map(struct range range, bool *ok)
{
    void *pointer = phys_map(range.start, range_size(range));

    if (!pointer)
        *ok = false;
    return pointer;
}

static bool map_all(const struct guest_source *source, const struct linux_plan *plan, struct mapped *mapped,
                    struct error *error)
{
    bool ok = true;

    mapped->kernel = map(plan->kernel, &ok);
    mapped->parameters = map(plan->parameters, &ok);
    if (range_size(plan->initrd)) {
        mapped->initrd_from = map(source->initrd, &ok);
        mapped->initrd_to = map(plan->initrd, &ok);
    }
    return ok ||
           fail(error, "the kernel or the initrd lies where Plinth can't reach it, at or above 4 GiB: make the boot "
                       "loader load them below");
}

static void move_initrd(const struct linux_plan *plan, const struct mapped *mapped)
{
    if (mapped->initrd_to != mapped->initrd_from)
        memmove(mapped->initrd_to, mapped->initrd_from, range_size(plan->initrd));
}

static void move_all(const struct linux_header *header, const struct linux_plan *plan, const struct mapped *mapped)
{
    const void *system = (const uint8_t *)mapped->file + header->setup_size;

    if (!plan->kernel_first)
        move_initrd(plan, mapped);
    if (mapped->kernel != system)
        memmove(mapped->kernel, system, header->system_size);
    if (plan->kernel_first)
        move_initrd(plan, mapped);
}

/* The set-up code needs memory that real mode reaches, and the resident code beneath it. */
static bool prepare_setup(const struct guest_source *source, const struct linux_plan *plan, struct bios_plan *bios,
                          struct error *error)
{
    if (!bios_prepare(source, bios, error))
        return false;
    return (linux_setup_fits(plan->parameters, bios->place) && !range_overlaps(bios->place, source->kernel) &&
            !range_overlaps(bios->place, source->initrd)) ||
           fail(error,
                "the kernel's real-mode code (code32_start is 0) needs %lu KiB of RAM below %#lx, which aren't free: "
                "use a kernel with a 32-bit entry",
                range_size(plan->parameters) / KIB, bios->place.start);
}

static void write_parameters(const struct guest_source *source, const struct linux_header *header,
                             const struct linux_plan *plan, struct bios_plan *bios, const struct mapped *mapped,
                             struct guest_entry *entry)
{
    if (!header->needs_setup) {
        linux_params_write(source, header, plan, mapped->file, mapped->parameters, entry);
        return;
    }
    linux_setup_write(source, header, plan, mapped->file, mapped->parameters, bios, entry);
    bios_write(source, bios, entry);
}

bool linux_load(const struct guest_source *source, struct guest_entry *entry, struct error *error)
{
    const uint64_t size = range_size(source->kernel);
    struct mapped mapped = {.file = phys_map(source->kernel.start, size)};
    struct guest_source joined = *source; /* with one initrd, and the whole command line */
    struct linux_header header;
    struct linux_plan plan;
    struct bios_plan bios;

    if (size == 0 || !mapped.file)
        return fail(error,
                    "module 1, the guest's kernel, is empty or not below 4 GiB: check the file that module2 names");
    if (!linux_recognise(mapped.file, size))
        return fail(error, "module 1 has no Linux setup header: check the file that module2 names");
    if (!linux_header_check(mapped.file, size, &header, error))
        return false;
    joined.command_line = linux_command_line(source, header.cmdline_size);
    if (!check_command_line(joined.command_line, header.cmdline_size, error) ||
        !linux_initrds_place(source, &header, &joined.initrd, error) ||
        !linux_place(&joined, &header, header.needs_setup ? linux_setup_size(&joined) : linux_params_size(&joined),
                     &plan, error) ||
        (header.needs_setup && !prepare_setup(&joined, &plan, &bios, error)) ||
        !map_all(&joined, &plan, &mapped, error))
        return false;
    linux_initrds_join(source, joined.initrd);
    write_parameters(&joined, &header, &plan, &bios, &mapped, entry);
    move_all(&header, &plan, &mapped);
    return true;
}
