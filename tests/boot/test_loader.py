"""What the boot loader may do with Plinth: load it elsewhere than it was linked, leave it without a screen."""

import re
import struct

import pytest

import cases
import harness
import machines
from lab import image, initramfs, kernel
from lab.machine import Config

SECONDS = 60
RELOCATABLE, OPTIONAL, SIZE, LOWEST, HIGHEST, ALIGNMENT = 10, 1, 24, 0x100000, 0xFFFFFFFF, 0x200000  # boot/header.S
ELSEWHERE = 0x4000000


def header_tag(lowest=LOWEST, alignment=ALIGNMENT):
    """The tag of the multiboot2 header by which the loader finds an address (Multiboot2 Specification 2.0, 3.1.11)."""
    return struct.pack("<HHIIII", RELOCATABLE, OPTIONAL, SIZE, lowest, HIGHEST, alignment)


def plinth_with(directory, tag):
    """Plinth with another such tag."""
    program = harness.PLINTH.read_bytes()
    assert program.count(header_tag()) == 1
    target = directory / "plinth.elf"
    target.write_bytes(program.replace(header_tag(), tag))
    return target


def test_loaded_elsewhere(directory):
    """As where firmware lies at the linked address: the guest runs all the same, with all CPUs."""
    plinth = plinth_with(directory, header_tag(lowest=ELSEWHERE))
    entry = image.plinth_entry(plinth, "log=debug", [(machines.GUEST, "test=boot,smp")])
    with harness.start(entry, Config(directory=directory, memory=256, ignore_bad_msrs=False)) as machine:
        assert machine.wait(SECONDS, rf"Boot: loaded at {ELSEWHERE:x}$"), harness.tail(machine)
        assert machine.wait_end(SECONDS), harness.tail(machine)
        assert "= smp: pass" in machine.text, harness.tail(machine)


def test_loaded_nowhere(directory):
    """An address that Plinth can't run at is an error."""
    plinth = plinth_with(directory, header_tag(lowest=ELSEWHERE + 0x1000, alignment=0x1000))
    entry = image.plinth_entry(plinth, "", [(machines.GUEST, "test=boot")])
    with harness.start(entry, Config(directory=directory), "qemu") as machine:
        assert machine.wait(SECONDS, r"^Plinth: loaded at an address that is no multiple of 2 MiB.*: update or replace the boot loader$")
        machine.wait(1)
        assert machine.process.poll() is None and "Boot:" not in machine.text


def test_no_screen(directory):
    """UEFI without a graphics card, loaded elsewhere: the table says so, the guest starts natively, with no framebuffer."""
    plinth = plinth_with(directory, header_tag(lowest=ELSEWHERE))
    modules = [(kernel.fetch().vmlinuz, machines.command_line()), (initramfs.build(), "")]
    entry = image.plinth_entry(plinth, "preflight=full", modules)
    with harness.start(entry, Config(directory=directory, firmware="uefi", screen=False), "qemu") as machine:
        assert machine.wait(SECONDS, r"^  used    missing  screen: the boot loader left no screen that can be drawn on: put "), harness.tail(machine)
        assert machine.wait(SECONDS, r"^/ # "), harness.tail(machine)
        text = machine.text
    assert re.search(cases.BOOT_LINES[0], text, re.MULTILINE)
    assert "efi: EFI v" in text and "efifb" not in text and "Console: colour dummy device" in text
