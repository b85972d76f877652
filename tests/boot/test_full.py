"""Every row of matrix.list: the guest does on Plinth what the row says, or Plinth names what the machine lacks."""

import re

import pytest

import acpi
import baseline
import cases
import harness
import machines
import matrix
import report as reports
import test_debian as debian
from lab import bochs, image, initramfs, kernel
from lab.machine import Config
from lab.paths import BUILD

pytestmark = pytest.mark.full

SECONDS = 900
PLINTH_STARTS = r"^Plinth .*, loaded by GRUB"
CPUID = 10  # basic exit reason
ENTRY_FLAGS = 4  # offset in a MADT's local APIC entry (ACPI 6.5, table 5.21); bit 0: enabled


@pytest.mark.parametrize("row", [row for row in matrix.rows() if row.guest != "test"], ids=str)
def test_matrix(row, directory, record_property):
    """The guest's own way to its end, then what must be true."""
    if row.guest == "testguest":
        record_property("note", check_testguest(row, directory))
        return
    config = Config(directory=directory, **row.config())
    with harness.start(entry(row), config) as machine:
        if row.outcome == "refused":
            record_property("note", check_refused(row, machine))
            return
        WATCHES.get(row.script, watch_to_the_end)(machine)
        text, seconds = machine.text, machine.seconds
    if row.outcome == "native":
        record_property("note", check_native(row, text))
    else:
        CHECKS.get(row.script, check_report)(row, text, directory)
        record_property("note", f"{features(text)}; {seconds:.0f} s")


def entry(row):
    """What GRUB boots."""
    before = disable(row) if row.disabled else ()
    words = row.machine.get("words", "")
    if row.script == "life-kexec":
        return kexec_entry(row, before)
    return machines.linux_on_plinth(options=row.machine.get("options", ""), before=before, script=row.script, more=words)


def kexec_entry(row, before):
    """An initramfs with the kernel and an initramfs in it."""
    inside = {"boot/vmlinuz": kernel.fetch().vmlinuz, "boot/initrd.img": initramfs.build()}
    bigger = initramfs.build(BUILD / f"initrd-{row.name}.img", inside)
    (vmlinuz, words), _ = machines.linux_modules(script=row.script)
    return image.stamped(image.plinth_entry(harness.PLINTH, row.machine.get("options", ""), [(vmlinuz, words), (bigger, "")], before))


def disable(row):
    """GRUB commands that clear the enabled flag of CPUs in the MADT; its local APIC entries come first, of 8 bytes each."""
    report = baseline.report(cpus=int(row.machine["cpus"]))
    changes = {cases.FIRST_ENTRY + 8 * index + ENTRY_FLAGS: 0 for index in row.disabled}
    return acpi.change(report, "APIC", changes, balance=True)


# ---- How far a guest goes ----


def watch_to_the_end(machine):
    """It switches the machine off by ACPI."""
    assert not machine.wait(SECONDS, "Kernel panic - not syncing"), f"the guest panics:\n{harness.tail(machine)}"
    assert machine.wait_end(1), f"the machine did not power off:\n{harness.tail(machine)}"
    assert not bochs.trouble(machine.log.parent)


def watch_two_reboots(machine):
    """It comes twice from its end through GRUB to Plinth, and on."""
    for _ in range(2):
        assert machine.wait(SECONDS, "^life: (reboot|panic)"), harness.tail(machine)
        assert machine.wait(120, PLINTH_STARTS), f"Plinth does not come back:\n{harness.tail(machine)}"
    assert machine.wait(SECONDS, "^test-begin: life"), harness.tail(machine)


WATCHES = {"life-reboot": watch_two_reboots, "life-panic": watch_two_reboots}


# ---- What must be true then ----


def features(text):
    """What Plinth says it uses of the CPU."""
    found = re.search(r"^VT-x: (.*)", text, re.MULTILINE)
    return found[1] if found else "-"


def ram(text):
    """MiB that Plinth found: Bochs takes from the sum what lies under the hole below 4 GiB."""
    return int(re.search(r"^Memory: (\d+) MiB", text, re.MULTILINE)[1])


def check_report(row, text, _):
    """As test_debian.py, without the promises of size and time."""
    report = reports.parse(text)
    assert report.complete, "the guest's report is not whole"
    debian.check_boot_lines(text)
    case = cases.Debian(row.name, cpus=row.enabled_cpus, memory=ram(text))
    debian.check_interface(case, report)
    debian.check_memory(case, text, report)
    check_size(int(row.machine.get("memory", Config.memory)), text)
    if not row.disabled:
        debian.check_troubles(report, baseline.report(cpus=case.cpus, model=row.machine.get("model"), newer=row.is_newer,
                                                        words=row.machine.get("words", "")))


def check_size(memory, text):
    """Plinth found all of it but its block and what the firmware leaves to devices, in Bochs 3 to 4 GiB; the guest uses what lies above."""
    hidden = min(max(memory - 3072, 0), 1024)
    assert memory - hidden - 6 <= ram(text) < memory
    assert memory <= 4096 or re.search(r"  Normal   \[mem 0x0000000100000000-", text), "the guest's allocator has nothing above 4 GiB"


def check_boots(_, text, __):
    """Each of Plinth's starts was a good one: the same place, the same memory for the guest, with a log of the boot before or without
    one, and counters that begin anew."""
    debian.check_boot_lines(re.sub("Kernel panic|Oops|BUG:", "", text))  # a panic is what one of them is about
    boots = re.split(PLINTH_STARTS, text, flags=re.MULTILINE)[1:]
    assert len(boots) == 3
    for kept in (r"Plinth's block at \S+, \d+ KiB", r"BIOS-e820: (.*)", r"^Memory: (\d+ MiB)", r"^VT-x: (.*)"):
        lines = {tuple(re.findall(kept, boot, re.MULTILINE)) for boot in boots}
        assert len(lines) == 1 and lines != {()}, lines
    first, second = (reports.parse(boot).exits_of(CPUID) for boot in boots[:2])
    assert 0 < second < 1.2 * first and first < 1.2 * second, f"{first} exits for CPUID in one boot, {second} in the next"


def check_kexec(row, text, _):
    """Plinth started once, Linux twice; the second one has all CPUs and memory, and the counters went on."""
    report = reports.parse(text)
    assert report.complete, "the second kernel's report is not whole"
    assert len(re.findall(PLINTH_STARTS, text, re.MULTILINE)) == 1 and "life: kexec" in text
    assert len(re.findall(r"^\[    0.000000\] Linux version", text, re.MULTILINE)) == 2
    assert report.cpus == list(range(row.enabled_cpus))
    assert report.exits_of(CPUID) > 1000, "the counters did not go on"
    debian.check_memory(cases.Debian(row.name, cpus=row.enabled_cpus, memory=ram(text)), text, report)


def check_hotplug(row, text, _):
    """A hundred times, with all CPUs and the same memory after it."""
    report = reports.parse(text)
    assert report.complete and "life: off and on 100 times" in text
    assert report.cpus == list(range(row.enabled_cpus))
    before, after = (int(re.search(rf"life: memory {when} (\d+)", text)[1]) for when in ("before", "after"))
    assert before == after


def check_load(row, text, directory):
    """The lines of the load are those of the bare machine."""
    check_report(row, text, directory)
    (directory / "bare").mkdir()
    config = Config(directory=directory / "bare", **row.config())
    with harness.start(machines.linux_bare(script=row.script), config) as machine:
        watch_to_the_end(machine)
        expected = stress_lines(machine.text)
    assert len(expected) == 6 and stress_lines(text) == expected


def stress_lines(text):
    """What tests/initramfs/stress.c prints."""
    return re.findall(r"^= stress .*", text, re.MULTILINE)


CHECKS = {"life-reboot": check_boots, "life-panic": check_boots, "life-kexec": check_kexec, "life-hotplug": check_hotplug,
          "load": check_load}


def check_native(row, text):
    """Plinth says what is missing, and the guest runs without it."""
    found = re.search(f"^.*{row.message}.*", text, re.MULTILINE)
    assert found, f"no message like {row.message!r}"
    report = reports.parse(text)
    assert report.complete and report.stats[0]["hypervisor"] == "0", "the guest did not run natively"
    return " ".join(found[0].split())


def check_refused(row, machine):
    """Plinth says what is missing and stops, so that it can be read."""
    found = machine.wait(30, f"^.*{row.message}.*")
    assert found, f"no message like {row.message!r}"
    machine.wait(2)
    assert machine.process.poll() is None, "the machine ended"
    return " ".join(found[0].split())


def check_testguest(row, directory):
    """Its lines, from two machines."""
    fields = {"memory": 128, **row.config(), "ignore_bad_msrs": False}
    words = row.machine.get("words", "")
    text = harness.compare(directory, machines.guest_bare(words), machines.guest_on_plinth(words, row.machine.get("options", "")), SECONDS, **fields)
    return f"{features(text)}; {len(harness.observations(text))} lines as on the bare machine"
