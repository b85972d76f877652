"""Debian's stock kernel on Plinth: every CPU, every promise of the interface, no warning that the bare machine lacks."""

import re
import subprocess

import pytest

import baseline
import budget
import cases
import harness
import machines
import report as reports
from lab.machine import Config
from lab.paths import ROOT

EXCEPTION_OR_NMI, EPT_VIOLATION = 0, 48
IO_INSTRUCTION, PREEMPTION_TIMER = 30, 52
POLLS_A_SECOND = 20
BEFORE_UPTIME = {"cloud": 5, "generic": 100}  # seconds that the kernel's clock leaves out: unpacking itself above all


@pytest.mark.parametrize("case", cases.DEBIAN, ids=lambda case: case.name)
def test_debian(case, directory, record_property):
    """The kernel boots, its report is right, and power-off ends the machine."""
    config = Config(directory=directory, cpus=case.cpus, memory=case.memory, model=case.model)
    with harness.start(machines.linux_on_plinth(case.flavour, case.options, script=case.script), config) as machine:
        assert machine.wait_end(case.seconds), "the machine did not power off"
        text, seconds = machine.text, machine.seconds
    report = reports.parse(text)
    record_property("show", f"{seconds:.0f} s, {launch_ticks(text)} ticks to the guest's entry\n{reports.exit_table(report, case.cpus)}")
    assert report.complete, "the guest's report is not whole"
    check_boot_lines(text)
    check_promises(case, text)
    check_interface(case, report)
    check_memory(case, text, report)
    check_polls(case, text, report)
    bare_text = baseline.console(cpus=case.cpus, flavour=case.flavour)
    bare = reports.parse(bare_text)
    check_troubles(report, bare)
    if report.buckets:
        check_picture(text, directory)
    if case.script == "budget":
        record_property("show", "\n".join(budget.check(text, report, bare_text, bare)))


def check_boot_lines(text):
    """What Plinth prints, and what must not be there."""
    for line in cases.BOOT_LINES:
        assert re.search(line, text, re.MULTILINE), f"no line matches {line!r}"
    for line in cases.FORBIDDEN_LINES:
        found = re.search(line + ".*", text, re.MULTILINE)
        assert not found, found[0]


def launch_ticks(text):
    """Ticks from the multiboot entry to the guest's."""
    found = re.search(r"Guest: entered (\d+) ticks", text)
    return int(found[1]) if found else None


def footprint_kib(text):
    """The block's size."""
    return int(re.search(r"block at \S+, (\d+) KiB", text)[1])


def check_promises(case, text):
    """The footprint and the time to the guest's first instruction."""
    most = cases.FOOTPRINT_KIB + max(0, case.cpus - 2) * cases.FOOTPRINT_KIB_PER_CPU
    assert footprint_kib(text) <= most
    if case.cpus <= 2:
        assert launch_ticks(text) <= cases.LAUNCH_TICKS


def check_interface(case, report):
    """Every CPU is there, says it is Plinth's, and counts."""
    assert report.cpus == list(range(case.cpus))
    assert [line["cpu"] for line in report.stats] == [str(cpu) for cpu in range(case.cpus)]
    for line in report.stats:
        assert (line["hypervisor"], line["signature"], line["version"]) == ("1", "PlinthPlinth", "2"), line
        assert line["cpus"] == str(case.cpus), line
    assert report.exits_of(10) > 0, "no CPUID exit was counted"
    for cpu in range(case.cpus):
        assert report.exits_of(10, str(cpu)) > 0, f"no CPUID exit was counted on CPU {cpu}"
    check_violations(case, report)
    check_histograms(case, report)


def check_histograms(case, report):
    """Each exit is in a bucket, of each CPU and reason; but reading them is CPUIDs."""
    assert bool(report.buckets) == ("statistics=histogram" in case.options)
    for line in report.exits if report.buckets else ():
        exits = [int(bucket["exits"]) for bucket in report.buckets if (bucket["cpu"], bucket["reason"]) == (line["cpu"], line["reason"])]
        more = sum(exits) - int(line["exits"])
        assert 0 <= more <= (17 if line["reason"] == "10" else 0), line


def check_picture(text, directory):
    """The table in the guest has bars, the shared line's ports first as there are most; and the console's log becomes a picture."""
    rows = re.findall(r"^table: (\S+) +\d+ +\d+\.\d% +\d+\.\d% +\d+ .*\n((?:table: +\d+ \.\. .* #+$\n)+)", text, re.MULTILINE)
    assert rows and rows[0][0] == "IO_INSTRUCTION" and dict(rows)["CPUID"].count("\n") > 1
    subprocess.run([ROOT / "tools/plinth-histogram", directory / "console.log", "-o", directory / "histogram.svg"], check=True)
    picture = (directory / "histogram.svg").read_text()
    assert all(f"{reason}: " in picture for reason, _ in rows)


def check_violations(case, report):
    """Nothing of the guest's boot faults in the EPT but its writes to the trapped local APIC (ap_start=icr, while a CPU waits to be
    started), each of which ends in one single-step exception, or comes again after another exit has cancelled that step, and the one that
    finds all started; without other CPUs there is no trap."""
    violations, steps = report.exits_of(EPT_VIOLATION), report.exits_of(EXCEPTION_OR_NMI) + report.exits_of(PREEMPTION_TIMER)
    fills = -(-max(0, case.memory - 3072) // 1024)  # RAM above 4 GiB is mapped on its first touch, a GiB at a time
    assert violations <= fills + (steps + 1 if case.cpus > 1 else 0), f"{violations} EPT violations, {steps} steps"


def check_memory(case, text, report):
    """The guest has all memory but the block: firmware, kernel and page structures take less than an eighth more."""
    left = case.memory * 1024 - footprint_kib(text)
    assert report.memory_kib > left * 7 // 8 - 24 * 1024
    start = int(re.search(r"block at ([0-9a-f]+)", text)[1], 16)
    last = start + footprint_kib(text) * 1024 - 1
    areas = re.findall(r"BIOS-e820: \[mem (0x[0-9a-f]+)-(0x[0-9a-f]+)\] reserved", text)
    assert any(int(low, 16) <= start and last <= int(high, 16) for low, high in areas), "the block is not reserved in the guest's e820"


def check_polls(case, text, report):
    """On a shared serial line Plinth looks 20 times a second whether something was typed; without it neither that nor a port exits."""
    polls, ports = report.exits_of(PREEMPTION_TIMER), report.exits_of(IO_INSTRUCTION)
    if "passthrough" in case.options:
        assert (polls, ports) == (0, 0)
        return
    uptime = float(re.search(r"^uptime: (\S+)", text, re.MULTILINE)[1])
    assert 0 < polls <= POLLS_A_SECOND * (uptime + BEFORE_UPTIME[case.flavour]), f"{polls} looks at the serial line in {uptime} s"
    assert ports > 0, "the kernel's console isn't the shared line"


def check_troubles(report, bare):
    """Every warning of the kernel is one that it has on the bare machine too."""
    known = set(reports.troubles(bare))
    new = [line for line in reports.troubles(report) if line not in known]
    assert not new, "warnings that the bare machine does not show:\n" + "\n".join(new)


def test_unknown_msrs_fault(directory):
    """Where reading an unknown MSR is #GP (Bochs' ignore_bad_msrs=0), this kernel's first RDMSR of 0x1a0 ends in a triple fault, on the
    bare machine too; Plinth gets as far, and says what happened."""
    config = Config(directory=directory, ignore_bad_msrs=False)
    with harness.start(machines.linux_on_plinth(options="on_crash=halt"), config) as machine:
        assert machine.wait(90, "halted; reset the machine"), "no crash report"
        check_boot_lines(machine.text.split("error: CRASH")[0])
        assert "error: CRASH on cpu0: triple fault in the guest, at which the machine would reset\n" in machine.text
        assert re.search(r"rcx 0+1a0 ", machine.text), "the guest died elsewhere"
