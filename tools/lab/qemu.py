"""QEMU: with KVM and nested VMX the fast way to run Plinth; with TCG a machine without VMX."""

import os
import shutil
from pathlib import Path

from .command import LabError
from .machine import Running, listen

PROGRAM = "qemu-system-x86_64"
OVMF_CODE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
OVMF_VARIABLES = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
NESTED = Path("/sys/module/kvm_intel/parameters/nested")


def has_nested_vmx():
    """Can a KVM guest use VMX here?"""
    usable = os.access("/dev/kvm", os.R_OK | os.W_OK)
    return usable and NESTED.exists() and NESTED.read_text().strip() in ("Y", "1")


def start_kvm(config):
    """Start a machine in QEMU on KVM."""
    return start(config, "kvm", config.model or ("host,+vmx" if has_nested_vmx() else "host"))


def start_tcg(config):
    """Start a machine in QEMU's own emulator."""
    return start(config, "tcg,thread=multi", config.model or "qemu64")


def start(config, accelerator, model):
    """Start a machine in QEMU."""
    listener, port = listen()
    words = [
        PROGRAM, "-nodefaults", "-no-reboot", "-display", "none", "-vga", "std",
        "-machine", "q35", "-accel", accelerator, "-cpu", model, "-smp", config.cpus, "-m", config.memory,
        *firmware(config), "-cdrom", config.iso, "-boot", "d",
        "-chardev", f"socket,id=console,host=127.0.0.1,port={port}", "-serial", "chardev:console",
    ]
    return Running(words, listener, config.directory)


def firmware(config):
    """QEMU's own BIOS, or UEFI with variables of its own."""
    if config.firmware == "bios":
        return []
    if not OVMF_CODE.exists():
        raise LabError(f"{OVMF_CODE} is missing: run tools/setup")
    variables = config.directory / "efi-variables.fd"
    shutil.copyfile(OVMF_VARIABLES, variables)
    return ["-drive", f"if=pflash,format=raw,readonly=on,file={OVMF_CODE}", "-drive", f"if=pflash,format=raw,file={variables}"]


def trouble(directory):
    """What QEMU itself had to say; None if all was well."""
    return (directory / "emulator.out").read_text(errors="replace").strip() or None
