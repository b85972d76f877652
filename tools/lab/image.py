"""Bootable ISO images for BIOS and UEFI: GRUB, a menu of one entry, and the files that it loads."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from .command import LabError, run

GRUB_DIRECTORY = Path("/usr/lib/grub")
GRUB_MODULES = ("iso9660", "normal", "multiboot", "multiboot2", "linux", "acpi", "echo", "test", "memrw", "rdmsr", "serial", "iorw")
BIOS_CORE = "boot/grub/eltorito.img"
EFI_VOLUME = "boot/grub/efi.img"  # a FAT file system: UEFI firmware boots from nothing else
EFI_VOLUME_KIB = 1440
EFI_FOLDER = "::/EFI/BOOT"  # what firmware starts from removable media lies here (UEFI 2.10, 3.5.1.1)


@dataclass(frozen=True)
class Firmware:
    """What grub-mkimage needs to know to make GRUB's core image for one kind of firmware."""

    grub_format: str
    grub_platform: str
    modules: tuple
    commands: str = ""  # GRUB's first commands
    program: str = ""  # UEFI: its file's name


BIOS = Firmware("i386-pc-eltorito", "i386-pc", ("biosdisk",))
# GRUB begins on the FAT volume and must find the ISO around it. efi_gop gives what it loads a framebuffer.
EFI_COMMANDS = "search.file /boot/grub/grub.cfg root\nset prefix=($root)/boot/grub\n"
EFI = Firmware("x86_64-efi", "x86_64-efi", ("efi_gop", "search_fs_file"), EFI_COMMANDS, "BOOTX64.EFI")
EFI32 = Firmware("i386-efi", "i386-efi", ("efi_gop", "search_fs_file"), EFI_COMMANDS, "BOOTIA32.EFI")
XORRISO_BOTH = ("-b", BIOS_CORE, "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table",
                "-eltorito-alt-boot", "-e", EFI_VOLUME, "-no-emul-boot")


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


def multiboot_entry(version, modules):
    """A multiboot kernel and its modules, (file, string) pairs, on the bare machine."""
    commands = {1: ("multiboot", "module"), 2: ("multiboot2", "module2")}[version]
    files = {f"module{index}": path for index, (path, _) in enumerate(modules)}
    lines = [f"{commands[index > 0]} /module{index} {quote(string)}" for index, (_, string) in enumerate(modules)]
    return Entry([*lines, "boot"], files)


def linux_entry(kernel, initrd=None, command_line=""):
    """A Linux kernel on the bare machine: the baseline that Plinth is compared to."""
    entry = Entry([f"linux /vmlinuz {quote(command_line)}"], {"vmlinuz": kernel})
    if initrd:
        entry.files["initrd.img"] = initrd
        entry.commands.append("initrd /initrd.img")
    entry.commands.append("boot")
    return entry


def stamped(entry):
    """The entry with a last command that shows the time stamp counter on the serial console: the moment before `boot`."""
    stamp = ["serial --unit=0 --speed=115200", "terminal_output --append serial", "rdmsr 0x10"]
    return Entry([*entry.commands[:-1], *stamp, entry.commands[-1]], entry.files)


def quote(words):
    """Quote the words for GRUB's script language, where they need it."""
    plain = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+=,:/@%")
    return " ".join(word if set(word) <= plain else "'" + word.replace("'", "'\\''") + "'" for word in words.split())


def make_iso(entry, directory, efi=EFI):
    """Make `directory`/boot.iso, which boots on BIOS and UEFI (64-bit, or `efi`), from an entry and return its path."""
    tree = fresh_tree(directory / "iso")
    for name, source in entry.files.items():
        if not Path(source).is_file():
            raise LabError(f"{source}: no such file")
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, tree / name)
    (tree / "boot/grub/grub.cfg").write_text("\n".join(entry.commands) + "\n")
    make_core_image(BIOS, tree / BIOS_CORE, directory)
    make_efi_volume(efi, tree / EFI_VOLUME, directory)
    iso = directory / "boot.iso"
    run("xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", iso, *XORRISO_BOTH, tree)
    return iso


def fresh_tree(tree):
    """An empty directory with GRUB's place in it."""
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "boot/grub").mkdir(parents=True)
    return tree


def make_core_image(kind, target, directory):
    """GRUB's core image with just the modules the entries use, so that a slow emulator loads little."""
    platform = GRUB_DIRECTORY / kind.grub_platform
    if not platform.is_dir():
        raise LabError(f"{platform} is missing: run tools/setup")
    words = ["-d", platform, "-O", kind.grub_format, "-p", "/boot/grub", "-o", target]
    if kind.commands:
        first = directory / f"{kind.grub_platform}.cfg"
        first.write_text(kind.commands)
        words += ["-c", first]
    run("grub-mkimage", *words, *GRUB_MODULES, *kind.modules)


def make_efi_volume(kind, target, directory):
    """The FAT file system with GRUB in the place where UEFI firmware looks for it."""
    program = directory / kind.program
    make_core_image(kind, program, directory)
    run("mformat", "-C", "-i", target, "-f", EFI_VOLUME_KIB, "::")
    run("mmd", "-i", target, "::/EFI", EFI_FOLDER)
    run("mcopy", "-i", target, program, EFI_FOLDER)
