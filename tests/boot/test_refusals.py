"""What Plinth can't run on or with: one clear message with the remedy, then nothing more: no hang before it, no reset after it."""

import pytest

import cases
import harness
import machines

SECONDS = 60  # until the message
QUIET_SECONDS = 2  # after it


@pytest.mark.parametrize("case", cases.REFUSALS, ids=lambda case: case.name)
def test_refusal(case, directory):
    """The message comes, and the machine stays as it is, so that the message can be read."""
    entry, config, emulator = machines.BUILDERS[case.build](directory, **case.arguments)
    with harness.start(entry, config, emulator) as machine:
        assert machine.wait(SECONDS, case.message), f"no message like {case.message!r}"
        assert machine.wait(5, cases.STOPPED), "Plinth does not say that it stops"
        machine.wait(QUIET_SECONDS)
        assert machine.text.count("Plinth stops here") == 1, "the machine was reset"
        assert machine.process.poll() is None, "the machine ended"
        assert "Linux version" not in machine.text


@pytest.mark.parametrize("case", cases.ODD, ids=lambda case: case.name)
def test_odd_machine(case, directory):
    """The message comes, and then the guest."""
    entry, config, emulator = machines.BUILDERS[case.build](directory)
    with harness.start(entry, config, emulator) as machine:
        assert machine.wait(SECONDS, case.message), f"no message like {case.message!r}"
        assert machine.wait(SECONDS, r"Guest: entered"), "the guest was not started"
        assert machine.wait(SECONDS, r"Linux version"), "the guest does not run"
