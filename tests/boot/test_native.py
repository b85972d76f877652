"""A machine without VMX: the guest starts all the same, as GRUB itself would have started it."""

import re

import pytest

import harness
import machines
from lab import image, kernel, initramfs
from lab.machine import Config

SECONDS = 120
PROMPT = r"^/ # "


def start(directory, firmware, options="", more=""):
    """Debian on Plinth in QEMU's own emulator, with a shell on its console."""
    modules = [(kernel.fetch().vmlinuz, machines.command_line("", more)), (early_initrd(directory), ""), (initramfs.build(), "")]
    config = Config(directory=directory, firmware=firmware)
    return harness.start(image.plinth_entry(harness.PLINTH, options, modules), config, "qemu")


def early_initrd(directory):
    """An initrd that goes before the real one, as microcode does; its size is no multiple of 4."""
    file, early = directory / "early", directory / "early.img"
    file.write_text("from the early initrd\n")
    initramfs.write_cpio(early, {"early": file})
    with open(early, "ab") as archive:
        archive.write(b"\0")
    return early


def ask(machine, command):
    """What a command prints in the guest's shell."""
    machine.write(f"{command}; echo = $?\r".encode())
    begin = machine.seen
    assert machine.wait(20, r"^= \d+$"), f"no answer to {command}"
    return machine.text[begin:machine.seen]


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_native(firmware, directory):
    """The reason, the loud line, Debian's prompt with all CPUs, all of the memory and both initrds; on UEFI the firmware's variables."""
    with start(directory, firmware, more="efi=runtime") as machine:
        assert machine.wait(SECONDS, PROMPT), "no prompt"
        boot = machine.text
        assert "processor\t: 1" in ask(machine, "cat /proc/cpuinfo")
        assert "from the early initrd" in ask(machine, "cat /early"), "the initrds were not joined"
        if firmware == "uefi":
            ask(machine, "insmod /modules/efivarfs.ko; mount -t efivarfs none /sys/firmware/efi/efivars")
            assert "BootOrder-8be4df61-93ca-11d2-aa0d-00e098032b8c" in ask(machine, "ls /sys/firmware/efi/efivars")
        machine.write(b"poweroff -f\r")
        assert machine.wait_end(30), "the machine did not power off"
    assert re.search(r"^error: VT-x: this CPU has none", boot, re.MULTILINE)
    assert re.search(r"^warning: NATIVE: the guest starts on the bare machine, WITHOUT Plinth", boot, re.MULTILINE)
    block = re.search(r"block at ([0-9a-f]+)", boot)[1]
    assert not re.search(rf"BIOS-e820: \[mem 0x0*{block}-.*reserved", boot), "the block is still reserved"
    assert ("efi: EFI v" in boot) == (firmware == "uefi")
