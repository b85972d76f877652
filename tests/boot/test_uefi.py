"""UEFI and VMX in one machine: OVMF in Bochs, GRUB for UEFI, Plinth with a guest on it."""

import re

import pytest

import harness
import machines
from lab import bochs, image, initramfs, kernel
from lab.machine import Config
from test_native import ask, firmware_map

pytestmark = pytest.mark.full  # OVMF takes half a minute to come to GRUB

SECONDS = 120
BLOCK = r"Plinth's block at ([0-9a-f]+), (\d+) KiB"


def test_guest_on_uefi(directory):
    """The test guest runs with both CPUs. (OVMF reads an MSR that Bochs lacks, so bad MSRs are ignored: no test of those.)"""
    config = Config(directory=directory, memory=256, firmware="uefi")
    with harness.start(machines.guest_on_plinth("test=boot,smp,cpuid,step"), config) as machine:
        assert machine.wait(SECONDS, r"Guest: entered \d+ ticks"), harness.tail(machine)
        assert machine.wait_end(SECONDS), harness.tail(machine)
    # The UART is set up anew after this line, which must have gone out.
    assert re.search(r"^warning: Screen: the boot loader left none .* in GRUB's entry\n\nPlinth ", machine.text, re.MULTILINE), "a line is cut off"
    for test in ("boot", "smp", "cpuid", "step"):
        assert f"= {test}: pass" in machine.text, harness.tail(machine)


def test_debian_on_uefi(directory):
    """Linux calls the firmware's run-time services and sees its variables; the block is reserved in both of its memory maps."""
    words = machines.command_line(bochs.kernel_parameters(Config.ips), "efi=runtime,debug")
    entry = image.plinth_entry(harness.PLINTH, "", [(kernel.fetch().vmlinuz, words), (initramfs.build(), "")])
    with harness.start(entry, Config(directory=directory, firmware="uefi")) as machine:
        assert machine.wait(2 * SECONDS, r"^/ # "), harness.tail(machine)
        text = machine.text
        ask(machine, "insmod /modules/efivarfs.ko; mount -t efivarfs none /sys/firmware/efi/efivars")
        assert "BootOrder-8be4df61-93ca-11d2-aa0d-00e098032b8c" in ask(machine, "ls /sys/firmware/efi/efivars")
        assert "processor\t: 1" in ask(machine, "cat /proc/cpuinfo")
        assert "Plinth, interface version 2, 2 CPUs" in ask(machine, "plinth-stat --once")
        machine.write(b"poweroff -f\r")
        assert machine.wait_end(30), "the machine did not power off"
    start, kib = re.search(BLOCK, text).groups()
    first, last = int(start, 16), int(start, 16) + int(kib) * 1024 - 1
    e820 = [(int(a, 16), int(b, 16)) for a, b in re.findall(r"BIOS-e820: \[mem 0x([0-9a-f]+)-0x([0-9a-f]+)\] reserved", text)]
    assert any(a <= first and last <= b for a, b in e820), "not in e820"
    assert ("Reserved", first, last) in firmware_map(text), "not in the EFI memory map"
