"""The choice of an emulator."""

import shlex

from . import acpi_tables, bochs, image, kvm, qemu
from .command import LabError

# name: how to start a machine in it, and the command that does
EMULATORS = {"bochs": bochs.start, "kvm": qemu.start_kvm, "qemu": qemu.start_tcg}
COMMANDS = {"bochs": bochs.command_words, "kvm": qemu.kvm_words, "qemu": qemu.tcg_words}


def choose(name, only_looking=False):
    """(name, reason) of the emulator to use: `auto` takes KVM where guests can use VMX, else Bochs.

    Who asks for KVM gets it wherever it works: even without VMX it shows what Plinth says then. Who is only looking gets it anyway.
    """
    trouble = kvm.trouble()
    if name == "auto":
        return ("bochs", f"not KVM: {trouble}") if trouble else ("kvm", "nested VMX is there")
    if name != "kvm":
        return name, "as asked"
    if kvm.unusable() and not only_looking:
        raise LabError(f"KVM can't be used: {trouble}")
    return name, f"as asked, but Plinth finds no VMX: {trouble}" if trouble else "as asked"


def start(name, config):
    """Start a machine in the named emulator."""
    config.directory.mkdir(parents=True, exist_ok=True)
    return EMULATORS[name](config)


def show(name, config, port):
    """The command that start() would run, as for a shell, the serial port connected to a port of ours."""
    return shlex.join(map(str, COMMANDS[name](config, port)))


def make_iso(name, config, entry):
    """The machine's boot image, from an entry, with the tables that its firmware lacks."""
    if name == "bochs" and config.firmware == "uefi":
        entry = acpi_tables.given(entry, config.directory, config.cpus)
    return image.make_iso(entry, config.directory, image.EFI32 if config.firmware == "uefi32" else image.EFI)


def kernel_parameters(name, config):
    """Words that a Linux kernel's command line needs in the named emulator."""
    return bochs.kernel_parameters(config.ips) if name == "bochs" else ""


def trouble(name, directory):
    """Why the emulator ended the machine, if it knows of a reason other than power-off; else None."""
    return bochs.trouble(directory) if name == "bochs" else qemu.trouble(directory)
