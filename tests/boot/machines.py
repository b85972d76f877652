"""How the tests' machines and boot entries are made. Each function of the second part makes a (entry, Config, emulator)."""

import acpi
import baseline
from harness import PLINTH
from lab import bochs, image, initramfs, kernel
from lab.machine import Config
from lab.paths import BUILD

FIRST_MADT_ENTRY = 44  # ACPI 6.5, table 5.19
GUEST = BUILD / "guest/testguest.bz"
HEADER_JUMP, HEADER_START, HEADER_VERSION, HEADER_END_MAX = 0x200, 0x202, 0x206, 0x290  # of a Linux setup header
PASSTHROUGH = "console=com1,passthrough"  # no exits for the console: the default costs some

# ---- Linux ----


def command_line(emulator_words="", more=""):
    """The guest's kernel command line."""
    return " ".join(word for word in (kernel.CONSOLE, emulator_words, more) if word)


def linux_modules(flavour="cloud", script="report", more=""):
    """A Debian kernel and our initramfs, as Plinth's modules; `script` is the one of tests/initramfs that runs."""
    words = command_line(bochs.kernel_parameters(Config.ips), f"plinth.test={script} {more}".strip())
    return [(kernel.fetch(flavour).vmlinuz, words), (initramfs.build(), "")]


def linux_on_plinth(flavour="cloud", options="", before=(), script="report", more=""):
    """A Debian kernel on Plinth."""
    return image.stamped(image.plinth_entry(PLINTH, options, linux_modules(flavour, script, more), before))


def linux_bare(flavour="cloud", script="report", more=""):
    """The same kernel on the bare machine."""
    (vmlinuz, words), (initrd, _) = linux_modules(flavour, script, more)
    return image.stamped(image.linux_entry(vmlinuz, initrd, words))


# ---- The test guest: tests/guest ----


def guest_on_plinth(words="", options=""):
    """The test guest on Plinth. Its UART is the real one, if the options don't say otherwise: its exits are counted, its ticks too."""
    return image.plinth_entry(PLINTH, f"{PASSTHROUGH} {options}", [(GUEST, words)])


def guest_bare(words=""):
    """The test guest on the bare machine."""
    return image.linux_entry(GUEST, command_line=words)


def guest_of_protocol(directory, case):
    """The test guest with the header of another boot protocol (Documentation/x86/boot.rst), and an initrd."""
    directory.mkdir(parents=True, exist_ok=True)
    file = bytearray(GUEST.read_bytes())
    file[HEADER_JUMP + 1] = case.header_end - HEADER_START
    file[HEADER_VERSION : HEADER_VERSION + 2] = case.version.to_bytes(2, "little")
    file[case.header_end : HEADER_END_MAX] = b"\xff" * (HEADER_END_MAX - case.header_end)
    for offset, value in case.changes.items():
        file[offset] = value
    kernel_file, initrd = directory / "guest.bz", directory / "initrd"
    kernel_file.write_bytes(file)
    initrd.write_bytes(b"initrd" * 1301)
    return kernel_file, initrd


# ---- Multiboot kernels: tests/multiboot ----


def multiboot_modules(directory, kernel):
    """The kernel and two files, one of them not of whole pages, with their strings."""
    directory.mkdir(parents=True, exist_ok=True)
    small, large = directory / "small", directory / "large"
    small.write_bytes(b"small" * 1301)
    large.write_bytes(bytes(range(256)) * 4 * 1024)
    return [(BUILD / "multiboot" / kernel, "a=1 b c=d"), (large, "the first"), (small, "")]


def multiboot_on_plinth(directory, kernel):
    """The kernel on Plinth."""
    return image.plinth_entry(PLINTH, "", multiboot_modules(directory, kernel))


def multiboot_bare(directory, kernel):
    """The kernel on the bare machine."""
    return image.multiboot_entry(2 if kernel.startswith("multiboot2") else 1, multiboot_modules(directory, kernel))


# ---- Machines that Plinth refuses ----


def qemu(directory, modules=None, firmware="bios", options=""):
    """QEMU without KVM: no VMX, and a quick machine for what is checked before it."""
    entry = image.plinth_entry(PLINTH, f"fallback=never {options}", linux_modules() if modules is None else modules)
    return entry, Config(directory=directory, firmware=firmware), "qemu"


def bochs_machine(directory, modules=None, before=(), **fields):
    """Bochs, with some fields of Config given."""
    entry = image.plinth_entry(PLINTH, "fallback=never", linux_modules() if modules is None else modules, before)
    return entry, Config(directory=directory, **fields), "bochs"


def not_a_kernel(directory):
    """The initrd where the kernel should be."""
    return bochs_machine(directory, [(initramfs.build(), "")])


def truncated_kernel(directory):
    """The first half of a kernel."""
    whole = kernel.fetch().vmlinuz.read_bytes()
    half = directory / "vmlinuz-half"
    half.write_bytes(whole[: len(whole) // 2])
    return bochs_machine(directory, [(half, command_line())])


def big_initrd(directory):
    """An initrd that leaves no room for the kernel to unpack itself in: 64 of 128 MiB."""
    big = directory / "initrd-big"
    with open(big, "wb") as file:
        file.truncate(64 << 20)
    return bochs_machine(directory, [(kernel.fetch().vmlinuz, command_line()), (big, "")], memory=128)


def no_rsdp(directory):
    """Firmware that leaves its RSDP without the signature, so that GRUB doesn't find one."""
    bios = bochs.patched_bios(directory / "bios", (b"PTR ", b"PTX "))
    return bochs_machine(directory, bios=bios)


def feature_control(directory, value):
    """Firmware that leaves another value in IA32_FEATURE_CONTROL than Bochs' own, which ORs 5 (locked, VMX on) into it."""
    or_5_then_wrmsr = bytes.fromhex("83c8050f30")
    return bochs.patched_bios(directory / "bios", (or_5_then_wrmsr, bytes.fromhex(f"83c8{value:02x}0f30")))


def absent_cpu(directory):
    """A MADT whose second CPU has an APIC ID that no CPU answers to."""
    apic_id = FIRST_MADT_ENTRY + 8 + 3  # the second local APIC entry's third byte (ACPI 6.5, table 5.21)
    return broken_table(directory, "APIC", {apic_id: 7}, balance=True)


def unknown_option(directory):
    """An option that Plinth doesn't have."""
    return linux_on_plinth(options="colour=blue"), Config(directory=directory), "bochs"


def unlocked(directory):
    """Firmware that leaves IA32_FEATURE_CONTROL at 0, for the operating system to set."""
    return bochs_machine(directory, bios=feature_control(directory, 0))


def locked_off(directory):
    """Firmware with VMX disabled: IA32_FEATURE_CONTROL locked with the VMX bit clear."""
    return bochs_machine(directory, bios=feature_control(directory, 1))


def broken_table(directory, table, changes, balance=False):
    """An ACPI table with some bytes (offset: value) changed by GRUB; with `balance` its checksum stays right."""
    before = acpi.change(baseline.report(cpus=Config.cpus), table, changes, balance)
    return bochs_machine(directory, before=before)


BUILDERS = {
    "qemu": qemu,
    "bochs": bochs_machine,
    "not_a_kernel": not_a_kernel,
    "truncated_kernel": truncated_kernel,
    "big_initrd": big_initrd,
    "no_rsdp": no_rsdp,
    "locked_off": locked_off,
    "broken_table": broken_table,
    "absent_cpu": absent_cpu,
    "unknown_option": unknown_option,
    "unlocked": unlocked,
}
