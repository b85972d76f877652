"""Reads a picture of the machine's screen back as text, by the font that Plinth draws it with (arch/x86/font.c)."""

import re

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


def read(path):
    """The screen's lines; a character that the font lacks is shown as U+FFFD. A line that was wrapped is put together again."""
    width, height, pixels = read_ppm(path)
    glyphs = font()
    columns = min(width // CELL_WIDTH, COLUMNS_MAX)
    text = ""
    for top in range(0, height - CELL_HEIGHT + 1, CELL_HEIGHT):
        line = "".join(glyphs.get(cell(pixels, width, column * CELL_WIDTH, top), "\ufffd") for column in range(columns))
        text += line if not line.endswith(" ") else line.rstrip() + "\n"
    return text
