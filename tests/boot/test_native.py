"""Where Plinth can't run, or shan't: the guest starts all the same, as GRUB itself would have started it."""

import difflib
import re
import struct

import pytest

import harness
import machines
import screen
from lab import image, initramfs, kernel, qemu
from lab.machine import Config

SECONDS = 120
PROMPT = r"^/ # "
VIDEO_TYPE_EFI = 0x70
FREE_WITH_THE_LOADER_GONE = {"Conventional", "Loader Code", "Loader Data"}  # UEFI 2.10, 7.2, table 7.6: GRUB's heap is one of these two


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


def told_of_screen(machine):
    """(orig_video_isVGA, width, height) of the zero page that Linux was given (Documentation/x86/zero-page.rst, screen_info)."""
    page = ask(machine, "hexdump -v -n 64 -e '64/1 \"%02x\" \"\\n\"' /sys/kernel/boot_params/data")
    found = re.search(r"^[0-9a-f]{128}$", page, re.MULTILINE)
    assert found, page
    return struct.unpack_from("<B2xHH", bytes.fromhex(found[0]), 0x0F)


def firmware_map(text):
    """[(type, first byte, last byte)] of UEFI's memory map, as Linux prints it with efi=debug."""
    lines = re.findall(r"efi: mem\d+: \[([^|\]]*?) *\|.*range=\[0x([0-9a-f]+)-0x([0-9a-f]+)\]", text)
    return [(kind, int(first, 16), int(last, 16)) for kind, first, last in lines]


@pytest.mark.parametrize("firmware", ["bios", "uefi", pytest.param("uefi32", marks=pytest.mark.full)])
def test_native(firmware, directory):
    """The reason, the loud line, Debian's prompt with all CPUs, all of the memory and both initrds; on UEFI its screen and variables."""
    with start(directory, firmware, more="efi=runtime,debug") as machine:
        assert machine.wait(SECONDS, PROMPT), "no prompt"
        boot = machine.text
        assert "processor\t: 1" in ask(machine, "cat /proc/cpuinfo")
        assert "from the early initrd" in ask(machine, "cat /early"), "the initrds were not joined"
        if firmware != "bios":
            width, height, _ = screen.read_ppm(qemu.screenshot(directory, "screen.ppm"))
            assert told_of_screen(machine) == (VIDEO_TYPE_EFI, width, height)
            ask(machine, "insmod /modules/efivarfs.ko; mount -t efivarfs none /sys/firmware/efi/efivars")
            assert f"\n{64 if firmware == 'uefi' else 32}\n" in ask(machine, "cat /sys/firmware/efi/fw_platform_size")
            assert "BootOrder-8be4df61-93ca-11d2-aa0d-00e098032b8c" in ask(machine, "ls /sys/firmware/efi/efivars")
        machine.write(b"poweroff -f\r")
        assert machine.wait_end(30), "the machine did not power off"
    assert re.search(r"^error: VT-x: this CPU has none", boot, re.MULTILINE)
    assert re.search(r"^  used    found    all CPUs answer$", boot, re.MULTILINE), "no table"
    assert re.search(r"^warning: NATIVE: the guest starts on the bare machine, WITHOUT Plinth", boot, re.MULTILINE)
    block = re.search(r"block at ([0-9a-f]+), (\d+) KiB", boot)
    assert not re.search(rf"BIOS-e820: \[mem 0x0*{block[1]}-.*reserved", boot), "the block is still reserved"
    block_start = int(block[1], 16)
    block_end = block_start + int(block[2]) * 1024
    used = {kind for kind, first, last in firmware_map(boot) if first < block_end and block_start <= last}
    assert bool(used) == (firmware != "bios") and used <= FREE_WITH_THE_LOADER_GONE, f"the block lies where the firmware has something: {used}"
    assert ("efi: EFI v" in boot) == (firmware != "bios")


def lines(entry, config, emulator, pattern):
    """What a program says on the console to its end: the lines that begin so."""
    with harness.start(entry, config, emulator) as machine:
        assert machine.wait(SECONDS, r"^= (end|guest: .* skipped)\n"), f"no end:\n{harness.tail(machine)}"
        text = machine.text
    assert ("Plinth" in text) == ("NATIVE" in text), "not started natively"
    return [line for line in text.splitlines() if re.match(pattern, line)]


def check_same(expected, observed):
    """Nothing may differ."""
    assert expected
    assert not list(difflib.unified_diff(expected, observed, "bare", "native", lineterm="", n=0))


@pytest.mark.parametrize("how, cpus", [
    ("failure", 2), *(pytest.param(how, cpus, marks=pytest.mark.full) for how, cpus in (("failure", 1), ("always", 2), ("always", 1)))])
def test_native_although_vmx(how, cpus, directory):
    """A machine with VMX, given up after VMXON on all CPUs, or before (then IA32_FEATURE_CONTROL is still unlocked, as the firmware
    left it): for the test guest it is the bare machine. In VMX operation its VMX instructions would do otherwise, INITs be dropped."""
    (directory / "bare").mkdir()
    bios = machines.feature_control(directory, 0) if how == "always" else None
    bare, native = (Config(directory=at, cpus=cpus, memory=128, ignore_bad_msrs=False, bios=bios) for at in (directory / "bare", directory))
    words, pattern = "test=boot,smp,vmx,msr,control,x2apic", r"= |~ feature control|~ .*feature control:"
    plinth = harness.planted("no-start") if how == "failure" else harness.PLINTH
    entry = image.plinth_entry(plinth, "" if how == "failure" else "fallback=always", [(machines.GUEST, words)])
    expected = lines(machines.guest_bare(words), bare, "bochs", pattern)
    assert [line for line in expected if "feature control: " in line]
    check_same(expected, lines(entry, native, "bochs", pattern))
    assert how == "always" or f"planted: cpu{cpus - 1} fails after VMXON" in (directory / "console.log").read_text()


@pytest.mark.parametrize("kernel", ["multiboot2-relocatable", "multiboot1-elf32"])
def test_native_multiboot(kernel, directory):
    """A multiboot kernel says of the start what it says when GRUB starts it, and has all of the RAM, that where Plinth was loaded too:
    the second one must lie there. The screen is what GRUB has made of it for Plinth."""
    bare, native = (Config(directory=at, memory=128) for at in (directory / "bare", directory))
    pattern = r"= (?!  (type|address|pitch|width|height|depth) )|~ RAM "
    expected = lines(machines.multiboot_bare(directory / "bare", kernel), bare, "qemu", pattern)
    check_same(expected, lines(machines.multiboot_on_plinth(directory, kernel), native, "qemu", pattern))
