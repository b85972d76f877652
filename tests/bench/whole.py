"""Figures of Plinth as a whole: its size, its footprint, its time."""

import re
import tempfile
from pathlib import Path

import machines
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


CPUS = (1, 2, 4, 8)
TOUCHES = 24  # tests/guest/test_bench_smp.c: a CPU's first touches


def scaling(plinth, options, model):
    """A row a number of CPUs: first touches from all CPUs at once, and a change of memory types while the others run."""
    entry = machines.entry(plinth, options, "benchsmp")
    rows = []
    for cpus in CPUS:
        found = machines.measure(f"smp-{cpus}", entry, cpus, model)
        if not found:
            break  # the model has no 1 GiB pages
        # once more for what Plinth measures itself: its debug lines cost ticks, but not in the shootdown
        machines.measure(f"shootdown-{cpus}", machines.entry(plinth, f"{options} log=debug", "benchsmp"), cpus, model)
        console = (machines.BENCH / f"shootdown-{cpus}/console.log").read_text(errors="replace")
        shootdown = min(map(int, re.findall(r"the shootdown took (\d+) ticks", console)))
        apart, shared, change = (found[name][0] for name in ("touches_apart", "touches_shared", "type_change"))
        rows.append([str(cpus), str(apart // TOUCHES), f"{cpus * TOUCHES * 1000 / apart:.2f}", str(shared // TOUCHES), str(change), str(shootdown)])
    return rows


def ept_sizes():
    """[(RAM in GiB, KiB with 1 GiB pages, KiB without)], computed on this machine by the code that makes the tables."""
    program = machines.BENCH / "ept_bytes"
    sources = [ROOT / "tests/bench/ept_bytes.c", *sorted((ROOT / "mm").glob("*.c")), ROOT / "lib/error.c", ROOT / "lib/format.c"]
    run("gcc", "-std=gnu11", "-O2", "-I", ROOT, "-o", program, *sources)
    found = {(int(ram), largest): int(size) >> 10 for ram, largest, size in re.findall(r"ram=(\d+) largest=(\w+) bytes=(\d+)", run(program))}
    return [[str(ram), str(found[ram, "1G"]), str(found[ram, "2M"])] for ram in sorted({ram for ram, _ in found})]
