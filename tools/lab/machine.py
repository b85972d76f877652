"""What every emulated machine has: a process, and a serial port that is connected to a socket of ours."""

import re
import select
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from .command import LabError

CONNECT_SECONDS = 120  # Bochs registers each 128 KiB of memory by comparing it with all before: 15 s for 5 GiB, on an idle machine
DIE_WITH_US = ("setpriv", "--pdeathsig", "KILL")  # an emulator never outlives us, however we end


@dataclass
class Config:
    """A machine to start. Fields that an emulator has no use for are left alone by it."""

    directory: Path  # its own: logs and generated files go there
    iso: Path = None  # what it boots: this,
    disk: Path = None  # or this; what the machine writes to it is kept
    second_disk: Path = None  # Bochs only: a disk beside that
    cpus: int = 2
    memory: int = 512  # MiB
    model: str = None  # the emulator's name for a CPU model
    ips: int = 50_000_000  # Bochs only: instructions per emulated second
    firmware: str = "bios"  # or "uefi", in QEMU also "uefi32"; in Bochs its boot entry needs lab/acpi_tables.py then
    screen: bool = True  # QEMU only: a graphics card
    display: str = None  # Bochs only: the X server that it draws on (lab/xvfb.py); without one its screen has no graphics modes
    gdb: int = None  # QEMU only: the loopback port on which gdb may connect
    stopped: bool = False  # QEMU with gdb only: wait for it before the first instruction
    program: Path = None  # Bochs only: another version of it (lab/newer_bochs.py)
    bios: Path = None  # Bochs only: firmware other than its own
    ignore_bad_msrs: bool = True  # Bochs only: reading an unknown MSR gives 0, not #GP
    msrs: dict = None  # Bochs only: MSRs that it lacks and then has, by index: value at reset, reserved bits
    com1: bool = True  # False: there is none, and the console is the second serial port
    com2: bool = False  # a second serial port, the machine's .com2; in QEMU it is a PCI card at 00:05.0
    debugger: tuple = ("c",)  # Bochs only: commands of its debugger; the machine runs from a "c" on, until a breakpoint
    terminal: bool = False  # Bochs only: our terminal is its debugger's
    port_e9: bool = False  # Bochs only: port 0xe9 writes to the emulator's own output


class Line:
    """The other end of a machine's serial port: a connected socket, and all that has come over it."""

    def __init__(self, connection, log):
        self.console = connection
        self.sink = open(log, "wb")
        self.text = ""  # without carriage returns
        self.seen = 0  # how much of it wait() has matched

    def read(self, timeout):
        """What the machine wrote to its console within the timeout (seconds); None when it has ended."""
        if not select.select([self.console], [], [], timeout)[0]:
            return b""
        try:
            data = self.console.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            return None
        self.sink.write(data)
        self.sink.flush()
        self.text += data.decode("utf-8", "replace").replace("\r", "")
        return data

    def write(self, data):
        """Type on the machine's console."""
        self.console.sendall(data)

    def wait(self, timeout, *patterns):
        """Read the console until a pattern (a regular expression) is there, the machine ends, or seconds have passed.

        Returns the match, or None. Text that an earlier wait() matched is not looked at again.
        """
        deadline = time.monotonic() + timeout
        wanted = re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.MULTILINE) if patterns else None
        while True:
            match = wanted.search(self.text, self.seen) if wanted else None
            if match:
                self.seen = match.end()
                return match
            left = deadline - time.monotonic()
            if left <= 0 or self.read(left) is None:
                return None

    def close(self):
        """Hang up."""
        self.console.close()
        self.sink.close()


class Running(Line):
    """A started machine. Use it in a `with` block: the process never outlives the block."""

    def __init__(self, words, listener, directory, second=None, terminal=False):
        self.started = time.monotonic()
        self.log = directory / "console.log"
        self.output = open(directory / "emulator.out", "wb")
        streams = {} if terminal else {"stdin": subprocess.DEVNULL, "stdout": self.output, "stderr": subprocess.STDOUT}
        self.process = subprocess.Popen([*DIE_WITH_US, *map(str, words)], **streams, cwd=directory, start_new_session=not terminal)
        super().__init__(self.accept(listener), self.log)
        self.com2 = Line(self.accept(second), directory / "com2.log") if second else None

    def accept(self, listener):
        """The serial port's connection; an emulator that ends before it connects says why in its output."""
        with listener:
            deadline = time.monotonic() + CONNECT_SECONDS
            while time.monotonic() < deadline:
                if select.select([listener], [], [], 0.1)[0]:
                    return listener.accept()[0]
                if self.process.poll() is not None:
                    break
        self.stop_process()
        raise LabError(f"the emulator did not start:\n{Path(self.output.name).read_text(errors='replace')[-2000:]}")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.stop()

    def wait_end(self, timeout):
        """Read on until the machine ends. Says whether it did within the timeout (seconds)."""
        deadline = time.monotonic() + timeout
        self.wait(timeout)
        try:
            self.process.wait(max(0.5, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return False
        return True

    @property
    def seconds(self):
        """Seconds since the start."""
        return time.monotonic() - self.started

    def stop_process(self):
        """End our own child, and nothing else."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.output.close()

    def stop(self):
        """End the machine, whatever its state."""
        self.stop_process()
        self.close()
        if self.com2:
            self.com2.close()


def listen():
    """A listening socket on a free port of the loopback interface, for the machine's serial port to connect to."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)
    return listener, listener.getsockname()[1]


def is_free(port):
    """May a server of ours have this port of the loopback interface?"""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
