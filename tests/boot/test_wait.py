"""ap_start=wait, the way for real CPUs: INIT and SIPI exit, and the CPU waits in the wait-for-SIPI activity state.

Bochs 2.7 has that state, but can't start a CPU from it. The Bochs of the next Debian can, with two limits, which the
guest's words name: an INIT that reaches a waiting CPU stays pending and wins over the SIPI (SDM 25.2: it is blocked), so
`one_init`; and a SIPI is lost that comes before the INIT's exit has led back into the guest, as it is by the SDM on any
CPU, so `sipi_delay`, in microseconds: at 20 million instructions a second, 200 ticks for both CPUs together.
"""

import re

import pytest

import harness
import machines
from lab import newer_bochs
from lab.machine import Config
RESTARTS = "test=boot,smp,restart,x2restart one_init sipi_delay=10"


@pytest.mark.parametrize("cpus", [2, pytest.param(4, marks=pytest.mark.full)])
def test_wait_starts_cpus(cpus, directory):
    """CPUs start, stop and start again, also all at once and ten times, and an NMI to a waiting one does nothing."""
    text = harness.compare(directory, machines.guest_bare(RESTARTS), machines.guest_on_plinth(RESTARTS, "ap_start=wait"), 120, cpus=cpus,
                           memory=128, ips=20_000_000, ignore_bad_msrs=False, **newer_bochs.config())
    assert "= guest: 4 passed, 0 failed, 0 skipped" in text


@pytest.mark.full
@pytest.mark.parametrize("cpus", [2, 4])
def test_debian_with_wait(cpus, directory):
    """Debian's kernel starts all CPUs; no access to a local APIC exits. Its INIT reaches a waiting CPU, so only the second SIPI starts that
    one here, and it must find it waiting: with cpu_init_udelay= it comes 300 microseconds after the first, else 10."""
    config = Config(directory=directory, cpus=cpus, **newer_bochs.config())
    text = harness.console(machines.linux_on_plinth(options=f"{machines.PASSTHROUGH} ap_start=wait", more="cpu_init_udelay=100"), config, 300)
    assert "AP start: ap_start=wait, as asked for" in text
    assert re.search(rf"smp: Brought up 1 node, {cpus} CPUs", text), text[-2000:]
    reasons = set(re.findall(r"^exit: cpu=all reason=\d+ exits=\d+ ticks=\d+ name=(.*)", text, re.MULTILINE))
    assert reasons == {"INIT", "SIPI", "CPUID", "CR_ACCESS", "RDMSR", "WRMSR", "XSETBV"}
