"""The same guest on the bare emulator: what it says there is what it may say on Plinth. Booted once and kept."""

import fcntl
from pathlib import Path

import harness
import machines
import report as reports
from lab import bochs, initramfs, kernel, newer_bochs
from lab.machine import Config

SECONDS = 400


def report(cpus=2, flavour="cloud", model=None, newer=False, words=""):
    """The report of a bare boot."""
    return reports.parse(console(cpus, flavour, model, newer, words))


def console(cpus=2, flavour="cloud", model=None, newer=False, words=""):
    """The console's text of a bare boot, from build/test/ if it is there and newer than what it was made of. `newer`: in the newer Bochs;
    `words`: of the command line, beside the usual ones."""
    names = ["baseline", flavour, str(cpus), model, "newer" if newer else None, *words.split()]
    directory = harness.ARTIFACTS / "-".join(name for name in names if name).replace(",", "-")  # a comma ends a word of Bochs' configuration
    directory.mkdir(parents=True, exist_ok=True)
    kept = directory / "report.txt"
    with open(directory / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two tests may want it at the same time
        if not is_fresh(kept, flavour):
            emulator = newer_bochs.config() if newer else {}
            kept.write_text(boot(Config(directory=directory, cpus=cpus, model=model, **emulator), flavour, words))
    return kept.read_text()


def is_fresh(kept, flavour):
    """Was it made of this kernel and this initramfs, on this machine?"""
    made_of = (kernel.fetch(flavour).vmlinuz, initramfs.build(), Path(bochs.__file__))
    return kept.exists() and all(kept.stat().st_mtime > file.stat().st_mtime for file in made_of)


def boot(config, flavour, words=""):
    """Boot on the bare machine and return the console's text."""
    with harness.start(machines.linux_bare(flavour, more=words), config, "bochs") as machine:
        assert machine.wait_end(SECONDS), f"the bare machine did not end in {SECONDS} s:\n{harness.tail(machine)}"
        assert reports.parse(machine.text).complete, f"the bare machine's report is not whole:\n{harness.tail(machine)}"
        return machine.text
