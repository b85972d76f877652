"""Reads what Bochs' debugger printed of each instruction, and counts those whose price an emulator doesn't show."""

import re
from bisect import bisect_right
from dataclasses import dataclass, field

from machines import run

# (0).[85788567] [0x000007c05d60] 0008:ffffffff80005d60 (unk. ctxt): rdtsc                     ; 0f31
INSTRUCTION = re.compile(r"^\((\d+)\)\.\[\d+\] \[\w+\] [0-9a-f]{4}:([0-9a-f]+) \(.*?\): (.*?) *; [0-9a-f]+$")
MARKER = "xchg bx, bx"
BEGIN, END = "Tracing enabled", "Tracing disabled"

# What a real CPU charges far more for than the emulator does. Serializing: SDM vol. 3, 8.3 "Serializing Instructions".
KINDS = {
    "vmread": re.compile(r"vmread "),
    "vmwrite": re.compile(r"vmwrite "),
    "msr": re.compile(r"(rdmsr|wrmsr)"),
    "cr": re.compile(r"mov (cr\d|\w+, cr\d)"),
    "serializing": re.compile(r"(cpuid|wrmsr|invept|invvpid|invlpg|invd|wbinvd|lgdt|lidt|lldt|ltr|iret\w*|rsm|mov cr[0-7],|mov dr\d,)"),
    "locked": re.compile(r"(lock |xchg .*ptr)"),
    "entries": re.compile(r"(vmresume|vmlaunch)"),
}


@dataclass
class Step:
    """One instruction, and where it is."""

    address: int
    text: str
    place: str  # function+offset in Plinth, "" in the guest


@dataclass
class Trip:
    """What ran between two markers."""

    name: str
    steps: list = field(default_factory=list)

    @property
    def root(self):
        """Plinth's instructions."""
        return [step for step in self.steps if step.place]

    def count(self, kind):
        """How many of Plinth's instructions are of a kind."""
        return sum(bool(KINDS[kind].match(step.text)) for step in self.root)

    def counts(self):
        """All kinds."""
        return {kind: self.count(kind) for kind in KINDS}


class Symbols:
    """An ELF file's functions by address."""

    def __init__(self, elf):
        words = [line.split() for line in run("nm", "-n", elf).splitlines()]
        named = [(int(word[0], 16), word[2]) for word in words if len(word) == 3 and word[1] in "tT"]
        self.addresses = [address for address, _ in named]
        self.names = [name for _, name in named]

    def place(self, address):
        """function+offset, or "" for what is none of the file's."""
        index = bisect_right(self.addresses, address) - 1
        if index < 0 or address < self.addresses[0] or address >> 32 != self.addresses[0] >> 32:
            return ""
        offset = address - self.addresses[index]
        return self.names[index] + (f"+{offset:#x}" if offset else "")


def trips(names, output, symbols):
    """The trips in the debugger's output, by name."""
    found, current = [], None
    for line in output.splitlines():
        if line.startswith(BEGIN):
            current = Trip(names[len(found)]) if len(found) < len(names) else None
        elif line.startswith(END) and current:
            found.append(current)
            current = None
        elif current and (match := INSTRUCTION.match(line)) and match[3] != MARKER:
            address = int(match[2], 16)
            current.steps.append(Step(address, match[3], symbols.place(address)))
    return found
