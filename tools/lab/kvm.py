"""What keeps Plinth from running in QEMU on this machine's KVM, and how to change that."""

import os
from pathlib import Path

NESTED = "sys/module/kvm_intel/parameters/nested"
REMEDY = "use EMULATOR=bochs, which has VMX in software"


def trouble(root=Path("/")):
    """Why a KVM guest can't use VMX here, with the remedy; None where it can. `root` is another one in tests only."""
    return unusable(root) or no_nested_vmx(root)


def unusable(root=Path("/")):
    """Why QEMU can't use KVM here at all; None where it can."""
    device = root / "dev/kvm"
    if not device.exists():
        if vendor(root) == "GenuineIntel":
            return "there is no /dev/kvm: `modprobe kvm_intel` makes it, if VT-x is on in the firmware's setup (in a virtual machine: in its host)"
        return f"there is no /dev/kvm: `modprobe kvm` makes it on a machine that can virtualize; {REMEDY}"
    if not os.access(device, os.R_OK | os.W_OK):
        return "/dev/kvm is not for this user: `sudo usermod -aG kvm $USER`, then log in again"
    return None


def no_nested_vmx(root):
    """Why a guest of a KVM that works has no VMX; None where it has."""
    nested = root / NESTED
    if nested.exists():
        if nested.read_text().strip() in ("Y", "1"):
            return None
        return ("nested VMX is off: `sudo modprobe -r kvm_intel && sudo modprobe kvm_intel nested=1` turns it on till the next boot, "
                "kvm_intel.nested=1 on the host kernel's command line for good")
    if vendor(root) == "AuthenticAMD":
        return f"this machine's CPU is from AMD, and Plinth needs Intel's VT-x: {REMEDY}"
    return f"this machine's KVM has no kvm_intel, so its guests have no VMX: {REMEDY}"


def vendor(root):
    """The CPU's maker in CPUID's words; None if unknown."""
    for line in (root / "proc/cpuinfo").read_text().splitlines():
        if line.startswith("vendor_id"):
            return line.split(":")[1].strip()
    return None
