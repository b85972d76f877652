"""The user's terminal as a machine's console: keys go to the guest as they are, Ctrl-C too; Ctrl-A x ends the machine."""

import os
import select
import sys
import termios
import tty
from contextlib import contextmanager

ESCAPE = 0x01  # Ctrl-A
QUIT = ord("x")


class Keys:
    """Takes the escape key out of what is typed: Ctrl-A x quits, Ctrl-A Ctrl-A sends one Ctrl-A, all else is left alone."""

    def __init__(self):
        self.escaped = False
        self.quit = False

    def feed(self, data):
        """What of the typed bytes goes to the guest."""
        passed = bytearray()
        for byte in data:
            if not self.escaped and byte == ESCAPE:
                self.escaped = True
                continue
            if self.escaped and byte == QUIT:
                self.quit = True
            elif self.escaped and byte != ESCAPE:
                passed += bytes((ESCAPE, byte))  # a key of Plinth's own
            else:
                passed.append(byte)
            self.escaped = False
        return bytes(passed)


@contextmanager
def raw(stream):
    """Put a terminal into raw mode for the block; do nothing with a pipe or a file."""
    if not stream.isatty():
        yield
        return
    saved = termios.tcgetattr(stream)
    try:
        tty.setraw(stream)
        yield
    finally:
        termios.tcsetattr(stream, termios.TCSADRAIN, saved)


def interact(machine):
    """Connect our standard input and output to the machine's console until it ends. Says whether it ended by itself."""
    keys = Keys()
    sources = [machine.console, sys.stdin.fileno()]
    with raw(sys.stdin):
        while not keys.quit:
            ready = select.select(sources, [], [])[0]
            if machine.console in ready and not show(machine):
                return True
            if sys.stdin.fileno() in ready and not forward(machine, keys):
                sources.remove(sys.stdin.fileno())  # a pipe came to its end; the machine goes on
    return False


def show(machine):
    """Show what the guest wrote; False when the machine has ended."""
    data = machine.read(0)
    if data is None:
        return False
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
    return True


def forward(machine, keys):
    """Type what was typed; False at the end of the input."""
    data = os.read(sys.stdin.fileno(), 256)
    try:
        machine.write(keys.feed(data))
    except OSError:
        pass  # the machine has just ended: show() finds out
    return bool(data)
