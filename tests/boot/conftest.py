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


def pytest_addoption(parser):
    """Options for the matrix."""
    parser.addoption("--record", action="store_true", help="write results of the matrix's rows into docs/compatibility.md, each as it comes")
    parser.addoption("--missing", action="store_true", help="only rows of the matrix that docs/compatibility.md doesn't show as done")


def pytest_configure(config):
    """Make what all workers use before they start."""
    if hasattr(config, "workerinput"):
        return
    if config.option.record:
        config.pluginmanager.register(Recorder())
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


class Recorder:
    """Writes a row's result as soon as it is there. Only in the process that started all others."""

    @staticmethod
    def pytest_runtest_logreport(report):
        """A test has ended, or failed before it began."""
        row = matrix.row_of(report.nodeid)
        if row and (report.when == "call" or report.failed):
            note = dict(report.user_properties).get("note", "")
            matrix.record(row, report.passed, note or f"{report.duration:.0f} s")

    @staticmethod
    def pytest_terminal_summary(terminalreporter):
        """The table, with what earlier runs have left in it."""
        terminalreporter.write_sep("-", "the matrix; also in docs/compatibility.md")
        terminalreporter.write(matrix.table(matrix.recorded(matrix.DOCUMENT.read_text(encoding="utf-8"))))


def pytest_collection_modifyitems(config, items):
    """Mark tests that are rows of the matrix; with --missing leave only those that are not done."""
    for item in list(items):
        row = matrix.row_of(item.nodeid)
        if row:
            item.add_marker("row")
        if config.option.missing and not (row and not matrix.is_done(row)):
            items.remove(item)


def pytest_terminal_summary(terminalreporter):
    """Show what tests recorded under "show", also of those that passed: the exits of each boot. Then the sum of a soak."""
    soaked = []
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            soaked += [[int(number) for number in value.split()] for name, value in report.user_properties if name == "soak"]
            for name, value in report.user_properties:
                if name == "show":
                    terminalreporter.write_sep("-", report.nodeid.split("::")[-1])
                    terminalreporter.write_line(value)
    if soaked:
        steps, exits, seconds = (sum(column) for column in zip(*soaked))
        terminalreporter.write_line(f"soak: {len(soaked)} seeds, {steps} random steps, {exits} exits, {seconds} s of emulator time")
