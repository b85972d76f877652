"""tools/run as its user meets it: a terminal that becomes the guest's console, with a shell at the end."""

import time

import pexpect
import pytest

from harness import PLINTH
from lab.paths import ROOT

PROMPT = r"/ # (\x1b\[6n)?$"  # the shell asks the terminal where its cursor is
PROMPT_SECONDS = 100  # promised, with two CPUs on two cores; here another test runs beside it
SLACK = 2


@pytest.fixture
def console(directory):
    """A user's terminal, in which tools/run has just been started."""
    words = ["--plinth", str(PLINTH), "--directory", str(directory / "run")]
    with open(directory / "console.log", "w", encoding="utf-8") as log:
        child = pexpect.spawn(str(ROOT / "tools/run"), words, encoding="utf-8", codec_errors="replace", timeout=60)
        child.logfile_read = log
        yield child
        child.close(force=True)


def test_shell(console, record_property):
    """The prompt comes in time; keys, Ctrl-C and the hypervisor's report work; poweroff ends it all."""
    started = time.monotonic()
    console.expect(PROMPT, timeout=PROMPT_SECONDS * SLACK)
    record_property("show", f"from start to prompt: {time.monotonic() - started:.0f} s")
    console.sendline("echo $((6 * 7)) characters; tty")
    console.expect("42 characters")
    console.expect("/dev/ttyS0")
    console.expect(PROMPT)
    console.sendline("sleep 1000")
    time.sleep(2)
    console.send("\x03")
    console.expect(PROMPT)
    console.sendline("plinth-stat")
    for _ in range(2):  # a screen a second, without end
        console.expect(r"Plinth, interface version 2, 2 CPUs, every 1 s")
        console.expect(r"CPUID +[1-9]\d* +\d+\.\d% +\d+\.\d% +[1-9]")
    console.send("\x03")
    console.expect(PROMPT)
    console.sendline("plinth-stat --once --sort reason")
    console.expect(r"Plinth, interface version 2, 2 CPUs, since it started")
    console.expect(r"CPUID +[1-9]")
    console.expect(r"XSETBV +1 +0")
    console.expect(r"CPUIDs of them by plinth-stat")
    console.expect(PROMPT)
    console.sendline("plinth-stat --interval 0.2 --count 3 --cpu 1 --sort exits | grep -c 'of them CPU 1, every 0.2 s'")
    console.expect(r"\n3\r\n")
    console.expect(PROMPT)
    console.sendline("plinth-stat --histogram; echo status $?")
    console.expect(r"there are no histograms, as Plinth was started without statistics=histogram")
    console.expect("status 0")
    console.expect(PROMPT)
    console.sendline("poweroff")
    console.expect("Power down", timeout=120)
    console.expect("the machine ended")
    console.expect(pexpect.EOF)
    console.close()
    assert console.exitstatus == 0


def test_quit_key(console):
    """Ctrl-A x ends the machine, whatever it is doing."""
    console.expect("loaded by GRUB")
    console.send("\x01x")
    console.expect("stopped after")
    console.expect(pexpect.EOF)
