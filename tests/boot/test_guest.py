"""The built-in test guest (tests/guest): what it observes on Plinth is what it observes on the bare machine."""

import re

import pytest

import cases
import harness
import machines
from lab import image
from lab.machine import Config


@pytest.mark.parametrize("case", cases.GUEST, ids=lambda case: case.name)
def test_guest(case, directory):
    """The same program, twice."""
    machine = {"cpus": case.cpus, "memory": 128, "model": case.model, "ignore_bad_msrs": case.ignore_bad_msrs, "msrs": case.msrs}
    harness.compare(directory, machines.guest_bare(case.words), machines.guest_on_plinth(case.words, case.options), case.seconds, **machine)


def test_mtrr_types_reach_the_ept(directory):
    """The guest makes 64 KiB write-combining by its MTRRs and takes that back: Plinth's dumps of the EPT show both, and the merge."""
    config = Config(directory=directory, cpus=2, memory=128, ignore_bad_msrs=False)
    with harness.start(machines.guest_on_plinth("test=smp,mtrr", "log=debug ledger=1"), config) as machine:
        assert machine.wait_end(60), f"the guest did not end:\n{harness.tail(machine)}"
        first, last = machine.text.split("= mtrr: base")[:2]
    assert re.search(r"^ledger: MSR 3a-3a: read locked, no VMX, write #GP", first, re.MULTILINE)
    assert re.search(r"^ledger: CPUID 1 ECX bits 20: hidden \(VMX", first, re.MULTILINE)
    assert re.search(r"^ledger: CPUID d,13 EAX bits ffffffff: hidden \(APX\)", first, re.MULTILINE)
    assert "EPT: 0000000005000000-0000000005010000 rwx WC 4K\n" in first
    assert f"EPT: 0000000000200000-{cases.BLOCK.start:016x} rwx WB 2M\n" in last
    assert " WC " not in last


def test_large_pages_are_not_executable(directory):
    """itlb_multihit=on: the guest runs from small pages; a dump of the EPT shows no larger one that it could execute."""
    config = Config(directory=directory, cpus=2, memory=128, ignore_bad_msrs=False)
    with harness.start(machines.guest_on_plinth("test=smp,event,mtrr", "log=debug itlb_multihit=on"), config) as machine:
        assert machine.wait_end(60), f"the guest did not end:\n{harness.tail(machine)}"
        text = machine.text
    assert "Side channels: small executable pages on (asked for)" in text
    assert "= guest: 3 passed, 0 failed" in text, harness.tail(machine)
    sizes = re.findall(r"^EPT: \S+ (...) \w+ (\w+)$", text, re.MULTILINE)
    assert ("rw-", "2M") in sizes and ("rwx", "4K") in sizes
    assert not [rights for rights, size in sizes if rights[2] == "x" and size != "4K"]


def test_block_is_an_empty_bus(directory):
    """Plinth's block, where it lies on this machine, probed by two CPUs from every angle."""
    config = Config(directory=directory, cpus=2, memory=128, ignore_bad_msrs=False)
    with harness.start(machines.guest_on_plinth(f"test=smp,block block={cases.BLOCK.start:#x}-{cases.BLOCK.stop:#x}"), config) as machine:
        assert machine.wait_end(120), f"the guest did not end:\n{harness.tail(machine)}"
        text = machine.text
    assert f"Plinth's block at {cases.BLOCK.start:x}, 2048 KiB" in text, "the block lies elsewhere now: change BLOCK in cases.py"
    assert "= block: pass" in text, harness.tail(machine)
    assert "writes to Plinth's block at" in text
    assert text.count("no more reports from this cpu") == 2, "each CPU's reports must be bounded"


def test_shortage_of_page_tables(directory):
    """More different memory than there are page tables for, on a CPU without 1 GiB EPT pages: tables give way, and the guest notices nothing."""
    text = harness.compare(directory, machines.guest_bare("test=smp,shortage"), machines.guest_on_plinth("test=smp,shortage"), 120,
                           cpus=2, memory=128, model="corei5_arrandale_m520", ignore_bad_msrs=False)
    assert "= shortage: pass" in text
    assert "the page pool is empty: tables that can be made again give way" in text, "there was no shortage"
    assert "warning:" not in text


# tests/guest/test_watch.c: what it may not write, execute, write (with pauses), write, and not even read
WATCH = "watch=0x5200000+0x10:w,0x5202000+0x1000:x,0x5204000+0x1000:wp,0x5205000+8:w,0x5206000+0x1000:rwx"


def test_watched_memory(directory):
    """Watches report and are not noticed; a right that another CPU uses is gone when its withdrawal is over."""
    text = harness.compare(directory, machines.guest_bare("test=smp,watch"), machines.guest_on_plinth("test=smp,watch", WATCH), 120,
                           cpus=2, memory=128, ignore_bad_msrs=False)
    assert "= watch: pass" in text
    assert "watch 0: 5200000 to 5200010, w" in text
    reports = re.findall(r"^watch (\d): cpu(\d) (\w+) (\w+)( in a page walk)?, rip (\w+), cpl (\d)", text, re.MULTILINE)
    assert [(number, verb, address) for number, _, verb, address, *_ in reports[:2]] == [("0", "writes", "5200000"), ("0", "writes", "5200008")]
    assert not any(number == "0" and int(address, 16) >= 0x5200010 for number, _, _, address, *_ in reports)
    assert any(number == "2" and cpu == "1" for number, cpu, *_ in reports), "nothing about the other cpu"
    assert "watch 2: pauses after" in text
    assert re.search(r"^watch: cpu0: \d+ more", text, re.MULTILINE), "the reports aren't bounded"


def test_triple_fault_resets(directory):
    """A triple fault resets the machine, as hardware does: Plinth says so, and comes up again."""
    # one CPU: with two, Bochs' firmware stops after a reset with "Keyboard error:21"
    config = Config(directory=directory, cpus=1, memory=128, ignore_bad_msrs=False)
    with harness.start(machines.guest_on_plinth("test=triple"), config) as machine:
        assert machine.wait(60, "triple fault now")
        assert machine.wait(10, r"^error: cpu0: triple fault in the guest: resetting the machine"), harness.tail(machine)
        assert machine.wait(30, r"^Plinth .* loaded by GRUB"), f"no second boot:\n{harness.tail(machine)}"
        assert machine.wait(10, r"^The previous boot ended with:\n(  \| .*\n)*?  \| error: cpu0: triple fault in the guest"), harness.tail(machine)


def test_crash_stops_every_cpu(directory):
    """on_crash=halt: after the report no CPU runs guest code; the second one of this guest prints dots as long as it runs. Nor does the
    report wait for the end of that line."""
    config = Config(directory=directory, cpus=2, memory=128, ignore_bad_msrs=False)
    with harness.start(machines.guest_on_plinth("test=smp,triple", "console=com1 on_crash=halt"), config) as machine:
        assert machine.wait(60, r"\.= triple: triple fault now"), "the second CPU prints no dots"
        assert machine.wait(30, "^plinth: error: CRASH"), harness.tail(machine)
        assert machine.wait(30, "halted; reset the machine"), harness.tail(machine)
        machine.wait(1)
        seen = len(machine.text)
        machine.wait(4)
        assert machine.text[seen:] == "", "something still runs"


@pytest.mark.parametrize("case", cases.PLANTED, ids=lambda case: case.field)
def test_failed_entry_names_the_field(case, directory):
    """The CPU says only that an entry failed: the report names the field and the rule, and just that one."""
    elf = harness.planted(f"{case.field}-{case.value}")
    entry = image.plinth_entry(elf, f"{machines.PASSTHROUGH} on_crash=halt", [(machines.GUEST, "test=boot")])
    config = Config(directory=directory, cpus=1, memory=128, ignore_bad_msrs=False)
    with harness.start(entry, config) as machine:
        assert machine.wait(60, "halted; reset the machine"), harness.tail(machine)
        text = machine.text
    assert re.search(rf"^error: CRASH on cpu0: .*{case.failure}", text, re.MULTILINE), text
    assert re.search(rf"^error: VM-entry check: {case.field} = .*{case.rule}", text, re.MULTILINE), text
    assert text.count("VM-entry check") == 1, "only what was planted"
