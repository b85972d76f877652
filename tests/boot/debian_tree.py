"""A Debian system in a folder, as debootstrap makes it: a base system, its kernel, GRUB's programs, an init."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import sysroot
from lab import debian, disk
from lab.command import run
from lab.paths import BUILD

TREE = BUILD / "debian/tree"  # kept by `make clean`, as what lies beside it under build/kernel
PACKAGES = ("linux-image-cloud-amd64", "initramfs-tools", "zstd", "sysvinit-core", "grub2-common", "grub-pc-bin", "grub-efi-amd64-bin", "kmod")
DISK_MIB = 768
SHELL = "root@plinth-test:~# "

DEFAULT_GRUB = """\
GRUB_DEFAULT=saved
GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR=`lsb_release -i -s 2> /dev/null || echo Debian`
GRUB_CMDLINE_LINUX_DEFAULT=""
GRUB_CMDLINE_LINUX="console=ttyS0,115200 {words}"
GRUB_TERMINAL=console
"""


def fetch():
    """The tree, made on first use. It is root's, device nodes and all, so only root can make it."""
    if TREE.exists():
        return TREE
    if os.geteuid() != 0:
        pytest.skip("debootstrap and chroot need root")
    print("lab: debootstrap makes a Debian tree (kept in build/debian)", flush=True)
    scratch = TREE.with_name("scratch")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    run("debootstrap", "--variant=minbase", "--include=" + ",".join(PACKAGES), debian.SUITE, scratch, debian.mirror())
    chroot(scratch, "apt-get", "clean")
    os.replace(scratch, TREE)
    return TREE


def chroot(tree, *words):
    """Run a command in the tree; its whole output."""
    return run("chroot", tree, *words, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"})


def copy(target, words):
    """A copy of the tree, set up to log in on the serial port; `words` are for its kernel's command line."""
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", fetch(), target], check=True)
    (target / "etc/hostname").write_text("plinth-test\n")
    (target / "etc/fstab").write_text(f"UUID={disk.UUID} / ext4 errors=remount-ro 0 1\n")
    (target / "etc/default/grub").write_text(DEFAULT_GRUB.format(words=words))
    inittab = target / "etc/inittab"
    screens = re.compile(r"^[1-6]:.*\n", re.MULTILINE)
    inittab.write_text(screens.sub("", inittab.read_text()) + "T0:2345:respawn:/sbin/agetty --autologin root 115200 ttyS0 dumb\n")
    return target


def stand_in_grub_probe(tree):
    """Make grub-probe answer for the disk that the tree will be on, and something where udev links to it."""
    link = tree / "dev/disk/by-uuid" / disk.UUID
    link.parent.mkdir(parents=True)
    link.touch()
    probe = tree / "usr/sbin/grub-probe"
    probe.rename(probe.with_suffix(".real"))
    shutil.copy(sysroot.HERE / "grub-probe", probe)


def real_grub_probe(tree):
    """Undo that: the machine has both of its own."""
    shutil.rmtree(tree / "dev/disk")
    probe = tree / "usr/sbin/grub-probe"
    probe.with_suffix(".real").rename(probe)


def make_disk(tree, target: Path):
    """A disk of the tree: what grub-install does to /boot, then the image."""
    shutil.copytree("/usr/lib/grub/i386-pc", tree / "boot/grub/i386-pc", ignore=shutil.ignore_patterns("*.img", "*.module"))
    return disk.make(tree, target, DISK_MIB)
