"""chainload=hd0: a disk's boot sector runs on Plinth, with the firmware's services, as it does on the bare machine."""

import difflib
import re
import shutil

import pytest

import harness
import machines
import report as reports
from lab import disk, emulator, initramfs, kernel
from lab.machine import Config
from lab.paths import BUILD

DISK_BYTES = 10 << 20
SECTOR = BUILD / "chainload/sector"


def sector_disk(path, sector):
    """A disk that has nothing but the first sectors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(sector.ljust(DISK_BYTES, b"\0"))
    return path


def chainload(directory, disk_path, options="chainload=hd0", **fields):
    """A machine with GRUB and Plinth on a CD, and the disk; to be used in a `with` block."""
    config = Config(directory=directory, second_disk=disk_path, **fields)
    return harness.start(machines.image.plinth_entry(harness.PLINTH, options), config)


def ended(machine, seconds):
    """The console's text when the machine is off."""
    assert machine.wait_end(seconds), f"the machine did not end:\n{harness.tail(machine)}"
    return machine.text


def memory(text):
    """The E820 map that the sector printed: (start, size, type)."""
    return [tuple(int(word, 16) for word in line) for line in re.findall(r"^~ E820 (\w+) (\w+) type (\w+)", text, re.MULTILINE)]


@pytest.mark.parametrize("native", [False, pytest.param(True, marks=pytest.mark.full)], ids=("plinth", "native"))
def test_boot_sector(native, directory):
    """INT 10H, 12H, 13H, 15H and 1AH work, timer interrupts come, and what INT 15H tells of memory lacks Plinth's block. Natively
    it doesn't."""
    program = SECTOR.read_bytes()
    config = Config(directory=directory / "bare", disk=sector_disk(directory / "bare/disk.img", program), memory=64)
    with emulator.start("bochs", config) as machine:
        bare = ended(machine, 30)
    options = "chainload=hd0 fallback=" + ("always" if native else "never")
    with chainload(directory, sector_disk(directory / "disk.img", program), options, memory=64) as machine:
        text = ended(machine, 30)
    assert ("NATIVE" in text) == native
    expected, observed = ([line for line in log.splitlines() if line.startswith("= ")] for log in (bare, text))
    sizes = r"^= INT 15H 88H"  # up to the block
    difference = [line for line in difflib.unified_diff(expected, observed, "bare", "Plinth", lineterm="", n=0)
                  if not re.match(sizes, line[1:])][2:]
    assert not [line for line in difference if line[0] in "+-"], "\n".join(difference)
    assert "= end" in observed
    check_memory(bare, text, native)


def check_memory(bare, text, native):
    """E820 has block (not natively) and resident code reserved, the rest as before; the other calls agree with it."""
    start, size = int(re.search(r"block at ([0-9a-f]+)", text)[1], 16), int(re.search(r"block at \S+ (\d+) KiB", text)[1]) << 10
    resident = int(re.search(r"INT 15H answers at 0x([0-9a-f]+)", text)[1], 16)
    entries = memory(text)
    assert ((start, size, 2) in entries) != native
    assert [entry for entry in entries if entry[0] == resident and entry[2] == 2]
    ram, ram_before = (sum(size for _, size, kind in memory(log) if kind == 1) for log in (text, bare))
    assert ram_before - ram == (0 if native else size) + 0x1000
    value = {name: int(found, 16) for name, found in re.findall(r"^[=~] (INT 12H|40:13|INT 15H \w+(?: BX)?) (\w{4})", text, re.MULTILINE)}
    assert value["INT 12H"] == value["40:13"] == resident >> 10
    if native:
        return
    assert value["INT 15H 88H"] == min((start >> 10) - 1024, 63 << 10)
    assert value["INT 15H E801H BX"] == (start - (16 << 20)) >> 16


@pytest.mark.full
@pytest.mark.parametrize("options, sector, message", [
    ("chainload=hd1", SECTOR, r"chainload=hd1: the BIOS knows 1 hard disks \(40:75\): name one that is there"),
    ("chainload=hd0", None, r"the disk that chainload names has no boot sector \(no AA55 at its end\): name another disk"),
], ids=("no-disk", "no-boot-sector"))
def test_refusal(directory, options, sector, message):
    """A disk that isn't there, and one that can't be booted."""
    image = sector_disk(directory / "disk.img", sector.read_bytes() if sector else b"")
    with chainload(directory, image, options, memory=64) as machine:
        assert machine.wait(30, message), harness.tail(machine)
        machine.wait(2)
        assert machine.process.poll() is None, "the machine ended"


def debian_disk(directory):
    """A disk with GRUB, Debian's kernel and our initramfs."""
    tree = directory / "tree"
    (tree / "boot/grub").mkdir(parents=True)
    shutil.copy(kernel.fetch().vmlinuz, tree / "boot/vmlinuz")
    shutil.copy(initramfs.build(), tree / "boot/initrd.img")
    shutil.copytree(disk.GRUB_DIRECTORY / "i386-pc", tree / "boot/grub/i386-pc", ignore=shutil.ignore_patterns("*.img", "*.module"))
    words = machines.linux_modules()[0][1]
    (tree / "boot/grub/grub.cfg").write_text(f"set timeout=0\nlinux /boot/vmlinuz {words}\ninitrd /boot/initrd.img\nboot\n")
    return disk.make(tree, directory / "disk.img", 64)


@pytest.mark.full
def test_installed_system(directory):
    """The disk's own GRUB starts its own Debian: both CPUs there, the block reserved, Plinth beneath."""
    with chainload(directory, debian_disk(directory), memory=256) as machine:
        text = ended(machine, 300)
    report = reports.parse(text)
    assert report.complete, "the guest's report is not whole"
    assert report.cpus == [0, 1]
    assert [line["signature"] for line in report.stats] == ["PlinthPlinth"] * 2
    start, kib = re.search(r"block at ([0-9a-f]+), (\d+) KiB", text).groups()
    last = int(start, 16) + int(kib) * 1024 - 1
    assert f"BIOS-e820: [mem 0x{int(start, 16):016x}-0x{last:016x}] reserved" in text
