"""Starting machines for tests: each has a folder under build/test/ with all that it read and wrote."""

import difflib
import os
import re
import shutil
from pathlib import Path

from lab import emulator
from lab.command import LabError, run
from lab.machine import Config
from lab.paths import BUILD, ROOT

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


def planted(name):
    """An image of Plinth with a fault planted in it, made when it is first wanted (tests/boot/boot.mk)."""
    elf = BUILD / f"planted/{name}.elf"
    run("make", "-s", "-C", ROOT, elf.relative_to(ROOT))
    return elf


def start(entry, config, name="bochs"):
    """Start a machine that boots the entry. To be used in a `with` block."""
    config.iso = emulator.make_iso(name, config, entry)
    return emulator.start(name, config)


def tail(machine, lines=30):
    """The end of the console, for messages."""
    return "\n".join(machine.text.splitlines()[-lines:])


# ---- The same guest on the bare machine and on Plinth ----


def observations(text):
    """A guest's lines that must agree."""
    return [line for line in text.splitlines() if line.startswith("= ")]


def console(entry, config, seconds):
    """What a guest printed until it switched the machine off."""
    with start(entry, config) as machine:
        assert machine.wait_end(seconds), f"the guest did not end in {seconds} s:\n{tail(machine)}"
        return machine.text


def compare(directory, bare_entry, plinth_entry, seconds=60, **fields):
    """Boots the two entries in machines of the same fields: no line may differ, and none tell of a failure. What the second printed."""
    (directory / "bare").mkdir()
    expected = observations(console(bare_entry, Config(directory=directory / "bare", **fields), seconds))
    text = console(plinth_entry, Config(directory=directory, **fields), seconds)
    assert expected and expected[-1].startswith("= guest: "), "the guest did not come to its end on the bare machine"
    assert not [line for line in observations(text) if line.startswith(("= FAIL", "= ERROR"))]
    difference = list(difflib.unified_diff(expected, observations(text), "bare", "Plinth", lineterm="", n=0))
    assert not difference, "\n".join(difference)
    return text
