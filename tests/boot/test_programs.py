"""Other bzImages than the usual 64-bit kernels: older boot protocols, Debian for i386, memory testers, a network boot loader."""

import re

import pytest

import cases
import harness
import machines
from lab import bochs, debian, image, initramfs, kernel
from lab.machine import Config
from lab.paths import BUILD


def on_plinth(directory, modules, options="", **fields):
    """A machine with Plinth and its modules; to be used in a `with` block."""
    return harness.start(image.plinth_entry(harness.PLINTH, options, modules), Config(directory=directory, **fields))


MORE = [pytest.param(case, marks=pytest.mark.full) for case in cases.PROTOCOL_MORE]


@pytest.mark.parametrize("case", [*cases.PROTOCOL, *MORE], ids=lambda case: case.name)
def test_protocol(case, directory):
    """A kernel of each boot protocol from 2.04 on, with a 32-bit entry only, is loaded whole and where it wants to be."""
    file, initrd = machines.guest_of_protocol(directory, case)
    words = "test=loader,boot"
    text = harness.compare(directory, image.linux_entry(file, initrd, words),
                           image.plinth_entry(harness.PLINTH, "", [(file, words), (initrd, "")]), cpus=1, memory=64, ignore_bad_msrs=False)
    assert f"= loader: protocol {case.name[:4]}, loaded high 1, " in text
    at = int(re.search(r"^~ loader: loaded at ([0-9a-f]+)", text, re.MULTILINE)[1], 16)
    assert at == case.loaded_at or (case.loaded_at == 0 and at % 0x200000 == 0)


@pytest.mark.parametrize("flavour", kernel.FLAVOURS)
def test_debians_kernels_are_efi_stubs(flavour):
    """So whatever boots one of them boots an EFI-stub image: a bzImage and a PE program for EFI in one (UEFI 2.10, 2.1.1 "UEFI Images")."""
    file = kernel.fetch(flavour).vmlinuz.read_bytes()
    header = int.from_bytes(file[0x3C:0x40], "little")
    assert (file[:2], file[header:header + 4]) == (b"MZ", b"PE\0\0")
    assert int.from_bytes(file[header + 24 + 68:][:2], "little") == 10, "the subsystem is not an EFI application"
    assert file[0x202:0x206] == b"HdrS"


@pytest.mark.full
def test_debian_i386(directory):
    """A 32-bit kernel, which has no other entry, with a 32-bit userland."""
    package = kernel.newest_package("linux-image-686", "i386")
    vmlinuz = next((debian.unpack(package, BUILD / "kernel/686", "i386") / "boot").glob("vmlinuz-*"))
    busybox = debian.unpack("busybox-static", BUILD / "busybox-i386", "i386") / "bin/busybox"
    initrd = initramfs.build(directory / "initrd.img", {"bin/busybox": busybox})
    words = machines.command_line(bochs.kernel_parameters(Config.ips), "plinth.test=report")
    with on_plinth(directory, [(vmlinuz, words), (initrd, "")], memory=256) as machine:
        assert machine.wait_end(900), harness.tail(machine)
        text = machine.text
    assert re.search(r"Linux version \S+-686 ", text)
    assert re.findall(r"^cpuinfo: processor=(\d)", text, re.MULTILINE) == ["0", "1"]
    assert "report: complete" in text


@pytest.mark.full
@pytest.mark.parametrize("program", ("memtest86+x64.bin", "memtest86+ia32.bin"))
def test_memory_tester(directory, program):
    """A fixed kernel at 1 MiB, where Plinth was loaded. It tests with both CPUs, and what it tests has no error."""
    file = debian.unpack("memtest86+", BUILD / "memtest86+") / "boot" / program
    with on_plinth(directory, [(file, "console=ttyS0,115200")], memory=64) as machine:
        assert machine.wait(60, r"CPU: 2 Cores 2 Threads"), harness.tail(machine)
        assert machine.wait(60, r"Time:  0:00:1"), "it does not go on"
        assert re.findall(r"Errors: (\d+)", machine.text)[-1] == "0"


@pytest.mark.full
@pytest.mark.parametrize("options", ["", "fallback=always"], ids=["plinth", "native"])
def test_network_boot_loader(options, directory):
    """iPXE has no 32-bit entry: its real-mode code runs and unpacks itself below its initrd, not onto the block. Without a network card
    it goes back to the firmware by INT 18H."""
    file = debian.unpack("ipxe", BUILD / "ipxe") / "boot/ipxe.lkrn"
    script = directory / "script.ipxe"
    script.write_text("#!ipxe\nexit 0\n")
    with on_plinth(directory, [(file, ""), (script, "")], options, memory=64, cpus=1) as machine:
        assert machine.wait(60, r"Guest: it starts in real mode"), harness.tail(machine)
        assert machine.wait_end(60), harness.tail(machine)
        text = machine.text
    assert ("Guest: entered" in text) == (not options) and ("NATIVE" in text) == bool(options)
    assert "Plinth's block at" in text and "writes to Plinth's block" not in text
    assert "No bootable device" in (bochs.trouble(directory) or "")
