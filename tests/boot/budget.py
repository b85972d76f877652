"""The exit budget: what a Debian guest may leave for, from its first instruction to its shell, and that then nothing does but CPUID.

Which MSRs exit is decided by one table (vmm/msr.c), which makes the MSR bitmap, so the counters of RDMSR and WRMSR stand for listed
MSRs only.
"""

import re

import cases

CPUID = 10


def stamp(text):
    """The TSC that GRUB printed right before it left (lab/image.py: stamped)."""
    return int(re.search(r"(?:^|H)0x([0-9a-f]+)$", text, re.MULTILINE)[1], 16)


def boot_ticks(text, report):
    """Ticks from GRUB's last command to the first program of the guest's test."""
    return report.tsc["init"] - stamp(text)


def kernel_seconds(text):
    """The same on the kernel's own clock, which starts when it has unpacked and moved itself."""
    return float(re.search(r"^\[ *([0-9.]+)\] Run /init", text, re.MULTILINE)[1])


def over(exits):
    """What of the exits ({reason: number}) is not in the budget of a boot, as sentences."""
    allowed = {line.reason: line.most for line in cases.EXIT_BUDGET}
    return [f"exit reason {reason}: {number}, the budget is {allowed.get(reason, 0)}"
            for reason, number in exits.items() if number > allowed.get(reason, 0)]


def grown(before, after):
    """The reasons other than CPUID for which there were exits between two readings."""
    return {reason: after[reason] - before.get(reason, 0) for reason in after
            if reason != CPUID and after[reason] != before.get(reason, 0)}


def check(text, report, bare_text, bare):
    """Everything the budget promises, of a boot on Plinth with tests/initramfs/budget beside a bare one. Returns lines for people."""
    readings = report.readings
    assert set(readings) == {"booted", "idle", "busy"}, "the guest did not read the counters three times"
    assert readings["booted"][CPUID] > 0, "no CPUID exit was counted"
    assert not over(readings["booted"]), "\n".join(over(readings["booted"]))
    assert not grown(readings["booted"], readings["idle"]), "exits of an idle guest"
    assert not grown(readings["idle"], readings["busy"]), "exits of a busy guest"
    own, ticks, bare_ticks = report.ticks, boot_ticks(text, report), boot_ticks(bare_text, bare)
    launch = int(re.search(r"Guest: entered (\d+) ticks", text)[1])
    assert own + launch <= (cases.BOOT_TICKS_RATIO - 1) * bare_ticks, f"Plinth's own {own + launch} ticks of {bare_ticks}"
    assert ticks <= cases.BOOT_NOISE_RATIO * bare_ticks, f"{ticks} ticks to the shell, {bare_ticks} on the bare machine"
    seconds, bare_seconds = kernel_seconds(text), kernel_seconds(bare_text)
    assert seconds <= cases.BOOT_NOISE_RATIO * bare_seconds, f"{seconds} s on the kernel's clock, {bare_seconds} s on the bare machine"
    return [f"from GRUB to the guest's init: {ticks} ticks, bare {bare_ticks}: {ticks / bare_ticks:.4f}",
            f"on the kernel's own clock: {seconds} s, bare {bare_seconds} s: {seconds / bare_seconds:.4f}",
            f"Plinth's part: {launch} ticks before the guest, {own} in exits: {(own + launch) / bare_ticks:.4%}"]
