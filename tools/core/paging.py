"""What is where in the guest's virtual memory, by the page tables that were received (SDM volume 3, chapter 4 "Paging")."""

from dataclasses import dataclass

PAGE = 4096
CR0_PG, CR4_PSE, CR4_PAE, CR4_LA57, EFER_LMA = 1 << 31, 1 << 4, 1 << 5, 1 << 12, 1 << 10
PRESENT, LARGE = 1, 1 << 7
ADDRESS = 0x000FFFFFFFFFF000
ENTRIES_MAX = 8_000_000  # garbage in the place of tables may lead anywhere
PIECES_MAX = 60_000  # an ELF file holds 65535 segments


@dataclass(frozen=True)
class Level:
    """A kind of table: entries' size and number, how many bytes one stands for, and whether it may be a leaf."""

    entry: int
    count: int
    span: int
    leaf: bool
    head: bool = False  # a page-directory-pointer table of PAE paging: 32 bytes, anywhere


def long_levels(five):
    """4-level paging, or 5-level."""
    spans = [(1 << 48, False)] * five + [(1 << 39, False), (1 << 30, True), (1 << 21, True), (1 << 12, True)]
    return [Level(8, 512, span, leaf) for span, leaf in spans]


PAE_LEVELS = [Level(8, 4, 1 << 30, False, True), Level(8, 512, 1 << 21, True), Level(8, 512, 1 << 12, True)]
OLD_LEVELS = [Level(4, 1024, 1 << 22, True), Level(4, 1024, 1 << 12, True)]


class Tables:
    """The page tables that a CPU's registers lead to."""

    def __init__(self, memory, registers):
        self.memory = memory
        self.registers = registers
        self.remarks = []
        self.seen = self.absent = 0
        self.sign = 0  # the highest bit of linear addresses, which is in all bits above it; 0: they have 32 bits
        self.pieces = []  # [virtual, physical, length]

    def levels(self):
        """The levels of the tables, from CR3 down; None without paging."""
        cr0, cr4, efer = (self.registers.get(name, 0) for name in ("cr0", "cr4", "efer"))
        if not cr0 & CR0_PG:
            return None
        if efer & EFER_LMA:
            self.sign = 56 if cr4 & CR4_LA57 else 47
            return long_levels(bool(cr4 & CR4_LA57))
        return PAE_LEVELS if cr4 & CR4_PAE else OLD_LEVELS

    def mapped(self):
        """[(virtual, physical, length)] of all memory received that is mapped."""
        levels = self.levels()
        if levels is None:
            return []
        self.walk(levels, self.registers.get("cr3", 0), 0)
        if self.absent:
            self.remarks.append(f"{self.absent} page tables were not sent: what they map is there by physical address only")
        if len(self.pieces) >= PIECES_MAX:
            self.remarks.append(f"only the first {PIECES_MAX} pieces of virtual memory are in the file")
        return [tuple(piece) for piece in self.pieces]

    def entries(self, level, table):
        """The numbers in a table, or None if it isn't there."""
        start = table & (0xFFFFFFE0 if level.head else ADDRESS)
        page = self.memory.page(start & ~(PAGE - 1))
        if page is None:
            return None
        at = start % PAGE
        return [int.from_bytes(page[at + i * level.entry:at + (i + 1) * level.entry], "little") for i in range(level.count)]

    def walk(self, levels, table, base):
        """All that a table leads to."""
        level, below = levels[0], levels[1:]
        entries = self.entries(level, table)
        if entries is None:
            self.absent += 1
            return
        for index, entry in enumerate(entries):
            if not entry & PRESENT:
                continue
            self.seen += 1
            if self.seen > ENTRIES_MAX or len(self.pieces) >= PIECES_MAX:
                return
            virtual = canonical(base + index * level.span, self.sign)
            if not below or (level.leaf and entry & LARGE and self.may_be_large(level)):
                self.add(virtual, leaf_address(level, entry), level.span)
            else:
                self.walk(below, entry & ADDRESS, base + index * level.span)

    def may_be_large(self, level):
        """4 MiB pages of 32-bit paging need CR4.PSE."""
        return level.entry == 8 or self.registers.get("cr4", 0) & CR4_PSE

    def add(self, virtual, physical, length):
        """A leaf, as far as its memory was received. Its neighbour becomes longer if both go on."""
        end = physical + length
        while physical < end:
            piece = self.memory.piece_from(physical)
            if piece is None or piece[0] >= end:
                return
            start, stop = max(physical, piece[0]), min(end, piece[0] + piece[1])
            at = virtual + start - physical
            last = self.pieces[-1] if self.pieces else None
            if last and last[0] + last[2] == at and last[1] + last[2] == start and self.memory.piece(last[1]) == piece:
                last[2] += stop - start
            else:
                self.pieces.append([at, start, stop - start])
            virtual, physical = virtual + stop - physical, stop


def leaf_address(level, entry):
    """The physical address of a page. A 4 MiB page has bits 39:32 in bits 20:13 (table 4-4)."""
    if level.entry == 4 and level.span > PAGE:
        return (entry & 0xFFC00000) | (entry >> 13 & 0xFF) << 32
    return entry & ADDRESS & ~(level.span - 1)


def canonical(address, sign):
    """With the highest bit in all bits above it."""
    return address | -(1 << sign) & (1 << 64) - 1 if sign and address >> sign & 1 else address
