"""The matrix of make test-full: its list as Python values, and the table of its results."""

import datetime
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

LIST = Path(__file__).with_name("matrix.list")
LIST_OF_WORDS = ("options", "words")


@dataclass(frozen=True)
class Row:
    """One guest on one machine."""

    name: str
    guest: str  # "debian" or "testguest"
    script: str
    machine: dict = field(hash=False)
    outcome: str  # "pass" or "native"
    message: str = ""

    def __str__(self):
        return self.name

    def config(self):
        """The fields of lab.machine.Config that the row gives."""
        numbers = {key: int(self.machine[key]) for key in ("cpus", "memory") if key in self.machine}
        return {**numbers, **({"model": self.machine["model"]} if "model" in self.machine else {})}

    @property
    def disabled(self):
        """Indices of CPUs."""
        return [int(index) for index in self.machine.get("disabled", "").split("+") if index]

    @property
    def enabled_cpus(self):
        """How many CPUs the guest gets."""
        return int(self.machine.get("cpus", 2)) - len(self.disabled)


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


def record(results, path):
    """Adds {row's name: (result, note)} to what earlier runs left in `path`.json, writes the table to `path`.md and returns it."""
    store = path.with_suffix(".json")
    known = json.loads(store.read_text(encoding="utf-8")) if store.exists() else {}
    today = str(datetime.date.today())
    known.update({name: (today, *result) for name, result in results.items()})
    store.write_text(json.dumps(known, indent=1), encoding="utf-8")
    path.with_suffix(".md").write_text(table(known), encoding="utf-8")
    return table(known)


def table(results):
    """Markdown of {row's name: (date, result, note)}; what did not run says so."""
    lines = ["| row | guest | machine | expected | result | on | |", "|---|---|---|---|---|---|---|"]
    for row in rows():
        date, result, note = results.get(row.name, ("", "not run", ""))
        machine = ", ".join(f"{key}={value}" for key, value in row.machine.items())
        lines.append(f"| {row.name} | {row.guest} {row.script} | {machine} | {row.outcome} | {result} | {date} | {note} |")
    return "\n".join(lines) + "\n"
