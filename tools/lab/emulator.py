"""The choice of an emulator."""

from . import bochs, kvm, qemu
from .command import LabError

# name: how to start a machine in it
EMULATORS = {"bochs": bochs.start, "kvm": qemu.start_kvm, "qemu": qemu.start_tcg}


def choose(name):
    """(name, reason) of the emulator to use: `auto` takes KVM where guests can use VMX, else Bochs.

    Who asks for KVM gets it wherever it works: even without VMX it shows what Plinth says then.
    """
    trouble = kvm.trouble()
    if name == "auto":
        return ("bochs", f"not KVM: {trouble}") if trouble else ("kvm", "nested VMX is there")
    if name != "kvm":
        return name, "as asked"
    if kvm.unusable():
        raise LabError(f"KVM can't be used: {trouble}")
    return name, f"as asked, but Plinth finds no VMX: {trouble}" if trouble else "as asked"


def start(name, config):
    """Start a machine in the named emulator."""
    config.directory.mkdir(parents=True, exist_ok=True)
    return EMULATORS[name](config)


def kernel_parameters(name, config):
    """Words that a Linux kernel's command line needs in the named emulator."""
    return bochs.kernel_parameters(config.ips) if name == "bochs" else ""


def trouble(name, directory):
    """Why the emulator ended the machine, if it knows of a reason other than power-off; else None."""
    return bochs.trouble(directory) if name == "bochs" else qemu.trouble(directory)
