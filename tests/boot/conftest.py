"""What all boot tests share: the lab's modules on the path, the guest's files made once, artifacts and exit tables shown."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

import harness  # pylint: disable=wrong-import-position
import matrix  # pylint: disable=wrong-import-position
from lab import initramfs, kernel  # pylint: disable=wrong-import-position
from lab.paths import PLINTH  # pylint: disable=wrong-import-position


def pytest_configure(config):
    """Make what all workers use before they start."""
    if hasattr(config, "workerinput"):
        return
    if not PLINTH.exists():
        raise pytest.UsageError(f"{PLINTH} is missing: run make")
    harness.ARTIFACTS.mkdir(parents=True, exist_ok=True)
    shutil.copy(PLINTH, harness.PLINTH)
    for flavour in kernel.FLAVOURS:
        kernel.fetch(flavour)
    initramfs.build()


@pytest.fixture
def directory(request):
    """The test's own empty folder under build/test/."""
    name = request.node.name.removeprefix("test_").replace("[", "-").rstrip("]")
    return harness.fresh_directory(name)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Show the end of the console log with a failure, and where the whole of it is."""
    outcome = yield
    report = outcome.get_result()
    directory = item.funcargs.get("directory") if hasattr(item, "funcargs") else None
    if report.when == "call" and report.failed and directory:
        log = directory / "console.log"
        text = log.read_text(errors="replace") if log.exists() else "(nothing)"
        report.sections.append((f"console, its last lines; all in {directory}", "\n".join(text.splitlines()[-40:])))


def pytest_terminal_summary(terminalreporter):
    """Show what tests recorded under "show", also of those that passed: the exits of each boot. Then the matrix, if it ran."""
    rows = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            properties = dict(report.user_properties)
            if "row" in properties:
                rows[properties["row"]] = (outcome, properties.get("note", ""))
            for name, value in report.user_properties:
                if name == "show":
                    terminalreporter.write_sep("-", report.nodeid.split("::")[-1])
                    terminalreporter.write_line(value)
    if rows:
        terminalreporter.write_sep("-", "the matrix; also in build/test/compatibility.md")
        terminalreporter.write(matrix.record(rows, harness.ARTIFACTS / "compatibility"))
