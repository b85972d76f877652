"""The matrix of make test-full: its list as Python values, and the table of its results in docs/compatibility.md."""

import datetime
import re
from dataclasses import dataclass, field
from pathlib import Path

from lab import newer_bochs
from lab.paths import ROOT

LIST = Path(__file__).with_name("matrix.list")
DOCUMENT = ROOT / "docs/compatibility.md"
LIST_OF_WORDS = ("options", "words")
HEADINGS = ("row", "guest", "machine", "expected", "result", "on", "note")
DONE = ("passed", "refused as expected")
NOT_RUN = ("not run", "", "")


@dataclass(frozen=True)
class Row:
    """One guest on one machine."""

    name: str
    guest: str  # "debian", "testguest", or "test": a test with a machine of its own
    script: str  # of debian; of a test its node ID within tests/boot
    machine: dict = field(hash=False)
    outcome: str  # "pass", "native" or "refused"
    message: str = ""

    def __str__(self):
        return self.name

    def config(self):
        """The fields of lab.machine.Config that the row gives."""
        numbers = {key: int(self.machine[key]) for key in ("cpus", "memory") if key in self.machine}
        newer = newer_bochs.config() if self.is_newer else {}
        return {**numbers, **newer, **({"model": self.machine["model"]} if "model" in self.machine else {})}

    @property
    def is_newer(self):
        """Is it the emulator of tools/lab/newer_bochs.py?"""
        return self.machine.get("bochs") == "newer"

    @property
    def disabled(self):
        """Indices of CPUs."""
        return [int(index) for index in self.machine.get("disabled", "").split("+") if index]

    @property
    def enabled_cpus(self):
        """How many CPUs the guest gets."""
        return int(self.machine.get("cpus", 2)) - len(self.disabled)

    @property
    def cells(self):
        """What the table says of the row itself."""
        machine = ", ".join(f"{key}={value}" for key, value in self.machine.items())
        return (self.name, f"{self.guest} {self.script}".strip(), machine, self.outcome)

    @property
    def node(self):
        """The end of the node ID of the test that runs it."""
        return self.script if self.guest == "test" else f"test_full.py::test_matrix[{self.name}]"


def parse(line):
    """A line of the list."""
    name, guest, machine, outcome = re.split(r"\s+", line.strip(), maxsplit=3)
    guest, _, script = guest.partition(":")
    fields = dict(pair.split("=", 1) for pair in re.split(r",(?=\w+=)", machine))
    for key in LIST_OF_WORDS:
        if key in fields:
            fields[key] = fields[key].replace("+", "," if fields[key].startswith("test=") else " ")
    outcome, _, message = outcome.partition(" ")
    return Row(name, guest, script, fields, outcome, message)


def rows():
    """All of the list."""
    lines = [line for line in LIST.read_text(encoding="ascii").splitlines() if line.strip() and not line.startswith("#")]
    return [parse(line) for line in lines]


def row_of(nodeid):
    """The row that a test shows; None if it is in no row."""
    return next((row for row in rows() if nodeid.endswith(row.node)), None)


def result_of(row, passed):
    """How the table says it."""
    if not passed:
        return "FAILED"
    return "passed" if row.outcome == "pass" else "refused as expected"


def record(row, passed, note):
    """Puts a result into the table of the document, at once: what ran is known, however the run ends."""
    text = DOCUMENT.read_text(encoding="utf-8")
    results = recorded(text)
    results[row.name] = (result_of(row, passed), str(datetime.date.today()), note.replace("|", "/"))
    DOCUMENT.write_text(re.sub(r"^\| row \|.*\n(?:\|.*\n)*", lambda _: table(results), text, flags=re.MULTILINE), encoding="utf-8")


def recorded(text):
    """The document's table as {row's name: (result, date, note)}, of rows that are still what they were when they ran."""
    lines = [tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in text.splitlines() if line.startswith("| ")]
    known = {line[:-3]: line[-3:] for line in lines if len(line) == len(HEADINGS)}
    return {row.name: known[row.cells] for row in rows() if row.cells in known}


def is_done(row):
    """Does the document say that it ran and did what it should?"""
    return recorded(DOCUMENT.read_text(encoding="utf-8")).get(row.name, NOT_RUN)[0] in DONE


def table(results):
    """Markdown of {row's name: (result, date, note)}; what did not run says so."""
    lines = [HEADINGS, ("---",) * len(HEADINGS)]
    lines += [(*row.cells, *results.get(row.name, NOT_RUN)) for row in rows()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
