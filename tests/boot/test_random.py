"""The random guest (row 54 of the test plan): the same seed on the bare machine and on Plinth gives the same hashes.

A failure is replayed by the words it names; trace=N shows the 100 steps from the Nth (tests/guest/test_random.c).
`make soak` keeps what has passed in build/test/soak, by seed and by what was tested: cut short, it goes on where it was.
"""

import difflib
import hashlib
import re
import time

import pytest

import cases
import harness
import machines
from lab.machine import Config


def run(entry, case, directory):
    """The lines that must agree, and the exits that Plinth counted."""
    config = Config(directory=directory, cpus=case.cpus, memory=128, ignore_bad_msrs=False)
    with harness.start(entry, config) as machine:
        assert machine.wait_end(case.seconds), f"the guest did not end in {case.seconds} s:\n{harness.tail(machine)}"
        lines = [line for line in machine.text.splitlines() if line.startswith("= ")]
        exits = re.search(r"^~ random: (\d+) exits", machine.text, re.MULTILINE)
    assert exits and "= random: pass" in lines, f"the guest did not come to its end:\n{harness.tail(machine)}"
    return lines, int(exits[1])


def compare(case, directory, record_property):
    """The same guest, twice."""
    words = f"test=random seed={case.seed} steps={case.steps}"
    (directory / "bare").mkdir()
    expected, none = run(machines.guest_bare(words), case, directory / "bare")
    observed, exits = run(machines.guest_on_plinth(words), case, directory)
    record_property("show", f"{words}, {case.cpus} CPUs: {exits} exits")
    difference = difflib.unified_diff(expected, observed, "bare", "Plinth", lineterm="", n=0)
    assert observed == expected, "\n".join([words, *difference])
    assert none == 0 and exits >= case.exits, f"{exits} exits only"
    return exits


@pytest.mark.parametrize("case", cases.RANDOM, ids=lambda case: case.name)
def test_random(case, directory, record_property):
    """10^6 exits in all."""
    compare(case, directory, record_property)


@pytest.mark.soak
@pytest.mark.parametrize("case", cases.RANDOM_SOAK, ids=lambda case: case.name)
def test_random_soak(case, directory, record_property):
    """10^8 random instructions in all: a step has five on average, as it has exits."""
    kept = harness.ARTIFACTS / f"soak/{case.name}-{what_runs()}"
    if not kept.exists():
        started = time.monotonic()
        exits = compare(case, directory, record_property)
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(f"{case.steps * case.cpus} {exits} {time.monotonic() - started:.0f}\n")
    record_property("soak", kept.read_text())


def what_runs():
    """What a result holds for."""
    return hashlib.sha256(harness.PLINTH.read_bytes() + machines.GUEST.read_bytes()).hexdigest()[:12]
