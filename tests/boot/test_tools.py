"""The tools that read logs: what they make of whole ones, and of such as a serial line and its people leave behind."""

import base64
import json
import re
import socket
import struct
import subprocess
import threading
import zlib
from pathlib import Path

import pytest

from core import dump, elf, paging
from lab import initramfs

TOOLS = Path(__file__).resolve().parents[2] / "tools"
NOISE = ("\x00\xff\x1b[K garbage", "", "plinth> dump", "dump: ", "bucket: cpu=", "trace: cpu", "exit: cpu=all reason", "a" * 5000)


def tool(name, *words, log=None, status=0):
    """Run a tool on a log; (what it prints, what it complains of)."""
    done = subprocess.run([TOOLS / name, *map(str, words)], input=log, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == status, done.stderr
    return done.stdout, done.stderr


# ---- plinth-stat ----


def test_wrong_words_are_named():
    """What can't be is told of before the usage."""
    program = initramfs.compile_static(TOOLS / "plinth-stat.c")
    for words, error in (("--sort size", "size: not possible here"), ("--interval 0", "0: not possible here"), ("--cpu x", "x: not possible here"),
                         ("--once now", "now: a word too many"), ("--raw --once", "--once, --raw, and --interval or --count: only one"),
                         ("--count 3 --raw", "only one of them"), ("--frob", "'--frob'")):
        done = subprocess.run([program, *words.split()], capture_output=True, text=True, check=False)
        assert done.returncode == 2 and not done.stdout, words
        first, second = done.stderr.split("\n")[:2]
        assert "plinth-stat: " in first and error in first and second.startswith("usage: plinth-stat "), done.stderr


# ---- plinth-histogram ----

BUCKETS = """\
exit: cpu=all reason=10 exits=1440 ticks=110000 name=CPUID
bucket: cpu=all reason=10 log2=6 exits=1200 name=CPUID
bucket: cpu=all reason=10 log2=7 exits=240 name=CPUID
exit: cpu=all reason=48 exits=3 ticks=3000 name=EPT_VIOLATION
[   12.345678] bucket: cpu=all reason=48 log2=9 exits=3 name=EPT_VIOLATION
exit: cpu=1 reason=10 exits=5 ticks=400 name=CPUID
bucket: cpu=1 reason=10 log2=6 exits=5 name=CPUID
"""


def drawn(directory, log, *words):
    """The words in the picture of a log, and the complaint."""
    _, complaint = tool("plinth-histogram", "-o", directory / "a.svg", *words, log=log)
    return re.findall(r">([^<>\n]+)</text>|<tspan[^>]*>([^<\n]+)<", (directory / "a.svg").read_text()), complaint


def test_histogram_is_drawn(directory):
    """Each reason a panel with its exits over each bar; one CPU or one reason only if asked for; SVG and PNG."""
    text, complaint = drawn(directory, BUCKETS)
    words = {word for pair in text for word in pair if word}
    assert {"1200", "240", "3", "64", "512"} <= words and any("CPUID: 1440 exits" in word for word in words) and not complaint
    words = {word for pair in drawn(directory, BUCKETS, "--cpu", "1")[0] for word in pair}
    assert any("CPUID: 5 exits" in word for word in words) and not any("EPT" in word for word in words)
    assert not any("CPUID" in word for pair in drawn(directory, BUCKETS, "--reason", "ept_violation")[0] for word in pair)
    tool("plinth-histogram", "-o", directory / "a.png", log=BUCKETS)
    assert (directory / "a.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_histogram_of_the_monitor(directory):
    """What `info ticks` prints will do as well; the later of two reports counts."""
    monitor = "".join(f"CPUID\n          64 ticks or more {'#' * 40} {exits}\n         128 ticks or more {'#':40} 7\n" for exits in (11, 31))
    words = {word for pair in drawn(directory, monitor)[0] for word in pair}
    assert any("CPUID: 38 exits" in word for word in words)


def test_histogram_of_a_damaged_log(directory):
    """Lines that are cut, garbled or out of range are counted and left out; a log without any is told of."""
    log = "\n".join((*NOISE, *(line[:-14] for line in BUCKETS.splitlines()), "bucket: cpu=all reason=10 log2=32 exits=9 name=CPUID",
                     f"      65 ticks or more {'#' * 40} 9", BUCKETS))
    text, complaint = drawn(directory, log)
    assert any("CPUID: 1440 exits" in word for pair in text for word in pair)
    assert "7 lines that are not whole are left out" in complaint
    assert "no histograms" in tool("plinth-histogram", "-o", directory / "b.svg", log="\n".join(NOISE), status=1)[1]
    assert "says what to draw" in tool("plinth-histogram", "-o", directory / "b.gif", log=BUCKETS, status=2)[1]


# ---- plinth-trace ----

def entry(cpu, number, tsc, reason="CPUID"):
    """A line of `trace show`."""
    return f"trace: cpu{cpu} entry {number} tsc {tsc} ticks 77 {reason} rip ffffffff81000000 qualification 0 words 7 1\n"


def check_chrome_format(text):
    """The rules of the Trace Event Format for the events that are used: types "M", "X" and "i". Returns the events."""
    trace = json.loads(text)
    assert trace["displayTimeUnit"] in ("ms", "ns") and isinstance(trace["traceEvents"], list)
    for event in trace["traceEvents"]:
        assert isinstance(event["name"], str) and event["ph"] in ("M", "X", "i") and isinstance(event["pid"], int), event
        assert isinstance(event.get("args", {}), dict), event
        if event["ph"] == "M":
            assert event["name"] in ("process_name", "thread_name") and isinstance(event["args"]["name"], str), event
            continue
        assert isinstance(event["tid"], int) and isinstance(event["cat"], str) and event["ts"] >= 0, event
        assert event["ph"] != "X" or event["dur"] >= 0, event
        assert event["ph"] != "i" or event["s"] in ("g", "p", "t"), event
    return trace["traceEvents"]


def test_trace_is_chromes(directory):
    """Two CPUs, lines twice and in any order: each exit once, at its time, in its CPU's row; a log's prefixes don't matter."""
    lines = [entry(1, 5, 9_000_250), "plinth: " + entry(0, 7, 9_000_000), entry(0, 8, 9_000_500, "EPT_VIOLATION"), entry(1, 5, 9_000_250)]
    out, complaint = tool("plinth-trace", log="trace: tsc 50000 kHz\r\n" + "\r\n".join(lines))
    events = check_chrome_format(out)
    exits = {(event["tid"], event["args"]["number"]): event for event in events if event["ph"] == "X"}
    assert len(exits) == 3 == sum(event["ph"] == "X" for event in events) and not complaint
    assert (exits[0, 7]["ts"], exits[1, 5]["ts"], exits[0, 8]["ts"]) == (0, 5, 10) and exits[0, 7]["dur"] == pytest.approx(1.54)
    assert exits[0, 8]["args"]["rip"] == "0xffffffff81000000" and exits[0, 8]["name"] == "EPT_VIOLATION"
    assert {event["args"]["name"] for event in events if event["name"] == "thread_name"} == {"CPU 0", "CPU 1"}
    only = check_chrome_format(tool("plinth-trace", "--reason", "ept_violation", log="trace: tsc 50000 kHz\n" + "".join(lines))[0])
    assert [event["name"] for event in only if event["ph"] == "X"] == ["EPT_VIOLATION"]
    (directory / "log").write_text("trace: tsc 50000 kHz\n" + "".join(lines))
    tool("plinth-trace", directory / "log", "-o", directory / "trace.json")
    assert len(check_chrome_format((directory / "trace.json").read_text())) == 6


def test_trace_of_a_crash_report():
    """The serial log of a crash, without a monitor: the rate was said at the start, the entries come as errors."""
    log = "\n".join(("Plinth 0.1, loaded by GRUB", "trace: tsc 1000 kHz", "error: crash: page fault", "error: " + entry(0, 3, 7), "error: halted"))
    events = check_chrome_format(tool("plinth-trace", log=log)[0])
    assert [event["args"]["number"] for event in events if event["ph"] == "X"] == [3]


def test_trace_says_what_is_lost():
    """The ring has gone round between two `trace show`, and a line came damaged: marks where exits are missing."""
    log = "trace: tsc 1000 kHz\n" + "".join(entry(0, number, number * 1000) for number in (340, 341, 342, 700, 701)).replace("entry 341", "entry #41")
    out, complaint = tool("plinth-trace", log=log)
    marks = [(event["name"], event["ts"]) for event in check_chrome_format(out) if event["ph"] == "i"]
    assert marks == [("1 exits lost", 2000), ("357 exits lost", 360000)]
    assert "1 lines that are not whole" in complaint


def test_trace_of_garbage():
    """Noise makes no event, and a log without exits or rate is told of."""
    out, complaint = tool("plinth-trace", log="\n".join((*NOISE, "trace: tsc 0 kHz", "trace: tsc 2000 kHz", entry(0, 1, 1), entry(0, 2, 2)[:-8])))
    assert sum(event["ph"] == "X" for event in check_chrome_format(out)) == 1 and "2 lines" in complaint
    assert "no exits in it" in tool("plinth-trace", log="\n".join(NOISE), status=1)[1]
    assert "give --khz" in tool("plinth-trace", log=entry(0, 1, 1), status=1)[1]
    assert check_chrome_format(tool("plinth-trace", "--khz", "1000", log=entry(0, 1, 1))[0])


# ---- plinth-core ----

CR0_PG, CR4_PAE, EFER_LMA, LARGE = 1 << 31, 1 << 5, 1 << 10, 0x80


def framed(body):
    """A line of a dump."""
    return f"dump: {body} *{zlib.crc32(body.encode()):08x}"


def memory_lines(start, data):
    """Memory as Plinth sends it."""
    for at in range(0, len(data), 256):
        row = data[at:at + 256]
        if row == row[:8] * (len(row) // 8):
            yield framed(f"fill {start + at:x} {len(row):x} {int.from_bytes(row[:8], 'little'):x}")
        else:
            yield framed(f"data {start + at:x} {base64.b64encode(row).decode()}")


KERNEL, VARIABLE = 0xFFFFFFFF81000000, 0x123456789ABCDEF0
START, LENGTH = 0x100000, 0x6000


def guest_memory():
    """Six pages: four tables that map the last two, in the other order, at KERNEL; in the page mapped first a variable at 0x10."""
    pages = [[0] * 512 for _ in range(6)]
    pages[0][KERNEL >> 39 & 511] = START + 0x1003
    pages[1][KERNEL >> 30 & 511] = START + 0x2003
    pages[2][KERNEL >> 21 & 511] = START + 0x3003
    pages[3][0], pages[3][1] = START + 0x5003, START + 0x4003
    pages[5][2], pages[4][2] = VARIABLE, VARIABLE + 1
    return struct.pack(f"<{6 * 512}Q", *(word for page in pages for word in page))


def register_lines(cpu):
    """A CPU in 64-bit mode."""
    yield framed(f"cpu {cpu} rip {KERNEL + 0x100 * cpu:x} rflags 2 rax {cpu + 0xAA:x} rbx 0 rcx 0 rdx 0 rsi 0 rdi 0 rbp 0 rsp {KERNEL + 0x800:x}")
    yield framed(f"cpu {cpu} r8 8 r9 0 r10 0 r11 0 r12 0 r13 0 r14 0 r15 f")
    yield framed(f"cpu {cpu} es 0 cs 10 ss 18 ds 0 fs 0 gs 0 fs_base 0 gs_base 0 gdt 0 idt 0")
    yield framed(f"cpu {cpu} cr0 {CR0_PG | 1:x} cr2 0 cr3 {START:x} cr4 {CR4_PAE:x} efer {EFER_LMA:x} activity 0")


def dump_lines(start=START, length=LENGTH, cpus=2):
    """A dump of two CPUs."""
    lines = [framed(f"begin 1 cpus {cpus}"), framed(f"range {start:x} {length:x}")]
    lines += [line for cpu in range(cpus) for line in register_lines(cpu)]
    lines += memory_lines(start, guest_memory()[start - START:start - START + length])
    return [*lines, framed(f"end {len(lines)}")]


def gdb(core, *questions):
    """What the real gdb says of a core file."""
    words = [word for question in questions for word in ("-ex", question)]
    return subprocess.run(["gdb", "-batch", "-nx", *words, "-c", core], capture_output=True, text=True, check=False).stdout


def test_core_is_read_by_gdb(directory):
    """Threads with their registers; memory by virtual address, in the tables' order, and by physical."""
    core = directory / "core"
    log = directory / "log"
    log.write_text("\r\n".join((*NOISE, "plinth> dump", *dump_lines())))
    out, complaint = tool("plinth-core", log, "-o", core)
    assert "2 CPUs, 24 KiB of memory, 2 pieces by virtual address" in out and "missing" not in complaint
    answers = gdb(core, "info threads", "thread 2", "p $rip", "p/x $rax", f"x/gx {KERNEL + 0x10:#x}", f"x/gx {KERNEL + 0x1010:#x}",
                  f"x/gx {START + 0x4010:#x}", f"x/gx {START + 0x6000:#x}")
    assert "LWP 1" in answers and "LWP 2" in answers and f"{KERNEL + 0x100:x}" in answers and "0xab" in answers
    assert re.findall(r"^0x[0-9a-f]+:\t0x([0-9a-f]+)", answers, re.MULTILINE) == [f"{VARIABLE:x}", f"{VARIABLE + 1:x}", f"{VARIABLE + 1:x}"]


def test_core_of_a_damaged_log(directory):
    """Each kind of damage costs its line, and what is missing is named; a second dump of that heals it, and hides what was there before."""
    lines = dump_lines()
    data = next(index for index, line in enumerate(lines) if " data 105" in line)
    broken = lines[data].replace("data 105", "data 205")
    log = directory / "log"
    log.write_text("\n".join((*lines[:data], broken, lines[data + 1][:20], "dump: begin 2 cpus 1 *00000000", framed("data 0 ====="), framed("fill ffffffffffffffff 100 0"),
                              framed("frobnicate"), framed("cpu x y"), framed("range 1"), *lines[data + 1:])))
    complaint = tool("plinth-core", log, "-o", directory / "core", status=1)[1]
    assert "give the monitor `dump 105000 100`" in complaint and "8 lines came damaged" in complaint
    with open(log, "a", encoding="utf-8") as more:
        more.write("\n".join(("", *dump_lines(0x105000, 0x100), framed(f"fill {START + 0x4000:x} 100 0"))))
    tool("plinth-core", log, "-o", directory / "core")
    answers = gdb(directory / "core", f"x/gx {KERNEL + 0x10:#x}", f"x/gx {KERNEL + 0x1010:#x}")
    assert f"{VARIABLE:x}" in answers and "0x0000000000000000" in answers
    log.write_text("\n".join(NOISE))
    assert "no registers" in tool("plinth-core", log, "-o", directory / "core", status=1)[1]


class FakeMonitor(threading.Thread):
    """A monitor behind a socket, over a line that damages one byte of some answers."""

    def __init__(self, damaged):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.damaged = damaged
        self.typed = []

    def answer(self, command):
        """What a command brings."""
        if command.startswith("dump"):
            return dump_lines(*(int(word, 16) for word in command.split()[1:]))
        return ["cpu0: APIC ID 0, runs or sleeps, 5 exits"] if command == "info cpus" else []

    def run(self):
        """Answer until the other end hangs up."""
        connection = self.listener.accept()[0]
        while data := connection.recv(100):
            command = data.decode().strip("\r")
            self.typed.append(command)
            text = "\r\n".join((command, *self.answer(command), "plinth> \x1b[K")).encode()
            for word in [word for word in self.damaged if word.encode() in text]:
                text = text.replace(word.encode(), b"~" + word[1:].encode(), 1)
                self.damaged.remove(word)
            connection.sendall(text)


@pytest.mark.parametrize("damaged, again", [((), []), (("data 105",), ["dump 105000 100"]), (("r15", "data 105"), ["dump 0 0", "dump 105000 100"])])
def test_core_asks_again(directory, damaged, again):
    """At the line: the guest is stopped, what came damaged is asked for again, and then the guest goes on."""
    monitor = FakeMonitor(list(damaged))
    monitor.start()
    port = monitor.listener.getsockname()[1]
    tool("plinth-core", "--line", f"127.0.0.1:{port}", "-o", directory / "core", f"{START:x}", f"{LENGTH:x}")
    assert monitor.typed == ["\x03", "info cpus", "stop", f"dump {START:x} {LENGTH:x}", *again, "cont"]
    assert f"{VARIABLE:x}" in gdb(directory / "core", f"x/gx {KERNEL + 0x10:#x}")


def mapped(words, **registers):
    """What tables at START map; `words` are (offset, size, value)."""
    data = bytearray(LENGTH)
    for offset, size, value in words:
        data[offset:offset + size] = value.to_bytes(size, "little")
    memory = elf.Memory([dump.Record(START, LENGTH, bytes(data))])
    return paging.Tables(memory, {"cr0": CR0_PG, "cr3": START, **registers}).mapped()


def test_tables_of_all_kinds():
    """4 and 5 levels with large pages, PAE, 32-bit with and without CR4.PSE; tables that lead back to themselves or nowhere."""
    page = 0x1000
    assert mapped([(0, 8, START + 0x1003), (page, 8, LARGE | 3)], cr4=CR4_PAE, efer=EFER_LMA) == [(START, START, LENGTH)]
    assert mapped([(511 * 8, 8, START + 0x1003), (page + 511 * 8, 8, START + 0x2003), (2 * page, 8, LARGE | 3)], cr4=CR4_PAE | 1 << 12,
                  efer=EFER_LMA) == [((1 << 64) - (1 << 39) + START, START, LENGTH)]
    assert mapped([(0x20, 8, START + 0x1001), (page, 8, LARGE | 3)], cr3=START + 0x20, cr4=CR4_PAE) == [(START, START, LENGTH)]
    assert mapped([(4, 4, LARGE | 3)], cr4=1 << 4) == [((1 << 22) + START, START, LENGTH)]
    assert mapped([(4, 4, START + 0x1083), (page + 8, 4, START + 0x2003)]) == [((1 << 22) + 0x2000, START + 0x2000, page)]
    assert mapped([(0, 8, START + 0x1003)], cr0=1) == []
    loop = mapped([(0, 8, START + 3)], cr4=CR4_PAE, efer=EFER_LMA)
    assert loop == [(0, START, page)]
    assert mapped([(0, 8, 0x900003)], cr4=CR4_PAE, efer=EFER_LMA) == []
