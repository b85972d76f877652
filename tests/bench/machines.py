"""The machines that the benchmarks run on: the same guest bare and on Plinth, and the same again under Bochs' debugger."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from lab import bochs, emulator, image  # pylint: disable=wrong-import-position
from lab.command import LabError, run  # pylint: disable=wrong-import-position
from lab.machine import Config, Running, listen  # pylint: disable=wrong-import-position
from lab.paths import BUILD, PLINTH, ROOT  # pylint: disable=wrong-import-position

BENCH = BUILD / "bench"
GUEST = BUILD / "guest/testguest.bz"
MEMORY = 128  # MiB
SECONDS = 120
MARKED_MAX = 50  # pairs of markers that the guest passes, at most: commands after the guest's end are never read
UNMARKED = ("first_execute",)  # measures without markers
LINE = re.compile(r"^~ bench\w*: measure=(\w+) least=(\d+) average=(\d+) most=(\d+) rounds=(\d+)", re.MULTILINE)
STARTED = "from here on cpu1 has been started"


def entry(plinth, options="", test="bench"):
    """What GRUB boots: the test guest, on Plinth or (None) on the bare machine."""
    if plinth is None:
        return image.linux_entry(GUEST, command_line=f"test={test}")
    return image.plinth_entry(plinth, f"console=com1,passthrough {options}", [(GUEST, f"test={test}")])


def config(name, cpus, model=None):
    """A machine with a folder of its own under build/bench/."""
    directory = BENCH / name
    directory.mkdir(parents=True, exist_ok=True)
    return Config(directory=directory, cpus=cpus, memory=MEMORY, model=model)


def measure(name, boot_entry, cpus, model=None):
    """Run the guest; {measure: (least, average, most)}. What is measured once more with cpu1 started has "_started" in its name."""
    machine_config = config(name, cpus, model)
    machine_config.iso = image.make_iso(boot_entry, machine_config.directory)
    with emulator.start("bochs", machine_config) as machine:
        ended = machine.wait_end(SECONDS)
        text = machine.text
    if not ended or "1 passed, 0 failed" not in text:
        raise LabError(f"{name}: the guest did not end well; its last lines:\n" + "\n".join(text.splitlines()[-15:]))
    return parse(text)


def parse(text):
    """The measures of a console log."""
    first, _, second = text.partition(STARTED)
    found = {match[1]: tuple(int(match[i]) for i in (2, 3, 4)) for match in LINE.finditer(first)}
    found.update({match[1] + "_started": tuple(int(match[i]) for i in (2, 3, 4)) for match in LINE.finditer(second)})
    return found


def debug(name, boot_entry, cpus, model=None):
    """Run the guest under the debugger, every instruction of all CPUs between two markers printed; returns (names, output)."""
    machine_config = config(name, cpus, model)
    machine_config.iso = image.make_iso(boot_entry, machine_config.directory)
    listener, port = listen()
    rc = machine_config.directory / "bochsrc"
    rc.write_text(bochs.configuration(machine_config, port) + "magic_break: enabled=1\n")
    commands = machine_config.directory / "debugger.rc"
    on, off = ("".join(f"set $cpu = {cpu}\ntrace {word}\n" for cpu in range(cpus)) for word in ("on", "off"))
    commands.write_text("c\n" + f"{on}c\n{off}c\n" * MARKED_MAX)
    with Running([bochs.PROGRAM, "-q", "-f", rc, "-rc", commands], listener, machine_config.directory) as machine:
        ended = machine.wait_end(SECONDS)
        text = machine.text
    if not ended or "1 passed, 0 failed" not in text:
        raise LabError(f"{name}: the traced guest did not end well; its last lines:\n" + "\n".join(text.splitlines()[-15:]))
    names = [name for name in parse(text) if name not in UNMARKED]
    return names, (machine_config.directory / "emulator.out").read_text(errors="replace")
