"""Starting machines for tests: each has a folder under build/test/ with all that it read and wrote."""

import os
import re
import shutil
from pathlib import Path

from lab import emulator, image
from lab.command import LabError, run
from lab.paths import BUILD

ARTIFACTS = Path(os.environ.get("PLINTH_TEST_ARTIFACTS", BUILD / "test"))
PLINTH = ARTIFACTS / "plinth.elf"  # a copy, so that a `make` during the tests doesn't change what they test


def fresh_directory(name):
    """build/test/`name`, empty."""
    directory = ARTIFACTS / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


def symbol(name):
    """The linear address of a function or variable of the Plinth under test."""
    listing = run("nm", PLINTH)
    found = re.search(rf"^([0-9a-f]+) . {name}$", listing, re.MULTILINE)
    if not found:
        raise LabError(f"{PLINTH} has no symbol {name}")
    return int(found[1], 16)


def start(entry, config, name="bochs"):
    """Start a machine that boots the entry. To be used in a `with` block."""
    config.iso = image.make_iso(entry, config.directory)
    return emulator.start(name, config)


def tail(machine, lines=30):
    """The end of the console, for messages."""
    return "\n".join(machine.text.splitlines()[-lines:])
