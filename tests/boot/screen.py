"""Reads a picture of the machine's screen back as text, by the font that Plinth draws it with (arch/x86/font.c)."""

import re
import struct
import zlib

from lab import xvfb
from lab.paths import ROOT

CELL_WIDTH, CELL_HEIGHT, MARGIN, DOT_HEIGHT = 8, 16, 1, 2  # arch/x86/framebuffer.c, on screens below 2560 pixels
COLUMNS_MAX = 160
GLYPH = re.compile(r"GLYPH\('(\\?.)',((?:\s*[01]{5},?){8})\)")


def font():
    """{eight rows of dots: character}."""
    source = (ROOT / "arch/x86/font.c").read_text()
    return {tuple(int(row, 2) for row in rows.replace(",", " ").split()): name[-1] for name, rows in GLYPH.findall(source)}


def read_ppm(path):
    """(width, height, bytes of red, green and blue) of a binary PPM."""
    data = path.read_bytes()
    magic, width, height, _depth = re.match(rb"(P6)\s+(\d+)\s+(\d+)\s+(\d+)\s", data).groups()
    assert magic == b"P6"
    width, height = int(width), int(height)
    return width, height, data[len(data) - 3 * width * height:]


def read_png(path):
    """The same of a PNG of 8 bits a colour, as QEMU writes it (PNG specification, 5 and 9)."""
    data = path.read_bytes()
    packed, at = b"", 8
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack_from(">IIBB", data, at + 8)
            assert (depth, colour) == (8, 2), f"{path} has other pixels than red, green and blue of 8 bits"
        if kind == b"IDAT":
            packed += data[at + 8:at + 8 + length]
        at += 12 + length
    lines, size, pixels, above = zlib.decompress(packed), 1 + 3 * width, [], bytes(3 * width)
    for begin in range(0, height * size, size):
        above = unfilter(lines[begin], lines[begin + 1:begin + size], above)
        pixels.append(above)
    return width, height, b"".join(pixels)


def unfilter(kind, line, above):
    """A line's bytes from what is left of them when a guess by the bytes around is taken away."""
    out = bytearray(line)
    if kind == 0:
        return bytes(out)
    for i, byte in enumerate(line):
        left, corner = (out[i - 3], above[i - 3]) if i >= 3 else (0, 0)
        nearest = min((left, above[i], corner), key=lambda guess: abs(left + above[i] - corner - guess))
        out[i] = byte + (left, above[i], (left + above[i]) // 2, nearest)[kind - 1] & 0xFF
    return bytes(out)


def read_xwd(path):
    """The same of Bochs' screen on an X server, which keeps a picture of 32 bits a pixel, blue first (X11/XWDFile.h)."""
    data = path.read_bytes()
    header, version, kind, _, _, _, _, big_endian, _, _, _, bits, line = struct.unpack_from(">13I", data)
    colours, = struct.unpack_from(">I", data, 4 * 19)  # of a map that comes first
    assert (version, kind, big_endian, bits) == (7, 2, 0, 32), f"{path} has other pixels"
    begin = header + 12 * colours + xvfb.ABOVE * line + 4 * xvfb.LEFT
    rows = [data[at:at + 4 * xvfb.WIDTH] for at in range(begin, begin + xvfb.HEIGHT * line, line)]
    pixels = bytearray(3 * xvfb.WIDTH * xvfb.HEIGHT)
    for colour in range(3):
        pixels[colour::3] = b"".join(row[2 - colour::4] for row in rows)
    return xvfb.WIDTH, xvfb.HEIGHT, bytes(pixels)


READERS = {".png": read_png, ".ppm": read_ppm}


def cell(pixels, width, left, top):
    """The dots of the character at these pixels; None where there is something else than dots."""
    rows = []
    for y in range(top, top + CELL_HEIGHT, DOT_HEIGHT):
        at = 3 * (y * width + left)
        line, below = pixels[at:at + 3 * CELL_WIDTH], pixels[at + 3 * width:at + 3 * width + 3 * CELL_WIDTH]
        lit = [any(line[3 * x:3 * x + 3]) for x in range(CELL_WIDTH)]
        if line != below or lit[0] or lit[6] or lit[7]:
            return None
        rows.append(sum(lit[MARGIN + x] << (4 - x) for x in range(5)))
    return tuple(rows)


TEXT_MEMORY, TEXT_COLUMNS, TEXT_ROWS = 0xB8000, 80, 25  # EGA text: a character and its colours for each cell


def text_mode(memory):
    """The lines of a screen in text mode, from what its memory holds."""
    characters = memory[0:2 * TEXT_COLUMNS * TEXT_ROWS:2].decode("cp437")
    rows = (characters[at:at + TEXT_COLUMNS] for at in range(0, len(characters), TEXT_COLUMNS))
    return "".join(row if not row.endswith(" ") else row.rstrip() + "\n" for row in rows)


def read(path):
    """The screen's lines; a character that the font lacks is shown as U+FFFD. A line that was wrapped is put together again."""
    width, height, pixels = READERS.get(path.suffix, read_xwd)(path)
    glyphs = font()
    columns = min(width // CELL_WIDTH, COLUMNS_MAX)
    text = ""
    for top in range(0, height - CELL_HEIGHT + 1, CELL_HEIGHT):
        line = "".join(glyphs.get(cell(pixels, width, column * CELL_WIDTH, top), "\ufffd") for column in range(columns))
        text += line if not line.endswith(" ") else line.rstrip() + "\n"
    return text
