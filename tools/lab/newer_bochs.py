"""The Bochs of the next Debian release, whose wait-for-SIPI state works: unpacked under build/, never installed.

It is started by the C library that it was built with, so that it needs nothing of the running system.
"""

import os
import shutil
import tempfile
from pathlib import Path

from . import debian
from .command import run
from .paths import BUILD

SUITE = "trixie"
PACKAGES = ("bochs", "bochs-term", "bochsbios")
TARGET = BUILD / "debian/newer-bochs"
WRAPPER = """\
#!/bin/sh
libraries={libraries}
export LTDL_LIBRARY_PATH="$libraries/bochs/plugins" BXSHARE={share}
exec "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" {program} "$@"
"""


def fetch():
    """Its program, downloaded on first use."""
    if not TARGET.exists():
        print(f"lab: downloading Bochs and its libraries from Debian's {SUITE} (kept in {TARGET})", flush=True)
        TARGET.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=TARGET.parent))
        try:
            unpack(scratch)
            os.replace(scratch / "root", TARGET)
        finally:
            shutil.rmtree(scratch)
    program = TARGET / "bochs"
    program.write_text(WRAPPER.format(libraries=TARGET / "usr/lib/x86_64-linux-gnu", share=bios().parent, program=TARGET / "usr/bin/bochs-bin"))
    program.chmod(0o755)
    return program


def bios():
    """The firmware that belongs to it."""
    return TARGET / "usr/share/bochs/BIOS-bochs-latest"


def config():
    """The fields of lab.machine.Config that make a machine one of this emulator."""
    return {"program": fetch(), "bios": bios()}


def unpack(scratch):
    """The packages and all that they depend on, by an apt that knows only that suite and nothing installed."""
    scratch.chmod(0o777)  # apt downloads as a user of its own
    for needed in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/trusted.gpg.d", "var/lib/apt/lists/partial", "var/cache/apt/archives/partial",
                   "var/lib/dpkg"):
        (scratch / needed).mkdir(parents=True)
    (scratch / "etc/apt/sources.list").write_text(f"{debian.source(SUITE)}\n")
    (scratch / "var/lib/dpkg/status").touch()
    apt = ("apt-get", "-qq", "-o", f"Dir={scratch}", "-o", f"Dir::State::status={scratch}/var/lib/dpkg/status", "-o", "APT::Sandbox::User=root")
    run(*apt, "update")
    run(*apt, "install", "--download-only", "--no-install-recommends", "-y", *PACKAGES)
    for package in sorted((scratch / "var/cache/apt/archives").glob("*.deb")):
        run("dpkg-deb", "-x", package, scratch / "root")
