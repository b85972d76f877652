"""QEMU: with KVM and nested VMX the fast way to run Plinth; with TCG a machine without VMX."""

import json
import os
import shutil
import socket
from pathlib import Path

from . import kvm
from .command import LabError
from .machine import Running, listen

PROGRAM = "qemu-system-x86_64"
OVMF = {  # code and variables
    "uefi": (Path("/usr/share/OVMF/OVMF_CODE_4M.fd"), Path("/usr/share/OVMF/OVMF_VARS_4M.fd")),
    "uefi32": (Path("/usr/share/OVMF/OVMF32_CODE_4M.secboot.fd"), Path("/usr/share/OVMF/OVMF32_VARS_4M.fd")),
}
CONTROL = "qmp"  # the socket by which QEMU takes commands, in the machine's directory
GDB_PORT = 1234  # QEMU's -s


def start_kvm(config):
    """Start a machine in QEMU on KVM."""
    return start(config, kvm_words)


def start_tcg(config):
    """Start a machine in QEMU's own emulator."""
    return start(config, tcg_words)


def start(config, words):
    """Start a machine in QEMU."""
    listener, port = listen()
    second, second_port = listen() if config.com2 else (None, None)
    return Running([*words(config, port), *pci_serial(second_port)], listener, config.directory, second)


def pci_serial(port):
    """The second serial port, a PCI card."""
    if not port:
        return []
    return ["-chardev", f"socket,id=second,host=127.0.0.1,port={port}", "-device", "pci-serial,chardev=second,addr=05.0"]


def kvm_words(config, port):
    """The command of a machine on KVM, its serial port connected to a port of ours."""
    return command_words(config, port, "kvm", config.model or ("host" if kvm.trouble() else "host,+vmx"))


def tcg_words(config, port):
    """The same in QEMU's own emulator."""
    return command_words(config, port, "tcg,thread=multi", config.model or "qemu64")


def command_words(config, port, accelerator, model):
    """QEMU's command."""
    return [
        PROGRAM, "-nodefaults", "-no-reboot", "-display", "none", "-vga", "std" if config.screen else "none",
        "-machine", "q35" if config.firmware != "uefi32" else "q35,smm=on", "-accel", accelerator, "-cpu", model, "-smp", config.cpus, "-m", config.memory,
        *firmware(config), *drive(config), *debugger(config),
        "-qmp", f"unix:{CONTROL},server=on,wait=off",
        "-chardev", f"socket,id=console,host=127.0.0.1,port={port}", *([] if config.com1 else ["-serial", "none"]), "-serial", "chardev:console",
    ]


def firmware(config):
    """QEMU's own BIOS, or UEFI with variables of its own."""
    if config.firmware == "bios":
        return []
    code, empty = OVMF[config.firmware]
    if not code.exists():
        raise LabError(f"{code} is missing: run tools/setup")
    variables = config.directory / "efi-variables.fd"
    shutil.copyfile(empty, variables)
    # Debian's 32-bit one was built for Secure Boot: only code in system management mode may write to the flash.
    secure = ["-global", "driver=cfi.pflash01,property=secure,value=on"] if config.firmware == "uefi32" else []
    return ["-drive", f"if=pflash,format=raw,readonly=on,file={code}", "-drive", f"if=pflash,format=raw,file={variables}", *secure]


def drive(config):
    """What the machine boots from, and a disk beside it if it has both."""
    disk = ["-drive", f"file={config.disk},format=raw,if=virtio"] if config.disk else []
    if not config.iso:
        return disk
    # OVMF that is told what to boot finds nothing else.
    return [*disk, "-cdrom", config.iso, *([] if config.disk else ["-boot", "d"])]


def debugger(config):
    """The stub that gdb connects to. It sees the machine itself, so Plinth as well as the guest."""
    if not config.gdb:
        return []
    return ["-gdb", f"tcp:127.0.0.1:{config.gdb}", *(["-S"] if config.stopped else [])]


def command(directory, name, **arguments):
    """Give a running machine a command (QEMU Machine Protocol) and return what it answers."""
    folder = os.open(directory, os.O_RDONLY)  # the directory's own name may be too long for a socket's
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(f"/proc/self/fd/{folder}/{CONTROL}")
            with connection.makefile("rw") as lines:
                lines.readline()  # the greeting
                ask(lines, {"execute": "qmp_capabilities"})
                return ask(lines, {"execute": name, "arguments": arguments})
    finally:
        os.close(folder)


def ask(lines, request):
    """One request and its answer; events that come in between are dropped."""
    lines.write(json.dumps(request) + "\n")
    lines.flush()
    for line in lines:
        answer = json.loads(line)
        if "error" in answer:
            raise LabError(f"QEMU: {answer['error']['desc']}")
        if "return" in answer:
            return answer["return"]
    raise LabError("QEMU ended")


def screenshot(directory, name):
    """Write the machine's screen to a file in its directory and return its path: PNG or PPM, by the name."""
    command(directory, "screendump", filename=name, format=name.rsplit(".", maxsplit=1)[-1])
    return directory / name


def trouble(directory):
    """What QEMU itself had to say; None if all was well."""
    return (directory / "emulator.out").read_text(errors="replace").strip() or None
