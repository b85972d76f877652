"""Bootable disk images of a file tree, made without a loop device: an MBR, GRUB behind it, an ext4 partition, one for UEFI's GRUB."""

import struct
from pathlib import Path

from .command import LabError, run
from .image import GRUB_DIRECTORY

SECTOR = 512
PARTITION_START = 2048  # sectors; where every partitioning tool puts the first one, and GRUB's place is before it
LINUX_PARTITION = 0x83
EFI_PARTITION = 0xEF  # UEFI 2.10, 5.2.2: a FAT file system that firmware boots from
EFI_MIB = 34  # enough for GRUB, and for firmware that takes no FAT12
BOOT_CODE = 440  # bytes of the MBR that are the loader's (the disk signature and the table follow)
UUID = "706c696e-7468-4465-b269-616e00000001"  # of the file system: grub.cfg finds it by this

# What GRUB needs to reach its other modules in /boot/grub.
CORE_MODULES = ("biosdisk", "part_msdos", "ext2")


def make(tree, target, size):
    """Make the image `target` from a tree that has /boot/grub/grub.cfg; `size` is the file system's, in MiB. Returns it.

    Only GRUB for BIOS is on it; the EFI partition is empty.
    """
    platform = GRUB_DIRECTORY / "i386-pc"
    if not platform.is_dir():
        raise LabError(f"{platform} is missing: run tools/setup")
    start = PARTITION_START * SECTOR
    with open(target, "wb") as image:
        image.truncate(start + (size + EFI_MIB << 20))
    # 256-byte inodes and so on as Debian's installer has them; the owners are the tree's
    run("mke2fs", "-q", "-F", "-t", "ext4", "-U", UUID, "-d", tree, "-E", f"offset={start}", target, f"{size}M")
    run("mformat", "-i", f"{target}@@{start + (size << 20)}", "-T", EFI_MIB << 11, "-h", 16, "-s", 63, "::")
    with open(target, "r+b") as image:
        image.write(master_boot_record(platform, size))
        core = core_image(platform, Path(target).with_suffix(".core"))
        if SECTOR + len(core) > start:
            raise LabError(f"GRUB's core image ({len(core)} bytes) doesn't fit before the first partition")
        image.seek(SECTOR)
        image.write(core)
    return target


def master_boot_record(platform, size):
    """GRUB's first sector, which loads sector 1, with the partition table."""
    code = (platform / "boot.img").read_bytes()[:BOOT_CODE]
    no_chs = b"\xfe\xff\xff"  # "beyond what cylinders can say": the numbers of sectors count
    sectors = (size << 20) // SECTOR
    entries = (struct.pack("<B3sB3sII", 0x80, no_chs, LINUX_PARTITION, no_chs, PARTITION_START, sectors)
               + struct.pack("<B3sB3sII", 0, no_chs, EFI_PARTITION, no_chs, PARTITION_START + sectors, (EFI_MIB << 20) // SECTOR))
    return code.ljust(BOOT_CODE + 6, b"\0") + entries.ljust(64, b"\0") + b"\x55\xaa"


def core_image(platform, scratch):
    """GRUB's core. Its first sector loads the rest and expects it from sector 2 on, where we put it."""
    run("grub-mkimage", "-d", platform, "-O", "i386-pc", "-p", "(hd0,msdos1)/boot/grub", "-o", scratch, *CORE_MODULES)
    core = scratch.read_bytes()
    scratch.unlink()
    return core
