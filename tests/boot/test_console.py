"""One serial line for guest and monitor (console=com1, the default), as a person meets it."""

import random
import re
import time

import pytest

import cases
import harness
import machines
from core import dump
from lab import bochs, image, initramfs, kernel
from lab.machine import Config

PROMPT = r"plinth> (\x1b\[K)?$"
VISITOR = r"~ \$ (\x1b\[6n)?$"  # the prompt after a login
PASSWORD = "on a plinth"  # tests/initramfs/login/passwd
SHELL = r"/ # (\x1b\[6n)?$"
TO_MONITOR = TO_GUEST = b"\x01c"
SECONDS = 30
LINE = re.compile(r"= chatter: ([0-9a-f]{8}) abcdefghijklmnopqrstuvwxyz 0123456789 \.,:;-$", re.MULTILINE)


def start(directory, words, **fields):
    """A test guest behind the mux."""
    config = Config(directory=directory, cpus=2, memory=128, ignore_bad_msrs=False, **fields)
    return harness.start(machines.guest_on_plinth(words, "console=com1"), config)


def ask(machine, command):
    """Type a line to the monitor; the text up to its next prompt."""
    start_at = machine.seen
    machine.write(command + b"\r")
    match = machine.wait(SECONDS, rf"^{PROMPT}")
    assert match, f"no answer to {command!r}:\n{machine.text[start_at:]}"
    return machine.text[start_at:match.start()]


def enter_monitor(machine):
    """Ctrl-A c, and the prompt."""
    machine.write(TO_MONITOR)
    assert machine.wait(SECONDS, PROMPT), f"no prompt:\n{harness.tail(machine)}"


def numbers(text):
    """The numbers of the guest's whole lines."""
    return [int(number, 16) for number in LINE.findall(text)]


def test_hung_guest_by_the_same_line(directory):
    """A guest that spins with interrupts off: Ctrl-A c, stop, and its memory is what it said; the keys are listed."""
    with start(directory, "test=hang") as machine:
        assert machine.wait(60, "= hang: spinning"), harness.tail(machine)
        where, value = re.search(r"hang: random at (\S+) is (\S+)", machine.text).groups()
        machine.write(b"\x01h")
        assert machine.wait(SECONDS, "Ctrl-A Ctrl-A: one Ctrl-A")
        enter_monitor(machine)
        assert "stopped: 2 of 2 CPUs" in ask(machine, b"stop")
        assert f": {value}\n" in ask(machine, b"x " + where.encode())
        found = dump.Dump()
        for line in ask(machine, b"dump " + where.encode() + b" 400").split("\n"):
            found.feed(line)
        assert len(found.registers) == 2 and not found.bad and not found.missing()
        assert any(record.start <= int(where, 16) < record.end for record in found.records)
        assert "error: " in ask(machine, b"frobnicate")
        assert "^C" in ask(machine, b"half\x03")
        assert "error" not in ask(machine, b"cont")
        assert "runs or sleeps" in ask(machine, b"info cpus")


def test_another_port_is_shared(directory):
    """console=0x2f8,mux: log and monitor are there, at the guest's second UART; its first is its own, without exits."""
    config = Config(directory=directory, cpus=1, memory=128, ignore_bad_msrs=False, com2=True)
    with harness.start(machines.guest_on_plinth("test=hang", "console=0x2f8,mux"), config) as machine:
        line = machine.com2
        assert machine.wait(60, "= hang: spinning"), harness.tail(machine)
        assert line.wait(SECONDS, r"^Console: shared with the guest; Ctrl-A h lists the keys\n"), line.text
        enter_monitor(line)
        assert "stopped: 1 of 1 CPUs" in ask(line, b"stop") and "IO_INSTRUCTION" not in ask(line, b"info exits")
        assert "  console=0x2f8,mux" in ask(line, b"info version")
    assert "plinth" not in machine.text.lower(), "the log is on the guest's line"


def test_change_over_in_mid_output(directory):
    """While the guest writes: to the monitor and back, again and again; every line of both is whole, none is lost."""
    with start(directory, "test=chatter lines=100000") as machine:
        assert machine.wait(60, "chatter: 00000010"), harness.tail(machine)
        for turn in range(4):
            machine.write(b"xyz"[turn % 3:turn % 3 + 1])
            assert machine.wait(SECONDS, f"~ chatter: typed {'xyz'[turn % 3]}"), harness.tail(machine)
            enter_monitor(machine)
            machine.write(b"info ver\t\r")
            assert machine.wait(SECONDS, r"^Plinth 0\.\d, 2 CPUs; all options are as by default$"), harness.tail(machine)
            assert machine.wait(SECONDS, PROMPT)
            machine.write(TO_GUEST)
        machine.write(b"!")
        assert machine.wait_end(60), harness.tail(machine)
        found = numbers(machine.text)
        assert found == list(range(len(found)))


def noise(seed, without, count=1 << 16):
    """Random bytes, but for those that stand for something else, and no change-over."""
    allowed = [byte for byte in range(256) if byte not in without]
    return bytes(random.Random(seed).choices(allowed, k=count)).replace(TO_MONITOR, b"\x01.") + b"\r"


def first_answer(machine, line, pattern):
    """Type a line until it is answered: right behind noise its bytes may be lost too."""
    for _ in range(SECONDS):
        machine.write(line)
        if machine.wait(1, pattern):
            return
    pytest.fail(f"no answer to {line!r}:\n{harness.tail(machine)}")


def test_noise(directory):
    """64 KiB of noise for the monitor, then for the guest: error lines, answers right after it, and no line of the guest's is broken."""
    with start(directory, "test=chatter lines=1000000", ips=5_000_000) as machine:
        assert machine.wait(60, "chatter: 00000010"), harness.tail(machine)
        enter_monitor(machine)
        machine.write(noise(1, without=b""))
        first_answer(machine, b"\x03info version\r", r"^Plinth 0\.\d, ")
        for error in ("bytes were no text or too many: the line is dropped", "bytes were lost", r"Ctrl-A and byte \w\w: no such key"):
            assert re.search(rf"^(plinth> .*\x1b\[K)?error: .*{error}", machine.text, re.MULTILINE), error
        machine.write(b"info ver" + TO_GUEST + TO_MONITOR + b"sion\r")
        assert machine.wait(SECONDS, r"^Plinth 0\.\d, "), harness.tail(machine)
        machine.write(TO_GUEST + noise(2, without=b"!Z"))
        first_answer(machine, b"Z", "^~ chatter: typed Z$")
        enter_monitor(machine)
        say(machine, b"info cpus\r", "^cpu0: APIC ID 0, ")
        machine.write(TO_GUEST + b"!")
        assert machine.wait_end(60), harness.tail(machine)
        found = numbers(machine.text)
        assert found == list(range(len(found)))


def on_card(directory, options):
    """Plinth in QEMU, which has a serial card and no VMX: what came over both lines."""
    entry, config, name = machines.qemu(directory, options=options)
    config.com2 = True
    with harness.start(entry, config, name) as machine:
        deadline = time.monotonic() + SECONDS
        while cases.STOPPED not in machine.text + machine.com2.text and time.monotonic() < deadline:
            machine.read(0.2)
            machine.com2.read(0.2)
        return machine.text, machine.com2.text


def test_a_serial_card(directory):
    """console=pci,...: the card's ports are found, and the log goes there; another card is named, and the log goes to COM1."""
    first, second = on_card(directory, "console=pci,00:05.0")
    assert re.search(r"^Plinth \d+\.\d+, loaded by GRUB", second, re.MULTILINE) and cases.STOPPED in second
    assert cases.STOPPED not in first
    first, second = on_card(directory, "console=pci,00:01.0 log_serial=warning log_screen=debug")
    assert re.search(r"^warning: console=pci,00:01\.0 is ignored: 1234:1111 there is of class 030000, no serial port", first, re.MULTILINE), first
    assert cases.STOPPED in first and not second
    assert all(line.startswith(("warning: ", "error: ")) for line in first.splitlines() if line), first


@pytest.mark.full
def test_a_megabyte(directory):
    """1 MiB of output, Plinth's own lines in between: nothing lost, nothing reordered, nothing mixed."""
    lines = (1 << 20) // 64
    with start(directory, f"test=chatter lines={lines}", ips=5_000_000) as machine:
        assert machine.wait_end(600), harness.tail(machine)
        assert numbers(machine.text) == list(range(lines))
        strangers = [line for line in machine.text.split("Ctrl-A h lists the keys\n")[1].splitlines() if not line.startswith(("= ", "~ "))]
        assert not strangers


def linux_entries(more, ips):
    """The Debian kernel with a login and setserial: on the bare machine, and behind the mux."""
    words = machines.command_line(bochs.kernel_parameters(ips), more)
    vmlinuz, initrd = kernel.fetch().vmlinuz, initramfs.build_serial()
    return image.linux_entry(vmlinuz, initrd, words), image.plinth_entry(harness.PLINTH, "", [(vmlinuz, words), (initrd, "")])


def say(machine, data, *patterns):
    """Type, and wait for one of the patterns; the text up to its end."""
    start_at = machine.seen
    machine.write(data)
    assert machine.wait(60, *patterns), f"no answer to {data!r}:\n{machine.text[start_at:]}"
    return machine.text[start_at:machine.seen]


def give_password(machine, password, *patterns):
    """Type it in answer to the question; that it isn't echoed."""
    say(machine, b"visitor\r", r"Password: $")
    enter_monitor(machine)  # and in the guest's time so long that busybox, which asks first, has switched the echo off
    say(machine, TO_GUEST, r"Password: $")
    assert password not in say(machine, password.encode() + b"\r", *patterns)


@pytest.mark.full
def test_login(directory):
    """A person logs in on the guest: a wrong password first, none of them echoed; the monitor amid a command; logout, and it asks again."""
    config = Config(directory=directory, cpus=1, memory=256, ips=5_000_000)
    with harness.start(linux_entries("", config.ips)[1], config) as machine:
        assert machine.wait(120, r"^plinth-guest login: $"), harness.tail(machine)
        give_password(machine, "wrong", r"^Login incorrect\n")
        assert machine.wait(60, r"^plinth-guest login: $"), harness.tail(machine)
        give_password(machine, PASSWORD, VISITOR)
        assert "\nvisitor /dev/ttyS0 42\n" in say(machine, b"echo $(whoami) $(tty) $((6 * 7))\r", VISITOR)
        say(machine, b"i=0; while [ $i -lt 100 ]; do echo line $((i++)) of 100; done\r", r"^line 3 of 100$")
        enter_monitor(machine)
        assert "rip " in ask(machine, b"regs")
        machine.write(TO_GUEST)
        assert machine.wait(60, r"^line 99 of 100$"), harness.tail(machine)
        assert re.findall(r"line (\d+) of 100$", machine.text, re.MULTILINE) == [str(i) for i in range(100)]
        assert "\nback\n" in say(machine, b"\recho ba''ck\r", r"^back\n" + VISITOR)
        say(machine, b"exit\r", r"^plinth-guest login: $")


@pytest.mark.full
def test_setserial(directory):
    """Linux' driver probes the ports for setserial, in loopback mode too and for the interrupt: it finds what it finds on the bare machine."""
    bare, plinth = linux_entries("plinth.test=setserial console=tty0", 5_000_000)
    text = harness.compare(directory, bare, plinth, seconds=180, cpus=1, memory=256, ips=5_000_000)
    assert "\n= /dev/ttyS0, Line 0, UART: 16550A, Port: 0x03f8, IRQ: 4\n" in text and "\nwritten as a 16550A: the quick brown fox" in text


@pytest.mark.full
def test_shell(directory):
    """Debian's kernel finds a 16550A; a shell behind the mux; the monitor in the middle of a command's output."""
    config = Config(directory=directory, cpus=2, memory=256, ips=20_000_000)
    words = machines.command_line(bochs.kernel_parameters(config.ips))
    entry = image.plinth_entry(harness.PLINTH, "", [(kernel.fetch().vmlinuz, words), (initramfs.build(), "")])
    with harness.start(entry, config) as machine:
        assert machine.wait(300, SHELL), harness.tail(machine)
        assert re.search(r"ttyS0 at I/O 0x3f8 \(irq = 4, base_baud = 115200\) is a 16550A", machine.text)
        machine.write(b"cd /sys/class/tty/ttyS0; echo $(cat type port irq xmit_fifo_size); cd /\r")
        assert machine.wait(60, r"^4 0x3F8 4 16$"), harness.tail(machine)  # what setserial shows: 4 is PORT_16550A
        machine.write(b"\x01bh")
        assert machine.wait(60, r"sysrq: HELP"), harness.tail(machine)  # the break, and the key behind it
        machine.write(b"i=0; while [ $i -lt 300 ]; do echo line $((i++)) of 300; done\r")
        assert machine.wait(60, r"^line 20 of 300$"), harness.tail(machine)
        enter_monitor(machine)
        assert machine.wait(60, r"line 299 of 300$"), harness.tail(machine)  # above the monitor's row, drawn again
        assert machine.wait(SECONDS, rf"^{PROMPT}")  # the row once more, below that line
        assert "PREEMPTION_TIMER" in ask(machine, b"info exits")
        machine.write(TO_GUEST)
        assert re.findall(r"line (\d+) of 300$", machine.text, re.MULTILINE) == [str(i) for i in range(300)]
        machine.write(b"\recho back $((6 * 7))\r")
        assert machine.wait(60, "^back 42$"), harness.tail(machine)
        machine.write(b"poweroff\r")
        assert machine.wait_end(180), harness.tail(machine)
