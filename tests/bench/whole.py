"""Figures of Plinth as a whole: its size, its footprint, its time."""

import re
import tempfile
from pathlib import Path

from machines import LabError, ROOT, run

FOLDERS = ("boot", "arch", "vmm", "mm", "guest", "lib")


def measure(plinth, console):
    """{name of figures.WHOLE: value}, from the ELF file, the sources, and the console log of a boot."""
    text = console.read_text(errors="replace")
    return {
        "entry": number(r"Guest: entered (\d+) ticks", text),
        "block": number(r"Plinth's block at \S+, (\d+) KiB", text),
        "image": stripped_size(plinth),
        "lines": sum(code_lines(path) for folder in FOLDERS for path in (ROOT / folder).rglob("*.[ch]")),
    }


def number(pattern, text):
    """The number that a line of the console holds."""
    match = re.search(pattern, text)
    if not match:
        raise LabError(f"Plinth's console has no line like: {pattern}")
    return int(match[1])


def stripped_size(plinth):
    """The size of the ELF file without symbols."""
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / "stripped"
        run("strip", "-o", target, plinth)
        return target.stat().st_size


def code_lines(path):
    """Lines that are left without comments and blanks; a comment's mark inside a string would mislead it."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(), flags=re.DOTALL)
    return sum(bool(line.strip()) for line in text.splitlines())
