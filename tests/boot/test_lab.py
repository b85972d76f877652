"""The lab's own logic, where a mistake would make other tests pass or fail for the wrong reason."""

import re

import pytest

import acpi
import budget
import matrix
import report as reports
from lab import bochs, emulator, image, kvm, qemu, terminal
from lab.command import LabError
from lab.machine import Config


def test_quote_leaves_plain_words():
    """Options and kernel parameters come through as they are."""
    assert image.quote("ap_start=icr console=ttyS0,115200") == "ap_start=icr console=ttyS0,115200"


def test_quote_protects_grubs_own_characters():
    """What GRUB's script language would take for its own is quoted."""
    assert image.quote("a=$b c;d") == "'a=$b' 'c;d'"
    assert image.quote("it's") == "'it'\\''s'"


@pytest.mark.parametrize("typed, passed, quits", [
    (b"ls\r", b"ls\r", False),
    (b"\x03", b"\x03", False),
    (b"\x01x", b"", True),
    (b"\x01\x01x", b"\x01x", False),
    (b"\x01qx", b"\x01qx", False),
])
def test_keys(typed, passed, quits):
    """Only Ctrl-A x quits; all else goes to the guest, Ctrl-C too."""
    keys = terminal.Keys()
    assert (keys.feed(typed), keys.quit) == (passed, quits)


def test_keys_arrive_one_by_one():
    """An escape may be cut in two."""
    keys = terminal.Keys()
    keys.feed(b"\x01")
    keys.feed(b"x")
    assert keys.quit


def test_report():
    """Every kind of line."""
    report = reports.parse("cpuinfo: processor=: 1\nmeminfo: 480 kB\nnoise\nexit: cpu=all reason=10 exits=7 ticks=70 name=CPUID\n"
                           "dmesg: <4>[    1.5] trouble at 0x12\nmadt: 4150\nreport: complete\n")
    assert (report.cpus, report.memory_kib, report.madt, report.complete) == ([1], 480, b"AP", True)
    assert report.exits_of(10) == 7 and report.exits_of(48) == 0
    assert reports.troubles(report) == ["trouble at #"]


def test_troubles_differ_by_words_only():
    """Two boots' registers and addresses differ; their words do not."""
    assert reports.blot("RIP: 0010:fpu+0x85a/0xb19") == reports.blot("RIP: 0010:fpu+0x11/0xb20")
    assert reports.blot("CPU 1 stuck") != reports.blot("CPU 1 lost")


def test_balanced_checksum():
    """A changed table still sums to 0."""
    table = bytearray(range(60))
    table[acpi.CHECKSUM] = 0
    table[acpi.CHECKSUM] = -sum(table) & 0xFF
    changes = {45: 1, 50: 0xFF}
    checksum = acpi.balanced(bytes(table), changes)
    for offset, value in {**changes, acpi.CHECKSUM: checksum}.items():
        table[offset] = value
    assert sum(table) & 0xFF == 0


def test_patched_bios_refuses_what_is_not_there(tmp_path):
    """Other firmware than the tests were written for is an error, not an unpatched machine."""
    with pytest.raises(LabError):
        bochs.patched_bios(tmp_path / "bios", (b"no such bytes in it", b"NO SUCH BYTES IN IT"))


def test_budget():
    """What is over it is named; CPUID alone may go on."""
    assert not budget.over({10: 1500, 55: 1})
    assert budget.over({10: 1500, 55: 2, 30: 1}) == ["exit reason 55: 2, the budget is 1", "exit reason 30: 1, the budget is 0"]
    assert not budget.grown({10: 1, 48: 300}, {10: 9, 48: 300})
    assert budget.grown({10: 1, 48: 300}, {10: 9, 48: 301, 31: 2}) == {48: 1, 31: 2}


def test_grub_stamp():
    """GRUB's serial terminal clears its screen first."""
    assert budget.stamp("\x1b[H\x1b[J\x1b[1;1H0xff6af81\nPlinth 0.1\n") == 0xFF6AF81


@pytest.fixture(name="host")
def make_host(tmp_path):
    """Makes the files by which a host shows what its KVM can do; None for a file that it lacks."""
    def host(vendor, nested, device=True):
        files = {"proc/cpuinfo": f"processor\t: 0\nvendor_id\t: {vendor}\n", kvm.NESTED: nested, "dev/kvm": "" if device else None}
        for name, text in files.items():
            if text is not None:
                (tmp_path / name).parent.mkdir(parents=True)
                (tmp_path / name).write_text(text)
        return tmp_path
    return host


@pytest.mark.parametrize("vendor, nested, device, message", [
    ("GenuineIntel", "Y\n", True, None),
    ("GenuineIntel", "1\n", True, None),
    ("GenuineIntel", "N\n", True, "nested VMX is off: `sudo modprobe -r kvm_intel && sudo modprobe kvm_intel nested=1`"),
    ("GenuineIntel", None, True, "has no kvm_intel"),
    ("GenuineIntel", None, False, "there is no /dev/kvm: `modprobe kvm_intel`"),
    ("AuthenticAMD", None, True, "CPU is from AMD, and Plinth needs Intel's VT-x: use EMULATOR=bochs"),
    ("AuthenticAMD", None, False, "there is no /dev/kvm"),
])
def test_kvm_trouble(host, vendor, nested, device, message):
    """What is missing for VMX in KVM's guests, each with its remedy."""
    trouble = kvm.trouble(host(vendor, nested, device))
    assert (message is None) == (trouble is None)
    assert message is None or message in trouble


def test_kvm_without_permission(host, monkeypatch):
    """The device is there, for others."""
    monkeypatch.setattr(kvm.os, "access", lambda *unused: False)
    assert "usermod -aG kvm" in kvm.trouble(host("GenuineIntel", "Y"))


@pytest.mark.parametrize("unusable, trouble, name, chosen", [
    (None, None, "auto", ("kvm", "nested VMX is there")),
    (None, "nested VMX is off: HOW", "auto", ("bochs", "not KVM: nested VMX is off: HOW")),
    (None, "nested VMX is off: HOW", "kvm", ("kvm", "as asked, but Plinth finds no VMX: nested VMX is off: HOW")),
    ("there is no /dev/kvm: HOW", "there is no /dev/kvm: HOW", "auto", ("bochs", "not KVM: there is no /dev/kvm: HOW")),
    (None, None, "qemu", ("qemu", "as asked")),
])
def test_choice(monkeypatch, unusable, trouble, name, chosen):
    """KVM if its guests have VMX, or if it is asked for; what it lacks is told."""
    monkeypatch.setattr(kvm, "unusable", lambda: unusable)
    monkeypatch.setattr(kvm, "trouble", lambda: trouble)
    assert emulator.choose(name) == chosen


def test_choice_of_unusable_kvm(monkeypatch):
    """Asking for KVM where there is none is an error with the remedy, but for who only looks."""
    monkeypatch.setattr(kvm, "unusable", lambda: "there is no /dev/kvm: HOW")
    monkeypatch.setattr(kvm, "trouble", kvm.unusable)
    with pytest.raises(LabError, match="KVM can't be used: there is no /dev/kvm: HOW"):
        emulator.choose("kvm")
    assert emulator.choose("kvm", only_looking=True)[0] == "kvm"


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_kvm_command(monkeypatch, tmp_path, firmware):
    """A q35 machine with the host's CPU and VMX, its serial port for the terminal, the stub for gdb; OVMF if asked for."""
    monkeypatch.setattr(kvm, "trouble", lambda: None)
    config = Config(directory=tmp_path, iso=tmp_path / "boot.iso", firmware=firmware, gdb=qemu.GDB_PORT)
    words = emulator.show("kvm", config, 4555)
    for part in ("-machine q35", "-accel kvm", "-cpu host,+vmx", "port=4555 -serial chardev:console", "-gdb tcp:127.0.0.1:1234"):
        assert part in words
    assert (f"readonly=on,file={qemu.OVMF['uefi'][0]}" in words) == (firmware == "uefi")
    monkeypatch.setattr(kvm, "trouble", lambda: "nested VMX is off")
    assert "-cpu host " in emulator.show("kvm", config, 4555)


def test_matrix_list():
    """Every row can be read, and says what must come of it; names are their own."""
    rows = matrix.rows()
    assert len({row.name for row in rows}) == len(rows)
    assert all(row.outcome in ("pass", "native", "refused") and bool(row.message) == (row.outcome != "pass") for row in rows)
    row = matrix.parse("a debian:report cpus=4,disabled=1+2,options=ap_start=icr-always+log=debug native no EPT")
    assert (row.guest, row.script, row.disabled, row.enabled_cpus, row.message) == ("debian", "report", [1, 2], 2, "no EPT")
    assert row.machine["options"] == "ap_start=icr-always log=debug" and row.config() == {"cpus": 4}


def test_matrix_table(tmp_path, monkeypatch):
    """A result goes into its line of the table, and nothing else changes; a row that failed is not done."""
    document = tmp_path / "compatibility.md"
    document.write_text("Before.\n\n| row | old |\n|---|---|\n| gone | x |\n\nBehind.\n", encoding="utf-8")
    monkeypatch.setattr(matrix, "DOCUMENT", document)
    row, other = matrix.row_of("tests/boot/test_full.py::test_matrix[cpus-3]"), matrix.row_of("tests/boot/test_chainload.py::test_boot_sector")
    assert (row.name, other.name, matrix.row_of("test_full.py::test_matrix[cpus]")) == ("cpus-3", "boot-sector", None)
    matrix.record(row, True, "a note")
    before = document.read_text(encoding="utf-8").splitlines()
    matrix.record(other, False, "")
    after = document.read_text(encoding="utf-8").splitlines()
    assert [line for line in before if line not in after] == [line for line in before if line.startswith("| boot-sector |")]
    assert before[:2] == ["Before.", ""] and before[-2:] == ["", "Behind."] and len(before) == len(matrix.rows()) + 6
    assert matrix.is_done(row) and not matrix.is_done(other)
    changed = matrix.parse("cpus-3 debian:report cpus=3,memory=300 pass")
    monkeypatch.setattr(matrix, "rows", lambda: [changed])
    assert not matrix.is_done(changed), "another machine of the same name"
    assert re.search(r"^\| cpus-3 \| .* \| passed \| \d{4}-\d\d-\d\d \| a note \|$", "\n".join(after), re.MULTILINE)
