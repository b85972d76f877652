"""`make debug` as its user meets it: a debugger's prompt at Plinth's first C function, with names and lines."""

import os

import pexpect
import pytest

from harness import PLINTH
from lab.machine import listen
from lab.paths import ROOT
from machines import GUEST

WORDS = ["--kernel", str(GUEST), "--plinth", str(PLINTH), "--mem", "128"]


@pytest.fixture
def debug(directory):
    """Starts tools/debug in a terminal."""
    children = []

    def start(*words):
        child = pexpect.spawn(str(ROOT / "tools/debug"), [*WORDS, *words, "--directory", str(directory)], encoding="utf-8",
                              codec_errors="replace", timeout=60, dimensions=(50, 200), env={**os.environ, "TERM": "dumb"})
        child.logfile_read = open(directory / "debugger.log", "w", encoding="utf-8")
        children.append(child)
        return child

    yield start
    for child in children:
        child.close(force=True)
        child.logfile_read.close()


def test_gdb(debug, directory):
    """gdb on QEMU's stub: break points and source lines, until Plinth finds no VMX."""
    listener, port = listen()
    listener.close()
    console = debug("--emulator", "qemu", "--port", str(port))
    console.expect(r"boot_main \(magic=920085129")  # 36d76289, multiboot2's
    console.expect(r"\(gdb\) ")
    console.sendline("backtrace")
    console.expect(r"#1 .* entry64 \(\) at boot/entry.S:\d+")
    console.sendline("break multiboot2_parse")
    console.sendline("continue")
    console.expect(r"Breakpoint 2, multiboot2_parse .* at boot/multiboot2.c:\d+")
    console.sendline("delete")
    console.sendline("break acpi_parse")
    console.sendline("continue")
    console.expect(r"Breakpoint 3, acpi_parse")
    console.sendline("quit")
    console.expect(pexpect.EOF)
    assert "loaded by GRUB" in (directory / "console.log").read_text()


def test_bochs_debugger(debug):
    """Bochs' debugger knows Plinth's functions by name, those on the stack too; break points go by name."""
    console = debug("--emulator", "bochs")
    console.expect(r"\(boot_main\+0\): push rbp")
    console.expect("<bochs:1>")
    console.sendline("print-stack 1")
    console.expect(r"\(entry64\+\w+\)")
    console.sendline('lb "vmx_exit"')
    console.sendline("c")
    console.expect(r"\(vmx_exit\+0\)")
    console.sendline("quit")
    console.expect(pexpect.EOF)
