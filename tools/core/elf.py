"""The core file: an ELF header, a note with each CPU's registers, memory."""

import struct
from bisect import bisect_right

from .dump import union

# struct user_regs_struct, sys/user.h
ORDER = "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs rflags rsp ss fs_base gs_base ds es fs gs".split()
PRSTATUS_BYTES, PRSTATUS_PID, PRSTATUS_REGISTERS = 336, 32, 112  # struct elf_prstatus, sys/procfs.h
ET_CORE, EM_X86_64, PT_LOAD, PT_NOTE, NT_PRSTATUS, READ_WRITE_EXECUTE = 4, 62, 1, 4, 1, 7
EHDR, PHDR, PAGE, CHUNK, LONG = 64, 56, 4096, 1 << 20, 1 << 16
SEGMENTS_MAX = 65000  # e_phnum has 16 bits


class Memory:
    """Physical memory as it was received: what comes later hides what was there."""

    def __init__(self, records):
        self.records = records
        self.pieces = [(start, end - start) for start, end in union((record.start, record.end) for record in records)]
        self.starts = [start for start, _ in self.pieces]
        self.of_page = {}  # {page: [(which, record)]} of short records, made when it is first asked for
        self.long = [(which, record) for which, record in enumerate(records) if record.length > LONG]

    def piece(self, address):
        """(start, length) of the piece that holds the address, or None."""
        piece = self.piece_from(address)
        return piece if piece and piece[0] <= address else None

    def piece_from(self, address):
        """The piece that holds the address, or else the next one; None if there is none."""
        index = bisect_right(self.starts, address) - 1
        if index >= 0 and address < self.pieces[index][0] + self.pieces[index][1]:
            return self.pieces[index]
        return self.pieces[index + 1] if index + 1 < len(self.pieces) else None

    def page(self, address):
        """A whole page's bytes, or None if it isn't there whole."""
        piece = self.piece(address)
        if not piece or address + PAGE > piece[0] + piece[1]:
            return None
        if not self.of_page:
            self.index()
        page = bytearray(PAGE)
        long = [pair for pair in self.long if pair[1].start < address + PAGE and address < pair[1].end]
        for _, record in sorted(self.of_page.get(address // PAGE, []) + long, key=lambda pair: pair[0]):
            start, end = max(record.start, address), min(record.end, address + PAGE)
            page[start - address:end - address] = record.bytes(start, end)
        return bytes(page)

    def index(self):
        """Which records lie on a page. Those that go over many are few."""
        for which, record in enumerate(self.records):
            for number in range(record.start // PAGE, (record.end + PAGE - 1) // PAGE) if record.length <= LONG else ():
                self.of_page.setdefault(number, []).append((which, record))


def note(cpu, registers):
    """A CPU's registers as a thread's."""
    status = bytearray(PRSTATUS_BYTES)
    values = {"orig_rax": (1 << 64) - 1, **registers}
    struct.pack_into("<i", status, PRSTATUS_PID, cpu + 1)
    struct.pack_into("<27Q", status, PRSTATUS_REGISTERS, *(values.get(name, 0) for name in ORDER))
    return struct.pack("<III8s", 5, len(status), NT_PRSTATUS, b"CORE") + status


def segments(memory, mapped):
    """[(virtual, physical, length)] of the file. gdb takes the first that holds an address: so virtual addresses come first, and then
    all memory once more by its physical address, for what isn't mapped and for who asks by p_paddr."""
    return (mapped + [(start, start, length) for start, length in memory.pieces])[:SEGMENTS_MAX]


def write(path, registers, memory, mapped):
    """Write it. What is zero is left out of the disk's blocks."""
    notes = b"".join(note(cpu, values) for cpu, values in sorted(registers.items()))
    loads = segments(memory, mapped)
    offset = EHDR + PHDR * (1 + len(loads))
    headers = [struct.pack("<IIQQQQQQ", PT_NOTE, 0, offset, 0, 0, len(notes), 0, 4)]
    offset = (offset + len(notes) + PAGE - 1) // PAGE * PAGE
    places = {}  # of the pieces in the file
    for start, length in memory.pieces:
        places[start] = offset + start % PAGE
        offset = (places[start] + length + PAGE - 1) // PAGE * PAGE
    for virtual, physical, length in loads:
        piece, _ = memory.piece(physical)
        headers.append(struct.pack("<IIQQQQQQ", PT_LOAD, READ_WRITE_EXECUTE, places[piece] + physical - piece, virtual, physical, length, length, 1))
    ident = b"\x7fELF" + bytes((2, 1, 1)) + bytes(9)
    header = ident + struct.pack("<HHIQQQIHHHHHH", ET_CORE, EM_X86_64, 1, 0, EHDR, 0, 0, EHDR, PHDR, len(headers), 0, 0, 0)
    with open(path, "wb") as file:
        file.write(b"".join([header, *headers, notes]))
        file.truncate(offset)
        write_memory(file, memory, places)


def write_memory(file, memory, places):
    """Each record at its place; zeros only where something else has been written."""
    sent_twice = sum(record.length for record in memory.records) > sum(length for _, length in memory.pieces)
    for record in memory.records:
        if record.data is None and not record.fill and not sent_twice:
            continue
        piece, _ = memory.piece(record.start) if record.length else (None, 0)
        for start in range(record.start, record.end, CHUNK):
            file.seek(places[piece] + start - piece)
            file.write(record.bytes(start, min(start + CHUNK, record.end)))

