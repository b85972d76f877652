"""Bootable ISO images: GRUB, a menu of one entry, and the files that it loads."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from .command import LabError, run

GRUB_DIRECTORY = Path("/usr/lib/grub")
GRUB_MODULES = ("iso9660", "normal", "multiboot2", "linux", "acpi", "echo", "test", "memrw")


@dataclass(frozen=True)
class Firmware:
    """What GRUB and xorriso need to know to make an image for one kind of firmware."""

    grub_format: str
    grub_platform: str
    modules: tuple
    core_image: str
    xorriso: tuple


FIRMWARE = {
    "bios": Firmware(
        grub_format="i386-pc-eltorito",
        grub_platform="i386-pc",
        modules=("biosdisk",),
        core_image="boot/grub/eltorito.img",
        xorriso=("-b", "boot/grub/eltorito.img", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"),
    ),
}


@dataclass
class Entry:
    """GRUB commands, and the files on the ISO (name: source) that they name."""

    commands: list
    files: dict = field(default_factory=dict)


def plinth_entry(plinth, options="", modules=(), before=()):
    """Plinth and its modules. `modules` are (file, string) pairs, `before` GRUB commands that come first."""
    files = {"plinth.elf": plinth}
    commands = [*before, f"multiboot2 /plinth.elf {quote(options)}"]
    for index, (path, string) in enumerate(modules):
        name = f"module{index}"
        files[name] = path
        commands.append(f"module2 /{name} {quote(string)}")
    return Entry([*commands, "boot"], files)


def linux_entry(kernel, initrd=None, command_line=""):
    """A Linux kernel on the bare machine: the baseline that Plinth is compared to."""
    entry = Entry([f"linux /vmlinuz {quote(command_line)}"], {"vmlinuz": kernel})
    if initrd:
        entry.files["initrd.img"] = initrd
        entry.commands.append("initrd /initrd.img")
    entry.commands.append("boot")
    return entry


def quote(words):
    """Quote the words for GRUB's script language, where they need it."""
    plain = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+=,:/@%")
    return " ".join(word if set(word) <= plain else "'" + word.replace("'", "'\\''") + "'" for word in words.split())


def make_iso(entry, directory, firmware="bios"):
    """Make `directory`/boot.iso from an entry and return its path."""
    kind = FIRMWARE[firmware]
    tree = fresh_tree(directory / "iso")
    for name, source in entry.files.items():
        if not Path(source).is_file():
            raise LabError(f"{source}: no such file")
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, tree / name)
    (tree / "boot/grub/grub.cfg").write_text("\n".join(entry.commands) + "\n")
    make_core_image(kind, tree / kind.core_image)
    iso = directory / "boot.iso"
    run("xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", iso, *kind.xorriso, tree)
    return iso


def fresh_tree(tree):
    """An empty directory with GRUB's place in it."""
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "boot/grub").mkdir(parents=True)
    return tree


def make_core_image(kind, target):
    """GRUB's core image with just the modules the entries use, so that a slow emulator loads little."""
    platform = GRUB_DIRECTORY / kind.grub_platform
    if not platform.is_dir():
        raise LabError(f"{platform} is missing: run tools/setup")
    run("grub-mkimage", "-d", platform, "-O", kind.grub_format, "-p", "/boot/grub", "-o", target, *GRUB_MODULES, *kind.modules)
