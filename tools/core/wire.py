"""At the serial line: types the monitor's commands and reads its answers; asks again for what came damaged."""

import os
import re
import select
import socket
import stat
import sys
import termios
import tty
from pathlib import Path

from . import dump

PROMPT = re.compile(r"plinth> (\x1b\[K)?\Z")
ANSWER_SECONDS, SILENCE_SECONDS = 10, 120  # Plinth is silent while it goes over memory that is all zeros: 10 GiB in some seconds
TRIES = 4


class Line:
    """A serial device, or a socket that an emulator has connected to one."""

    def __init__(self, name):
        self.socket = None
        if match := re.fullmatch(r"([\w.-]+):(\d+)", name):
            self.socket = socket.create_connection((match[1], int(match[2])), ANSWER_SECONDS)
        elif stat.S_ISSOCK(Path(name).stat().st_mode):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(name)
        self.fd = self.socket.fileno() if self.socket else open_device(name)

    def read(self, seconds):
        """What has come, "" after so many seconds of silence."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return ""
        return os.read(self.fd, 65536).decode("ascii", "replace")

    def ask(self, command, take=None, seconds=ANSWER_SECONDS):
        """Type a command. Its answer, up to the next prompt; with `take` each line goes there instead, as it comes."""
        return self.send(command.encode() + b"\r", take, seconds)

    def send(self, data, take=None, seconds=ANSWER_SECONDS):
        """The same with bytes."""
        os.write(self.fd, data)
        answer, rest, answered = [], "", False
        while text := self.read(seconds):
            *lines, rest = (rest + text).replace("\r", "").split("\n")
            for line in lines:
                (take or answer.append)(line)
            answered = answered or bool(lines)
            if answered and PROMPT.search(rest):
                return "\n".join(answer)
        raise TimeoutError(f"no answer to {data.decode()!r} for {seconds} s: is it the monitor's line?")


def open_device(name):
    """115200 8N1, raw."""
    device = os.open(name, os.O_RDWR | os.O_NOCTTY)
    if os.isatty(device):
        tty.setraw(device)
        settings = termios.tcgetattr(device)
        settings[4] = settings[5] = termios.B115200
        termios.tcsetattr(device, termios.TCSANOW, settings)
    return device


def receive(name, wanted):
    """Have it all sent, and once more what comes damaged. A guest that runs is stopped for that long."""
    found = dump.Dump()
    found.ranges += [dump.extent(*wanted)] if wanted else []
    try:
        line = Line(name)
        line.send(b"\x03")  # whatever has been typed there
        runs = "runs or sleeps" in line.ask("info cpus")
        if runs:
            line.ask("stop")
        line.ask(" ".join(["dump", *wanted]), found.feed, SILENCE_SECONDS)
        for _ in range(TRIES):
            if found.lacks_registers():
                line.ask("dump 0 0", found.feed)
            for start, length in found.missing():
                print(f"plinth-core: {length} bytes at {start:x} once more", file=sys.stderr)
                line.ask(f"dump {start:x} {length:x}", found.feed, SILENCE_SECONDS)
        if runs:
            line.ask("cont")
    except (OSError, TimeoutError) as error:
        sys.exit(f"plinth-core: {name}: {error}")
    return found
