"""Where things are: the source tree and the build directory, which holds everything the lab makes."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
PLINTH = BUILD / "plinth.elf"
