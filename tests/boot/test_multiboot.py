"""Multiboot kernels (tests/multiboot) say the same of how they were started by Plinth as of how GRUB starts them."""

import difflib
import re

import pytest

import cases
import harness
import machines
from lab.machine import Config

SECONDS = 60


def boot(entry, directory):
    """The kernel's lines on the console, to its end."""
    config = Config(directory=directory, memory=128, ignore_bad_msrs=False)
    with harness.start(entry, config) as machine:
        assert machine.wait_end(SECONDS), f"the kernel did not end:\n{harness.tail(machine)}"
        assert "= end" in machine.text, harness.tail(machine)
        return machine.text


def ram(text):
    """The bytes of RAM in the kernel's memory map."""
    return int(re.search(r"^~ RAM ([0-9a-f]+)", text, re.MULTILINE)[1], 16)


def block(text):
    """Plinth's block: start and size."""
    found = re.search(r"block at ([0-9a-f]+), (\d+) KiB", text)
    return int(found[1], 16), int(found[2]) * 1024


MORE = [pytest.param(case, marks=pytest.mark.full) for case in cases.MULTIBOOT_MORE]


@pytest.mark.parametrize("case", [*cases.MULTIBOOT, *MORE], ids=lambda case: case.name)
def test_multiboot(case, directory):
    """State, command line, modules, screen, ACPI: all lines agree. Memory: less the block, which is reserved."""
    bare = boot(machines.multiboot_bare(directory, case.kernel), directory / "bare")
    text = boot(machines.multiboot_on_plinth(directory, case.kernel), directory)
    expected, observed = ([line for line in log.splitlines() if line.startswith("= ")] for log in (bare, text))
    difference = list(difflib.unified_diff(expected, observed, "GRUB", "Plinth", lineterm="", n=0))
    assert not difference, "\n".join(difference)
    assert not [line for line in observed if line.endswith(": 0")], "a check of the kernel's own failed"
    start, size = block(text)
    assert ram(bare) - ram(text) == size
    assert f"~ memory {start:x} {size:x} type 2" in text, "the block is not reserved"
