"""An X server without a monitor. Bochs draws on it: of its screens the one that gives the graphics card modes of 32 bits a pixel."""

import os
import select
import shutil
import subprocess

from .command import LabError
from .machine import DIE_WITH_US

PROGRAM = "Xvfb"
START_SECONDS = 30
LEFT, ABOVE, BELOW = 4, 36, 22  # what Bochs draws around its guest's screen, in pixels
WIDTH, HEIGHT = 1024, 768  # of that screen at most


class Server:
    """A started X server, to be used in a `with` block: `display` is its name."""

    def __init__(self, directory):
        if not shutil.which(PROGRAM):
            raise LabError(f"{PROGRAM} is not installed: run tools/setup")
        self.directory = directory
        number, number_write = os.pipe()  # it takes a free display number and writes it there
        with open(directory / "xvfb.log", "wb") as log:
            self.process = subprocess.Popen(
                [*DIE_WITH_US, PROGRAM, "-displayfd", str(number_write), "-nolisten", "tcp", "-fbdir", directory,
                 "-screen", "0", f"{LEFT + WIDTH + LEFT}x{ABOVE + HEIGHT + BELOW}x24"], stdout=log, stderr=log, pass_fds=[number_write])
        os.close(number_write)
        with open(number, encoding="ascii") as line:
            ready = select.select([line], [], [], START_SECONDS)[0]
            said = line.readline().strip() if ready else ""
        if not said:
            self.stop()
            raise LabError(f"{PROGRAM} did not start: see {directory / 'xvfb.log'}")
        self.display = f":{said}"

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.stop()

    def picture(self):
        """A copy of what is on its screen (XWD)."""
        return shutil.copy(self.directory / "Xvfb_screen0", self.directory / "screen.xwd")

    def stop(self):
        """End our own child."""
        self.process.terminate()
        self.process.wait()
