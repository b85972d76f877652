"""The monitor on a serial line of its own, as a person meets it; the guest is one that hangs with interrupts off."""

import json
import re
import select
import socket
import subprocess
import threading
from pathlib import Path

import pytest

import cases
import harness
import machines
from lab.machine import Config

PROMPT = r"^plinth> \x1b\[K(?=$|\x1b\[K)"  # at the start of a row, else it is one drawn again; a line of the log may come right behind
SECONDS = 30
TOOLS = Path(__file__).resolve().parents[2] / "tools"


class Monitor:
    """A person at the second serial port."""

    def __init__(self, machine):
        self.machine = machine
        assert machine.com2.wait(60, PROMPT), f"no prompt:\n{machine.com2.text}\n{harness.tail(machine)}"

    def ask(self, command):
        """Type a line; what is said up to the next prompt, without the echo. A prompt before that may be one drawn again."""
        return self.send(command.encode() + b"\r", re.escape(command) + "\n")

    def send(self, data, echo=""):
        """Send bytes, and return all that comes, behind the echo, up to the next prompt."""
        line = self.machine.com2
        start = line.seen
        line.write(data)
        if echo:
            assert line.wait(SECONDS, echo), f"no echo of {data!r}:\n{line.text[start:]}"
            start = line.seen
        match = line.wait(SECONDS, PROMPT)
        assert match, f"no answer to {data!r}:\n{line.text[start:]}"
        return line.text[start:match.start()]


@pytest.fixture
def hung(directory):
    """(machine, monitor) of a guest whose CPUs all spin with interrupts off."""
    config = Config(directory=directory, cpus=2, memory=128, ignore_bad_msrs=False, com2=True)
    with harness.start(machines.guest_on_plinth("test=hang", "console=com2,own"), config) as machine:
        monitor = Monitor(machine)
        assert machine.wait(60, "= hang: spinning"), harness.tail(machine)
        yield machine, monitor


def number(text, pattern):
    """The hexadecimal number that the pattern's group finds."""
    return int(re.search(pattern, text, re.MULTILINE)[1], 16)


def test_hung_guest_is_stopped(hung):
    """Both CPUs stop where they spin and go on; each line that is wrong gets one error line."""
    machine, monitor = hung
    spin = number(machine.text, r"hang: spin at (\S+)")
    assert "runs or sleeps" in monitor.ask("info cpus")
    assert monitor.ask("stop") == "stopped: 2 of 2 CPUs\n"
    registers = monitor.ask("regs 1")
    rip = number(registers, r"rip 0008:(\S+)")
    assert spin <= rip < spin + 64 and "interrupts off" in registers
    assert monitor.ask("regs 1") == registers, "it still runs"
    assert monitor.ask("cont") == ""
    assert monitor.ask("cont") == "error: the guest is not stopped\n"
    for line, error in (("frobnicate", "unknown command"), ("info ept zz", "no hexadecimal number"), ("regs 7", "there is no cpu7"),
                        ("regs 18446744073709551615", "there is no cpu18446744073709551615"), ("info msr 12345678", "has no MSR")):
        answer = monitor.ask(line)
        assert answer.startswith("error: ") and error in answer and answer.count("\n") == 1
    assert "= " not in machine.com2.text, "the guest has found Plinth's serial port"
    assert "PREEMPTION_TIMER" in monitor.ask("info exits")


def test_nmi(hung):
    """Each CPU takes the NMI that it was given, once, spinning or stopped; of a stopped one's two both, and of its three no more."""
    machine, monitor = hung
    places = [number(machine.text, rf"hang: nmis of cpu{cpu} at (\S+)") for cpu in range(2)]

    def taken():
        return [number(monitor.ask(f"x/xw {place:x}"), r": (\S+)") for place in places]

    start = taken()
    assert monitor.ask("nmi") == monitor.ask("nmi 0") == "cpu0: NMI given to the guest\n" and taken() == [start[0] + 2, start[1]]
    assert monitor.ask("nmi 1") == "cpu1: NMI given to the guest\n" and taken() == [start[0] + 2, start[1] + 1]
    monitor.ask("stop")
    for _ in range(3):
        monitor.ask("nmi 1")
    assert taken() == [start[0] + 2, start[1] + 1]
    monitor.ask("cont")
    assert taken() == [start[0] + 2, start[1] + 3]  # one to be delivered, one that waits behind it
    assert monitor.ask("nmi 2").startswith("error: there is no cpu2")


# What the info commands say; what is known from elsewhere agrees.
INFO = (("version", r"^Plinth 0\.\d, 2 CPUs; options that aren't as by default:\n  console=com2,own$"), ("memory", rf"^block {cases.BLOCK.start:x}-{cases.BLOCK.stop:x}, 2048 KiB; pool: \d+ of \d+ pages free$"),
        ("mitigations", r"^Side channels: L1D flush \w+.*\n(Side channels: .*\n){3}\Z"), ("mtrr", r"^cpu0: capability \S+, default type c06$"),
        ("msr 277", r"^cpu0: MSR 277 is 000[0-9a-f]{13} "), ("cpuid 40000000", r"guest's: eax 400000\w\w ebx 6e696c50 "),
        ("ledger", r"^ledger: CPUID 1 ECX bits 20: hidden \(VMX"), ("log", r"^Guest: entered \d+ ticks"), ("cpus", r"^cpu1: APIC ID 1, "))


def tables_are_shown(monitor, address):
    """`info walk`: the entries are those that `xp` finds at the addresses it names, each leads to the next, and the last to the page."""
    walk = monitor.ask(f"info walk {address:x} 1")
    entries = re.findall(r"^cpu1: level (\d), entry at (\w+): (\w{16})$", walk, re.MULTILINE)
    assert [level for level, _, _ in entries] == ["4", "3", "2"] and f"cpu1: {address:x} is physical {address:x}, in a page of 2048 KiB; rwx" in walk
    table = number(monitor.ask("regs 1"), r"cr3 (\w+)")
    for level, place, entry in entries:
        assert int(place, 16) == (table & ~0xfff) + 8 * (address >> 12 + 9 * (int(level) - 1) & 0x1ff)
        assert monitor.ask(f"xp {place}") == f"{int(place, 16):016x}: {entry}\n"
        table = int(entry, 16)
    assert table & ~0x1fffff & (1 << 52) - 1 == address & ~0x1fffff and f"\n{address:x}: " in walk and " rwx WB" in walk
    absent = monitor.ask("info walk ffff800000000000")
    assert re.search(r"^cpu0: level 4, entry at \w+: 0{16}\nerror: ffff800000000000: not mapped\n\Z", absent), absent
    assert monitor.ask("info walk 8000000000000000") == "error: 8000000000000000: not canonical\n"


def test_memory_is_shown(hung):
    """What the guest said of its memory is found there, by virtual and by physical address; holes and the block are errors."""
    machine, monitor = hung
    text = number(machine.text, r"hang: text at (\S+)")
    where, value = re.search(r"hang: random at (\S+) is (\S+)", machine.text).groups()
    assert monitor.ask(f"x/s {text:x}") == f'{text:016x}: "found from outside"\n'
    assert monitor.ask(f"xp/2s {text:x}") == f'{text:016x}: "found from outside"\n{text + 19:016x}: ""\n'
    assert monitor.ask(f"x {where}") == monitor.ask(f"xp/xg 0x{where}") == f"{int(where, 16):016x}: {value}\n"
    assert monitor.ask(f"x/2xw {where} 1") == f"{int(where, 16):016x}: {value[8:]} {value[:8]}\n"
    assert monitor.ask(f"x/5c {text:x}") == f"{text:016x}:found\n"
    dump = monitor.ask("x/1024xb 1000000")
    assert dump.count("\n") == 64 and "error" not in dump
    for command, error in ((f"xp {cases.BLOCK.start:x}", "is Plinth's block"), ("xp 100000000000000", "is Plinth's block or beyond"),
                           ("x 8000000000000000", "is not canonical"), ("x ffff800000000000", "is not mapped"),
                           ("x/xg 7bffffc", "leads to Plinth's block"),
                           ("xp fee00020", "is the local APIC's"), ("xp fedfffff", "is the local APIC's"), ("x fedffffc", "is the local APIC's"), ("x/xw fee00024", "is the local APIC's")):
        answer = monitor.ask(command)
        assert answer.startswith("error: ") and error in answer and answer.count("\n") == 1, command
    assert monitor.ask("x/xw fee00020 1") == "00000000fee00020: 01000000\n", "not CPU 1's APIC ID"
    assert "dump: hole fee00000 100 *" in monitor.ask("dump fee00000 100")
    block = number(monitor.ask("info memory"), r"block (\S+)-")
    assert "Plinth's block" in monitor.ask(f"info ept {block:x}")
    assert " rwx WB" in monitor.ask(f"info ept {text:x}")
    tables_are_shown(monitor, text)
    for what, answer in INFO:
        said = monitor.ask(f"info {what}")
        assert re.search(answer, said, re.MULTILINE) and "error" not in said, (what, said)
    monitor.machine.com2.write(b"poweroff\r")
    assert machine.wait_end(SECONDS), monitor.machine.com2.text


def test_core_for_gdb(hung, directory):
    """What `dump` sends of a stopped guest becomes a core file, in which gdb finds the guest's variables and where its CPUs are."""
    machine, monitor = hung
    text = number(machine.text, r"hang: text at (\S+)")
    value = re.search(r"hang: random at \S+ is (\S+)", machine.text)[1]
    log, core = directory / "core.log", directory / "core"
    log.write_text(monitor.ask("stop") + monitor.ask(f"dump {text & ~0xfff:x} 2000") + monitor.ask("dump 7bffe00 400"))
    made = subprocess.run([TOOLS / "plinth-core", log, "-o", core], check=True, capture_output=True, text=True)
    assert "2 CPUs, 9 KiB of memory" in made.stdout and "damaged" not in made.stderr
    questions = [word for question in ("printf \"%s %lx\\n\", hang.text, hang.random", "thread apply all info symbol $rip") for word in ("-ex", question)]
    elf = machines.GUEST.with_suffix(".elf")
    answers = subprocess.run(["gdb", "-batch", "-nx", *questions, elf, core], capture_output=True, text=True, check=True).stdout
    assert f"found from outside {int(value, 16):x}\n" in answers
    assert re.search(r"^spin \+? ?", answers, re.MULTILINE) and re.search("^test_hang", answers, re.MULTILINE)
    assert "error: the guest's physical addresses end at" in monitor.ask("dump 0 fffffffffffffff8")
    assert "error: a range is" in monitor.ask("dump 1000")
    assert "error: the guest's physical addresses end at" in monitor.ask("dump fffffffffffffff0 20")
    assert monitor.ask("stop") == "stopped: 2 of 2 CPUs\n" and monitor.ask("cont") == ""


def join(line, listener):
    """Connect a machine's line to whoever comes to the listener, until one of them hangs up."""
    other = listener.accept()[0]
    ends = {line.console: other, other: line.console}
    while True:
        for end in select.select(list(ends), [], [])[0]:
            data = end.recv(65536)
            if not data:
                return
            ends[end].sendall(data)


@pytest.mark.full
def test_core_of_all_memory(directory):
    """plinth-core at the line itself: all RAM of a guest that runs; gdb finds a variable in it, and the guest goes on."""
    config = Config(directory=directory, cpus=2, memory=64, ips=5_000_000, ignore_bad_msrs=False, com2=True)
    with harness.start(machines.guest_on_plinth("test=hang", "console=com2,own"), config) as machine:
        monitor = Monitor(machine)
        assert machine.wait(60, "= hang: spinning"), harness.tail(machine)
        turns = number(machine.text, r"hang: turns at (\S+)")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=join, args=(machine.com2, listener), daemon=True).start()
            made = subprocess.run([TOOLS / "plinth-core", "--line", f"127.0.0.1:{listener.getsockname()[1]}", "-o", directory / "core"],
                                  check=True, capture_output=True, text=True, timeout=900)
        assert re.search(r"2 CPUs, 6\d{4} KiB of memory", made.stdout) and not made.stderr
        value = re.search(r"hang: random at \S+ is (\S+)", machine.text)[1]
        elf = machines.GUEST.with_suffix(".elf")
        answers = subprocess.run(["gdb", "-batch", "-nx", "-ex", "printf \"%s %lx\\n\", hang.text, hang.random", elf, directory / "core"],
                                 capture_output=True, text=True, check=True).stdout
        assert f"found from outside {int(value, 16):x}\n" in answers
        first, second = (number(monitor.ask(f"x {turns:x}"), rf"^{turns:016x}: (\S+)") for _ in range(2))
        assert second > first, "the guest doesn't go on"


def test_watch_reports(hung):
    """A variable that a CPU writes all the time is watched: who, where, what; it goes on being written; other memory is not reported."""
    machine, monitor = hung
    turns, spin = (number(machine.text, rf"hang: {name} at (\S+)") for name in ("turns", "spin"))
    start = len(machine.com2.text)
    assert f"watch 0: physical {turns:x} to {turns + 8:x}\n" in monitor.ask(f"watch {turns:x} 8 w")
    machine.com2.wait(SECONDS, r"watch: cpu1: \d+ more")  # rate-bounded, with a count
    reports = re.findall(r"watch 0: cpu(\d) writes (\S+), rip (\S+), cpl 0, value (\w{16}), was (\w{16})$", machine.com2.text[start:], re.MULTILINE)
    assert 1 <= len(reports) <= 16, machine.com2.text[start:]
    for cpu, address, rip, value, was in reports:
        assert (cpu, int(address, 16)) == ("1", turns) and spin <= int(rip, 16) < spin + 64
        assert int(value, 16) == int(was, 16) + 1
    first, second = (number(monitor.ask(f"x {turns:x}"), rf"^{turns:016x}: (\S+)") for _ in range(2))
    assert second > first, "the watched CPU stands still"
    assert re.search(r"watch 0: \S+ to \S+ w, [1-9]\d* hits", monitor.ask("info watch"))
    assert "error" not in monitor.ask("unwatch 0") and "hits" not in monitor.ask("info watch")
    assert "physical addresses end at" in monitor.ask("watch fffffffffffffff0 20 w")
    assert "error: watch" in monitor.ask("unwatch 7") and "error: watch" in monitor.ask(f"watch {cases.BLOCK.start:x} 8 w")
    # hot, with p: it pauses, the guest runs at full speed, and the monitor's poll takes it up again
    monitor.ask(f"watch {turns:x} 8 rwp")
    for _ in range(2):
        assert machine.com2.wait(SECONDS, r"watch 0: pauses after \d+ hits"), machine.com2.text[start:]


def steps(text):
    """(CPU, RIP, bytes) of each step that was shown."""
    return [(int(cpu), int(rip, 16), bytes.fromhex(code)) for cpu, rip, code in re.findall(r"^cpu(\d): code \w{4}:(\w+) 64-bit:(.*)$", text, re.MULTILINE)]


def test_another_cpu_is_stepped(hung):
    """CPU 1 goes round its loop, a turn of the variable each; the boot CPU stands still; a step of a running guest is refused."""
    machine, monitor = hung
    turns, spin = (number(machine.text, rf"hang: {name} at (\S+)") for name in ("turns", "spin"))
    assert monitor.ask("step") == "error: the guest runs: stop comes first\n"
    monitor.ask("stop")
    still, before = monitor.ask("regs 0"), number(monitor.ask(f"x {turns:x}"), r": (\S+)")
    done = steps(monitor.ask("step 12 1"))
    assert len(done) == 12 and all(cpu == 1 and spin <= rip < spin + 64 for cpu, rip, _ in done)
    loop = len({rip for _, rip, _ in done})
    assert [rip for _, rip, _ in done[loop:]] == [rip for _, rip, _ in done[:12 - loop]], "no loop"
    assert number(monitor.ask(f"x {turns:x}"), r": (\S+)") - before in (12 // loop, -(-12 // loop))
    assert steps(monitor.ask("regs 1")) == done[-1:]
    assert monitor.ask("regs 0") == still
    for command, error in (("step 0", "1 to 1000"), ("step 1 7", "cpu7 is not there"), ("step x", "no number")):
        answer = monitor.ask(command)
        assert answer.startswith("error: ") and error in answer and answer.count("\n") == 1
    monitor.ask("cont")
    first, second = (number(monitor.ask(f"x {turns:x}"), r": (\S+)") for _ in range(2))
    assert second > first, "it doesn't go on"


def test_sleeping_guest_is_kept_awake(directory):
    """While somebody types the guest doesn't sleep by MWAIT, where the timer may stand still; before and a minute after that it does."""
    config = Config(directory=directory, cpus=1, memory=128, ignore_bad_msrs=False, com2=True)
    with harness.start(machines.guest_on_plinth("test=doze", "console=com2,own"), config) as machine:
        monitor = Monitor(machine)
        assert machine.wait(60, r"= doze: turns at \S+\n"), harness.tail(machine)
        turns = number(machine.text, r"doze: turns at (\S+)")

        def count():
            found = re.search(r"^MWAIT +(\d+)", monitor.ask("info exits"), re.MULTILINE)
            return int(found[1]) if found else 0

        assert count() < count()
        first, second = (number(monitor.ask(f"x {turns:x}"), rf"^{turns:016x}: (\S+)") for _ in range(2))
        assert second > first, "it doesn't come behind its MWAIT"
        monitor.ask("stop")
        registers = monitor.ask("regs")
        assert ", active, " in registers and "error" not in monitor.ask("step 20")


def trace_is_switched(monitor):
    """`trace off` and `trace on` of a guest that goes on making exits, of which only CPUID was asked for."""

    def last():
        entries = re.findall(r"^trace: cpu0 entry (\d+) tsc \d+ ticks \d+ (\S+) ", monitor.ask("trace show 8"), re.MULTILINE)
        assert len(entries) == 8 and {reason for _, reason in entries} == {"CPUID"}
        return int(entries[-1][0])

    assert last() < last(), "nothing is traced"
    assert monitor.ask("trace off") == "" and last() == last()
    stopped = last()
    assert monitor.ask("trace on") == "" and stopped < last()


def after_calls(registers):
    """IF and TF where the loop of test=steps has kept them, the address behind its SYSCALL, CS and SS."""
    flags = [number(registers, rf"{name} +(\S+)") & 0x300 for name in ("r8", "r9", "r10", "r11", "r12", "r14")]
    return flags, number(registers, r"rcx (\S+)"), re.findall(r"^  [cs]s .*$", registers, re.MULTILINE)


def test_boot_cpu_is_stepped(directory):
    """One instruction a step, also where the trap flag would be seen: PUSHF, POPF, CLI, STI, SYSCALL, SYSENTER, INT n, IRET, CPUID."""
    config = Config(directory=directory, cpus=1, memory=128, ignore_bad_msrs=False, com2=True)
    with harness.start(machines.guest_on_plinth("test=steps", "console=com2,own trace=cpuid"), config) as machine:
        monitor = Monitor(machine)
        assert machine.wait(60, "= steps: stepping"), harness.tail(machine)
        trace_is_switched(monitor)
        loop = number(subprocess.run(["nm", machines.GUEST.with_suffix(".elf")], capture_output=True, text=True, check=True).stdout,
                      r"^(\S+) t steps_loop$")
        for _ in range(100):  # until it is stopped in the loop itself, not between CPUID and SYSCALL, which change RCX
            monitor.ask("stop")
            registers = monitor.ask("regs")
            if number(registers, r"rip 0008:(\S+)") - loop in (*range(18), *range(23, 40)):
                break
            monitor.ask("cont")
        calls = after_calls(registers)  # of a turn that wasn't stepped
        done = steps(monitor.ask("step 300"))
        starts = [i for i, (_, rip, _) in enumerate(done) if rip == loop]
        assert len(done) == 300 and {cpu for cpu, _, _ in done} == {0} and len(starts) > 1, "no turn in so many steps"
        assert steps(monitor.ask(f"step {starts[-1] + starts[1] - starts[0] - 299}"))[-1][1] == loop
        # the offsets of its instructions: SYSCALL at 21, SYSENTER at 31, INT n last
        turn = [0, 1, 3, 4, 5, 6, 8, 9, 10, 12, 14, 15, 17, 19, 20, 21, 23, 24, 26, 27, 28, 31, 33, 36, 37, 39]
        assert [rip - loop for _, rip, _ in steps(monitor.ask(f"step {len(turn) - 1}"))] == turn[1:]
        assert after_calls(monitor.ask("regs")) == calls
        assert calls[:2] == ([0, 0x200, 0, 0x200, 0, 0], loop + 23)
        log = "".join(monitor.ask(command) for command in ("regs", "step"))
        stub = steps(log)[1]
        assert stub[2][0] == 0x6A or stub[2][0] == 0x68, "not the handler's first instruction"
        stack = number(monitor.ask("regs"), r"rsp (\S+)")
        assert number(monitor.ask(f"x {stack:x}"), r": (\S+)") == loop + turn[-1] + 2, "not the return address"
        named = subprocess.run([TOOLS / "plinth-disassemble"], input=log, capture_output=True, text=True, check=True).stdout
        assert re.findall(r"64-bit:(?: \w\w)+    (.*)$", named, re.MULTILINE) == ["int $0x81", "push $0x0"]
        monitor.machine.com2.write(b"reset\r")
        assert machine.wait(60, "= steps: stepping"), "the machine didn't start again"


def test_any_bytes_may_come(hung):
    """Noise, half a line, half an escape sequence, line ends of all kinds: an error line each, and the next command works."""
    _, monitor = hung
    noise = bytes(byte for byte in range(256) if byte not in b"\x03\x09\x0a\x0d\x1b")
    for _ in range(4):
        assert "bytes were no text or too many" in monitor.send(noise + b"\r")
    assert "unknown command" in monitor.ask("x" * 100)
    assert "\nerror: " in monitor.send(b"\x1b[info version\r")
    assert "^C" in monitor.send(b"half a line\x03")
    assert "Plinth 0." in monitor.send(b"info ver\t\r")
    assert "Plinth 0." in monitor.send(b"\x1b[A\r"), "the history has lost a line"
    said = monitor.send(b"info version\n")
    assert "Plinth 0." in said and "  console=com2,own" in said, said


def test_trace(directory):
    """trace=cpuid: the last exits are kept, and tools/plinth-trace makes Chrome's format of them; histograms of all reasons."""
    config = Config(directory=directory, cpus=1, memory=128, ignore_bad_msrs=False, com2=True)
    with harness.start(machines.guest_on_plinth("test=boot,cpuid,msr,hang", "console=com2,own trace=cpuid,nonsense statistics=histogram"), config) as machine:
        monitor = Monitor(machine)
        assert 'option trace: "nonsense" is no exit reason' in machine.com2.text
        assert re.search(r"^trace: tsc [1-9]\d* kHz$", machine.com2.text, re.MULTILINE), "no rate for the entries of a crash report"
        assert machine.wait(60, "= hang: spinning"), harness.tail(machine)
        monitor.ask("stop")
        shown = monitor.ask("trace show 50")
        entries = re.findall(r"^trace: cpu0 entry \d+ tsc (\d+) ticks (\d+) CPUID rip ([0-9a-f]+) ", shown, re.MULTILINE)
        assert len(entries) == 50 == len(re.findall("^trace: cpu", shown, re.MULTILINE))
        assert [int(tsc) for tsc, _, _ in entries] == sorted(int(tsc) for tsc, _, _ in entries)
        ticks = monitor.ask("info ticks")
        exits = int(re.search(r"^CPUID +(\d+)", monitor.ask("info exits"), re.MULTILINE)[1])
        counts = ticks.split("CPUID\n")[1].split("\n")
        assert sum(int(line.split()[-1]) for line in counts[: next(i for i, line in enumerate(counts) if line[:1] != " ")]) == exits
        assert "RDMSR" in ticks and "RDMSR" not in shown
        monitor.ask("trace off")
    log = directory / "trace.log"
    log.write_text(shown)
    events = json.loads(subprocess.run([TOOLS / "plinth-trace", log], capture_output=True, check=True).stdout)["traceEvents"]
    exits = [event for event in events if event["ph"] == "X"]
    assert len(exits) == 50 and all(event["name"] == "CPUID" and event["dur"] > 0 for event in exits)
    assert hex(int(entries[0][2], 16)) == exits[0]["args"]["rip"]


def test_crash_ends_in_the_monitor(directory):
    """on_crash=monitor: after the report of a triple fault one can look around, on every CPU, and the guest stays stopped."""
    config = Config(directory=directory, cpus=2, memory=128, ignore_bad_msrs=False, com2=True)
    with harness.start(machines.guest_on_plinth("test=smp,triple", "console=com2,own on_crash=monitor"), config) as machine:
        monitor = Monitor(machine)
        assert machine.com2.wait(60, r"the guest has ended, the monitor goes on[^\n]*\nplinth> \x1b\[K$"), machine.com2.text
        assert "rip 0008:" in monitor.ask("regs")
        sent = monitor.ask("dump 100000 100")
        assert "dump: cpu 0 rip" in sent and "dump: end" in sent
        log, core = directory / "core.log", directory / "core"
        log.write_text(sent)
        made = subprocess.run([TOOLS / "plinth-core", log, "-o", core], check=True, capture_output=True, text=True)
        assert "2 CPUs" in made.stdout and "damaged" not in made.stderr, made
        assert monitor.ask("stop") == "stopped: 2 of 2 CPUs\n"
        registers = monitor.ask("regs 1")
        assert registers.startswith("cpu1: rip 0008:") and registers == monitor.ask("regs 1")
        rip = number(registers, r"rip 0008:(\S+)")
        code = re.search(r"^cpu1: code \S+ 64-bit:((?: \w\w){15})$", registers, re.MULTILINE)[1]
        assert re.sub(r"\w+: ", "", monitor.ask(f"x/15xb {rip:x} 1")).split() == code.split()
        assert "is Plinth's block" in monitor.ask(f"xp {cases.BLOCK.start:x}")
        assert re.search(r"^error: CRASH on cpu0: triple fault in the guest, at which", monitor.ask("info log"), re.MULTILINE)
        assert "error: unknown command" in monitor.ask("frobnicate") and "^C" in monitor.send(b"half\x03")
        for command in ("cont", "step"):
            assert monitor.ask(command).startswith("error: the guest has ended")
        machine.com2.write(b"poweroff\r")
        assert machine.com2.wait(SECONDS, "turning the machine off") and machine.wait_end(SECONDS), machine.com2.text


def test_reset_after_a_crash(directory):
    """The way on after a crash that ended in the monitor: the machine starts anew, through GRUB."""
    config = Config(directory=directory, cpus=1, memory=128, ignore_bad_msrs=False, com2=True)
    with harness.start(machines.guest_on_plinth("test=triple", "console=com2,own on_crash=monitor"), config) as machine:
        monitor = Monitor(machine)
        assert machine.com2.wait(60, r"the guest has ended, the monitor goes on[^\n]*\nplinth> \x1b\[K$"), machine.com2.text
        machine.com2.write(b"reset\r")
        assert machine.com2.wait(60, "resetting the machine") and machine.com2.wait(60, r"^Plinth \d+\.\d+, loaded by GRUB"), machine.com2.text
        assert machine.com2.wait(60, "the guest has ended, the monitor goes on"), "the guest didn't come as far as before"
