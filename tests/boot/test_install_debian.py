"""The Debian package on a real Debian system: made in a folder, put on a disk, started, the package installed from within.

Not among the tests of `make test`, as a whole Debian is fetched for them: `make test-install`, or all of `make test-full`.
"""

import re
import shutil

import pytest

import debian_tree
import screen
from debian_tree import SHELL, chroot
from harness import tail
from lab import bochs, disk, emulator, qemu
from lab.machine import Config
from lab.paths import BUILD
from test_install import INSTALLED, SIMPLE, commands, entries, make

pytestmark = pytest.mark.full

SECONDS = 600  # a start of Debian in an emulator, with all its scripts
TEXT_MODE = (720, 400)  # pixels of 80 columns in 25 rows
ENTRY = "Debian GNU/Linux, with Plinth"


@pytest.fixture(scope="module", name="package")
def make_package():
    """The Debian package."""
    make("deb")
    return next(BUILD.glob("plinth_*_amd64.deb"))


@pytest.fixture(scope="module", name="system")
def make_system(package, tmp_path_factory):
    """A Debian system with the package's file in it, and GRUB's menu as its own tools make it."""
    words = bochs.kernel_parameters(Config.ips)
    tree = debian_tree.copy(tmp_path_factory.mktemp("debian") / "tree", words)
    shutil.copy(package, tree / "root/plinth.deb")
    (tree / "boot/grub").mkdir()
    debian_tree.stand_in_grub_probe(tree)
    chroot(tree, "grub-mkconfig", "-o", "/boot/grub/grub.cfg")
    return tree


def configuration(tree):
    """The tree's menu."""
    return (tree / "boot/grub/grub.cfg").read_text()


def run_in(machine, command, seconds=60):
    """Type a command at the guest's shell and return what it printed."""
    begin = len(machine.text)
    machine.write(command.encode() + b"; echo done $?\r")
    ended = machine.wait(seconds, r"^done \d+$")
    assert ended, f"{command}:\n{tail(machine)}"
    assert ended[0] == "done 0", f"{command}:\n{tail(machine)}"
    assert machine.wait(10, re.escape(SHELL))
    return machine.text[begin:]


def boot_to_shell(machine):
    """Wait for Debian's shell."""
    found = machine.wait(SECONDS, re.escape(SHELL), r"\(initramfs\) $", "Kernel panic")
    assert found and found[0] == SHELL, f"no shell:\n{tail(machine)}"


def power_off(machine):
    """As its user would."""
    machine.write(b"poweroff\r")
    assert machine.wait_end(120), f"no power-off:\n{tail(machine)}"


def test_package_in_chroot(system):
    """Installing makes the entries, removing takes them away, purging leaves nothing."""
    assert not entries(configuration(system))
    try:
        chroot(system, "dpkg", "-i", "/root/plinth.deb")
        found = entries(configuration(system))
        version = next((system / "boot").glob("vmlinuz-*")).name.removeprefix("vmlinuz-")
        assert list(found) == ["plinth-gnulinux-simple", f"plinth-gnulinux-{version}-advanced", f"plinth-gnulinux-{version}-recovery"]
        loaded = commands(found["plinth-gnulinux-simple"], "module2")
        assert loaded[0].startswith(f"module2 /boot/vmlinuz-{version} root=UUID={disk.UUID} ro console=")
        assert loaded[1] == f"module2 --nounzip /boot/initrd.img-{version}"
        chroot(system, "dpkg", "-r", "plinth")
        assert (system / "etc/grub.d/20_linux_plinth").exists(), "a removed package's settings stay"
        assert not entries(configuration(system))
    finally:
        chroot(system, "dpkg", "-P", "plinth")
    assert not [name for name in INSTALLED if (system / name).exists()]


@pytest.fixture(scope="module", name="installed")
def install_from_within(system, tmp_path_factory):
    """The disk of a Debian that was started natively and has installed the package itself, with the real grub-probe, and GRUB for UEFI.

    Plinth's entry is its default from then on.
    """
    debian_tree.real_grub_probe(system)
    directory = tmp_path_factory.mktemp("installed")
    image = debian_tree.make_disk(system, directory / "disk.img")
    with emulator.start("qemu", Config(directory=directory, disk=image)) as machine:
        boot_to_shell(machine)
        said = run_in(machine, "dpkg -i plinth.deb", SECONDS)
        assert re.search(r"Found linux image: \S+ \(Plinth\)", said), said
        run_in(machine, f"grub-set-default '{ENTRY}'")
        menu = run_in(machine, "cat /boot/grub/grub.cfg")
        run_in(machine, "modprobe vfat; mkdir /boot/efi; mount /dev/vda2 /boot/efi")
        run_in(machine, "grub-install --target=x86_64-efi --efi-directory=/boot/efi --removable", SECONDS)
        power_off(machine)
    return image, menu


def test_menu_made_from_within(installed):
    """The real grub-probe leads to the same menu as the stand-in; the root file system goes by its UUID now."""
    _, menu = installed
    simple = entries(menu)["plinth-gnulinux-simple"]
    assert SIMPLE in menu
    assert f"root=UUID={disk.UUID} ro console=ttyS0,115200 " in commands(simple, "module2")[0]
    assert any(line.startswith("search --no-floppy --fs-uuid") and line.endswith(disk.UUID) for line in simple[1])


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_start_without_vmx(firmware, installed, directory):
    """Where there is no VMX, Plinth says so, and Debian starts natively. The screen is in the mode that GRUB's linux would have left it in."""
    shutil.copy(installed[0], directory / "disk.img")
    with emulator.start("qemu", Config(directory=directory, disk=directory / "disk.img", firmware=firmware)) as machine:
        assert machine.wait(90, r"^Plinth \S+, loaded by GRUB"), tail(machine)
        assert machine.wait(30, r"VT-x: this CPU has none"), tail(machine)
        assert machine.wait(30, r"NATIVE: the guest starts on the bare machine"), tail(machine)
        boot_to_shell(machine)
        width, height, _ = screen.read_ppm(qemu.screenshot(directory, "screen.ppm"))
        assert ((width, height) == TEXT_MODE) == (firmware == "bios")
        assert f"firmware: {firmware}" in run_in(machine, "[ -d /sys/firmware/efi ] && echo firmware: uefi || echo firmware: bios")
        run_in(machine, "update-grub", SECONDS)
        assert SIMPLE in run_in(machine, "cat /boot/grub/grub.cfg"), "no entry in the menu that is made there"
        power_off(machine)


def test_start_on_plinth(installed, directory):
    """The same disk in Bochs: Debian's own kernel, initrd and init on Plinth, up to a shell and down again."""
    shutil.copy(installed[0], directory / "disk.img")
    with emulator.start("bochs", Config(directory=directory, disk=directory / "disk.img", cpus=1)) as machine:
        assert machine.wait(60, r"Guest: entered \d+ ticks"), tail(machine)
        boot_to_shell(machine)
        assert "hypervisor" in run_in(machine, "grep -m1 -o ' hypervisor' /proc/cpuinfo")
        assert "BOOT_IMAGE" not in run_in(machine, "cat /proc/cmdline")
        run_in(machine, "mount | grep 'on / type ext4 (rw'")
        power_off(machine)
    assert emulator.trouble("bochs", directory) is None
