"""Reads the lines of the monitor's command `dump` (docs/dump-format.md), whatever else is between them."""

import base64
import binascii
import re
import zlib
from dataclasses import dataclass

LINE = re.compile(r"dump: (.*) \*([0-9a-f]{8})\s*$")
HEX = re.compile(r"[0-9a-f]{1,16}\Z")
VERSION = 1
TOP = 1 << 64


class Damaged(ValueError):
    """A line that isn't what was sent."""


@dataclass
class Record:
    """A piece of physical memory: bytes, or one quadword again and again."""

    start: int
    length: int
    data: bytes = None
    fill: int = 0

    @property
    def end(self):
        """Behind it."""
        return self.start + self.length

    def bytes(self, start, end):
        """Its bytes from one address to another, both inside."""
        if self.data is not None:
            return self.data[start - self.start:end - self.start]
        shift = (start - self.start) % 8
        pattern = self.fill.to_bytes(8, "little")
        return (pattern * ((end - start + shift) // 8 + 1))[shift:shift + end - start]


def number(word):
    """A hexadecimal number of 64 bits."""
    if not HEX.match(word):
        raise Damaged(word)
    return int(word, 16)


def extent(start, length):
    """Two numbers that are a range of addresses."""
    start, length = number(start), number(length)
    if start + length > TOP:
        raise Damaged("it wraps")
    return start, length


class Dump:
    """All dumps of a log together; what comes later counts."""

    def __init__(self):
        self.records = []
        self.registers = {}  # {cpu: {name: value}}
        self.ranges = []  # what was to be sent
        self.holes = []  # what can't be read
        self.bad = 0
        self.lines = 0  # of the present dump, whole or not

    def feed(self, line):
        """Take a line of the log."""
        if "dump: " not in line:
            return
        match = LINE.search(line)
        self.lines += 1
        try:
            if not match or zlib.crc32(match[1].encode()) != int(match[2], 16):
                raise Damaged("the checksum")
            kind, *words = match[1].split(" ")
            getattr(self, f"take_{kind}", self.take_unknown)(*words)
        except (Damaged, TypeError):  # TypeError: another number of words
            self.bad += 1

    def take_unknown(self, *_):
        """A kind of line of a newer Plinth."""
        raise Damaged("of a kind that I don't know")

    def take_begin(self, version, *_):
        """A dump begins."""
        if number(version) != VERSION:
            raise Damaged("another version")
        self.lines = 1

    def take_range(self, start, length):
        """What it will send."""
        self.ranges.append(extent(start, length))

    def take_cpu(self, cpu, *words):
        """Some of a CPU's registers."""
        if len(words) % 2 or not cpu.isdigit():
            raise Damaged("a name without a value")
        self.registers.setdefault(int(cpu), {}).update((name, number(value)) for name, value in zip(words[::2], words[1::2]))

    def take_data(self, start, text):
        """Bytes."""
        try:
            data = base64.b64decode(text, validate=True)
        except binascii.Error as error:
            raise Damaged("base64") from error
        if number(start) + len(data) > TOP:
            raise Damaged("it wraps")
        self.records.append(Record(number(start), len(data), data))

    def take_fill(self, start, length, value):
        """One quadword, as often as it fits."""
        start, length = extent(start, length)
        self.records.append(Record(start, length, fill=number(value)))

    def take_hole(self, start, length):
        """Nothing that the guest has."""
        self.holes.append(extent(start, length))

    def lacks_registers(self):
        """Has a CPU that said something not said all? (One that waits to be started says nothing.)"""
        return not self.registers or any(not {"rip", "r8", "cs", "cr3"} <= names.keys() for names in self.registers.values())

    def take_end(self, lines):
        """It has all been sent, in so many lines."""
        if not lines.isdigit():
            raise Damaged(lines)
        self.bad += max(0, int(lines) - self.lines + 1)  # those of which nothing came

    def missing(self):
        """[(start, length)] of what was to be sent and has not come whole."""
        have = union([(record.start, record.end) for record in self.records] + [(start, start + length) for start, length in self.holes])
        gaps = []
        for start, end in union([(start, start + length) for start, length in self.ranges]):
            for low, high in have:
                if high <= start or low >= end:
                    continue
                if low > start:
                    gaps.append((start, low - start))
                start = max(start, high)
            if start < end:
                gaps.append((start, end - start))
        return gaps


def union(ranges):
    """[(start, end)] in order, without overlaps, neighbours as one."""
    joined = []
    for start, end in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], end)
        elif start < end:
            joined.append([start, end])
    return [tuple(piece) for piece in joined]
