"""Without a serial line Plinth is read on the screen."""

import re
import signal
import time

import pytest

import cases
import harness
import machines
import screen
from lab import image, qemu, xvfb
from lab.machine import Config
from lab.paths import ROOT

SECONDS = 60


def wait_for_screen(picture, pattern):
    """Look at the screen, of which picture() makes a file, until the pattern is there; returns all of its text."""
    deadline = time.monotonic() + SECONDS
    text = ""
    while time.monotonic() < deadline and not re.search(pattern, text):
        time.sleep(0.5)
        text = screen.read(picture())
    return text


def qemu_screen(directory):
    """QEMU's."""
    return lambda: qemu.screenshot(directory, "screen.ppm")


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
        text = wait_for_screen(qemu_screen(directory), cases.STOPPED)
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


def test_crash_on_a_framebuffer(directory):
    """A fault of Plinth's own after the screen was given up, on a machine without COM1: the report is drawn all the same."""
    entry = image.plinth_entry(harness.planted("crash"), "on_crash=halt", [(machines.GUEST, "")])
    with harness.start(entry, Config(directory=directory, firmware="uefi", com1=False), "qemu"):
        text = wait_for_screen(qemu_screen(directory), "halted; reset the machine")
    assert text.startswith("error: CRASH on cpu0: exception 6 in Plinth itself"), "not on a screen of its own:\n" + text
    assert re.search(r"^error:   rax [0-9a-f]{16} rbx", text, re.MULTILINE), text
    assert "the screen is the guest's" not in text


def fault_in_an_exit():
    """Bochs' debugger makes it in a guest that runs."""
    return (f"lb {harness.symbol('vmm_exit'):#x}", "c", "d 1", f"set rsi = {cases.NON_CANONICAL:#x}", "c")


def assert_end_of_report(text):
    """Of the long report the screen keeps the end, and that says what it was."""
    assert re.search(r"^error: end of the report: exception 13 in Plinth itself, error code 0,", text, re.MULTILINE), text
    assert re.search(r"^error: on_crash=halt: halted; reset the machine to go on$", text, re.MULTILINE), text


def test_crash_in_a_graphics_mode(directory):
    """The same with a guest that runs, in Bochs, on the framebuffer that GRUB has set up."""
    with xvfb.Server(directory) as server:
        config = Config(directory=directory, cpus=1, memory=128, com1=False, display=server.display, debugger=fault_in_an_exit())
        with harness.start(machines.guest_on_plinth("test=boot,vmx", "on_crash=halt"), config):
            text = wait_for_screen(server.picture, "halted; reset the machine")
    assert_end_of_report(text)
    assert re.search(r"^error:   GUEST_RIP +[0-9a-f]+$", text, re.MULTILINE), text


@pytest.mark.full  # it waits for a time in which all is over
def test_crash_in_text_mode(directory):
    """And in text mode."""
    debugger = (*fault_in_an_exit(), f"xp /4000bx {screen.TEXT_MEMORY:#x}")
    config = Config(directory=directory, cpus=1, memory=128, com1=False, debugger=debugger)
    with harness.start(machines.guest_on_plinth("test=boot,vmx", "on_crash=halt"), config) as machine:
        output = directory / "emulator.out"
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and "Breakpoint 1" not in output.read_text(errors="replace"):
            time.sleep(0.5)
        time.sleep(8)  # the report takes less than a million instructions
        machine.process.send_signal(signal.SIGINT)  # back to the debugger, which then ends for want of input
        assert machine.wait_end(20)
        rows = re.findall(r"^0x[0-9a-f]+ <[^>]*>:((?:\t0x[0-9a-f]{2})+)", output.read_text(errors="replace"), re.MULTILINE)
    text = screen.text_mode(bytes(int(byte, 16) for row in rows for byte in row.split()))
    assert_end_of_report(text)
