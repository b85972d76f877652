"""Debian's stock kernels: the newest package of a flavour, downloaded and unpacked, never installed."""

import re
from dataclasses import dataclass
from pathlib import Path

from .command import LabError, run
from .debian import foreign, unpack
from .paths import BUILD

CONSOLE = "console=ttyS0,115200"  # without the speed it is 9600, and the boot waits for the console

# A flavour's name and the metapackage that depends on its newest kernel.
FLAVOURS = {"cloud": "linux-image-cloud-amd64", "generic": "linux-image-amd64"}


@dataclass(frozen=True)
class Kernel:
    """An unpacked kernel package."""

    version: str
    vmlinuz: Path
    modules: Path


def fetch(flavour="cloud"):
    """The kernel of a flavour, from build/kernel/ or downloaded on first use."""
    directory = BUILD / "kernel" / flavour
    if not directory.exists():
        unpack(newest_package(FLAVOURS[flavour]), directory)
    vmlinuz = next((directory / "boot").glob("vmlinuz-*"))
    version = vmlinuz.name.removeprefix("vmlinuz-")
    return Kernel(version, vmlinuz, directory / "lib" / "modules" / version)


def newest_package(metapackage, architecture=None):
    """The kernel package that a metapackage depends on, as apt's lists know it."""
    listing = run("apt-cache", *foreign(architecture), "depends", metapackage)
    found = re.search(r"Depends: (linux-image-\S+)", listing)
    if not found:
        raise LabError(f"apt knows no {metapackage}: is this Debian, and are its package lists there (apt-get update)?")
    return found.group(1)
