"""Plinth's log survives a reset: the next Plinth shows its end, and hands it to Linux, which shows it in pstore."""

import re

import pytest

import harness
import machines
from lab import image, qemu
from lab.command import run
from lab.machine import Config

CMOS = 0x6F  # a byte of the CMOS memory that nobody else uses: GRUB's menu entry differs from boot to boot by it
NONE = r"^Previous boot: memory holds no log of it$"


def two_boots(first, second):
    """The first commands the first time, then the second."""
    commands = [f"outb 0x70 {CMOS:#x}", "inb -v been 0x71", 'if [ "$been" = 1 ]; then', *second.commands, "else",
                f"outb 0x70 {CMOS:#x}", "outb 0x71 1", *first.commands, "fi"]
    return image.Entry(commands, {**first.files, **second.files})


@pytest.mark.parametrize("firmware", ["bios", pytest.param("uefi", marks=pytest.mark.full)])
def test_log_survives_a_reset(firmware, directory):
    """QEMU without VMX: the first boot stops after the preflight table, a reset, and Debian (started natively) finds the table in
    /sys/fs/pstore. That start leaves nothing of Plinth in memory, so after another reset nothing is found."""
    modules = machines.linux_modules(script="pstore")
    entry = two_boots(image.plinth_entry(harness.PLINTH, "preflight=only", modules), image.plinth_entry(harness.PLINTH, "", modules))
    with harness.start(entry, Config(directory=directory, firmware=firmware), "qemu") as machine:
        assert machine.wait(60, NONE), "a log in memory that was never used"
        assert machine.wait(10, "Plinth stops here"), harness.tail(machine)
        qemu.command(directory, "set-action", reboot="reset", shutdown="pause")
        qemu.command(directory, "system_reset")
        assert machine.wait(60, r"^The previous boot ended with:\n(  \| .*\n)*  \| error: Plinth stops here"), harness.tail(machine)
        begin = machine.seen
        assert machine.wait(120, "^pstore-end"), "the second boot did not end"
        second = machine.text[begin:]
        qemu.command(directory, "system_reset")
        qemu.command(directory, "cont")  # it may have been off already
        assert machine.wait(60, NONE), harness.tail(machine)
    report = second.split("pstore-begin")[1].split("pstore-end")[0]
    assert re.search(r"^Plinth \d+\.\d+, loaded by GRUB", report, re.MULTILINE), report
    assert re.search(r"^  needed  MISSING  VT-x: ", report, re.MULTILINE), report
    assert report.count("Plinth stops here") == 1 and "NATIVE" not in report, "that isn't the first boot's log"
    place = int(re.search(r"ramoops.mem_address=(0x[0-9a-f]+)", second)[1], 16)
    assert re.search(rf"BIOS-e820: \[mem {place:#018x}-{place + 0xffff:#018x}\] reserved", second), "the place isn't reserved"


def ring(elf):
    """Where a build has the log, from its start."""
    return int(re.search(r"^([0-9a-f]+) . ring$", run("nm", elf), re.MULTILINE)[1], 16)


def test_log_of_another_build(directory):
    """The first boot's image has the log elsewhere in its block, and crashes; the second finds it once, and then its own."""
    other = harness.planted("crash")
    assert ring(other) != ring(harness.PLINTH), "no other place: this shows nothing"
    modules = machines.linux_modules()
    first = image.plinth_entry(other, "on_crash=halt", modules)
    first = image.Entry([command.replace("/plinth.elf", "/other.elf") for command in first.commands], {"other.elf": other})
    entry = two_boots(first, image.plinth_entry(harness.PLINTH, "preflight=only", modules))
    with harness.start(entry, Config(directory=directory), "qemu") as machine:
        assert machine.wait(60, "on_crash=halt: halted"), harness.tail(machine)
        qemu.command(directory, "set-action", reboot="reset", shutdown="pause")
        for last in ("error: on_crash=halt: halted", "error: Plinth stops here"):
            qemu.command(directory, "system_reset")
            assert machine.wait(60, rf"^The previous boot ended with:\n(  \| .*\n)*  \| {last}"), harness.tail(machine)
            assert machine.wait(10, "^error: Plinth stops here"), harness.tail(machine)
