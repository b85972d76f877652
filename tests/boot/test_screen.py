"""Without a serial line Plinth is read on the screen."""

import re
import time

import pytest

import cases
import harness
import machines
import screen
from lab import qemu
from lab.paths import ROOT

SECONDS = 60


def wait_for_screen(directory, pattern):
    """Look at the screen until the pattern is there; returns all of its text."""
    deadline = time.monotonic() + SECONDS
    text = ""
    while time.monotonic() < deadline and not re.search(pattern, text):
        time.sleep(0.5)
        text = screen.read(qemu.screenshot(directory, "screen.ppm"))
    return text


def words(text):
    """What a picture says, without the numbers, which are the machine's."""
    return re.sub(r"\b[0-9a-f]*[0-9][0-9a-f]*\b", "#", text).split()


@pytest.mark.parametrize("firmware", ["uefi"])
def test_screen(firmware, directory):
    """The framebuffer shows what the serial line would have: the whole preflight table; the serial line shows nothing.

    docs/screen.png is such a picture, of the table as it is.
    """
    entry, config, emulator = machines.qemu(directory, options="serial=off preflight=only", firmware=firmware)
    with harness.start(entry, config, emulator) as machine:
        text = wait_for_screen(directory, cases.STOPPED)
        machine.wait(0.5)
        picture = qemu.screenshot(directory, "screen.png")
    assert re.search(r"^Plinth \d+\.\d+, loaded by GRUB", text, re.MULTILINE), text
    assert re.search(r"^Preflight: \d+ of \d+ that Plinth needs", text, re.MULTILINE), text
    assert re.search(r"^  needed  MISSING  VT-x: this CPU has none .*: use an Intel CPU with VT-x; in QEMU use -accel kvm -cpu host,\+vmx$", text, re.MULTILINE), text
    assert re.search(r"^  used    found    all CPUs answer$", text, re.MULTILINE), text
    assert re.search(r"^  used    missing  serial line: no UART answers, or serial=off: read the screen", text, re.MULTILINE), text
    assert re.search(r"^error: Preflight: Plinth can't run; preflight=only asks for no more$", text, re.MULTILINE), text
    assert re.search(cases.STOPPED, text), text
    assert "VT-x" not in machine.text
    assert words(screen.read(ROOT / "docs/screen.png")) == words(text), f"docs/screen.png is out of date: copy {picture} there"
