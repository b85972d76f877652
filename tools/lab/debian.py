"""Debian packages as raw material: downloaded and unpacked under build/, never installed."""

import os
import re
import shutil
import tempfile
from pathlib import Path

from .command import LabError, run

from .paths import BUILD

SUITE = "bookworm"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def foreign(architecture):
    """Options by which apt's programs work for another architecture, with lists of their own under build/: the system's apt stays as
    it is. The lists are downloaded on first use, of the release only: where a mirror has just one architecture's updates, the others'
    don't fit its index."""
    if not architecture:
        return []
    directory = BUILD / f"apt-{architecture}"
    options = [word for option in (f"APT::Architecture={architecture}", f"APT::Architectures={architecture}", "Acquire::Languages=none",
                                   f"Dir::State::Lists={directory}/lists", f"Dir::Cache={directory}/cache",
                                   f"Dir::Etc::SourceList={directory}/sources.list", "Dir::Etc::SourceParts=/dev/null")
               for word in ("-o", option)]
    if not directory.exists():
        (directory / "lists/partial").mkdir(parents=True)
        (directory / "cache").mkdir()
        (directory / "sources.list").write_text(f"{source(SUITE)}\n")
        try:
            run("apt-get", *options, "-q", "update")
        except LabError:
            shutil.rmtree(directory)  # or the next use would take it for complete
            raise
    return options


def unpack(package, directory, architecture=None):
    """Unpack a package into a directory, downloading it on first use; the directory appears only when it is complete."""
    if directory.exists():
        return directory
    print(f"lab: downloading {package} (kept in {directory})", flush=True)
    directory.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=directory.parent))
    try:
        scratch.chmod(0o777)  # apt downloads as a user of its own
        run("apt-get", *foreign(architecture), "download", package, cwd=scratch)
        run("dpkg-deb", "-x", next(scratch.glob("*.deb")), scratch / "unpacked")
        os.replace(scratch / "unpacked", directory)
    finally:
        shutil.rmtree(scratch)
    return directory


def source(suite):
    """A suite's line for apt's list of sources."""
    return f"deb [signed-by={KEYRING}] {mirror()} {suite} main"


def mirror():
    """Where this machine's apt gets Debian from: for its other suites too."""
    targets = run("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)", "Created-By: Packages")
    found = re.search(rf"^(\S+) {SUITE} main$", targets, re.MULTILINE)
    if not found:
        raise LabError(f"apt knows no {SUITE} main: is this Debian 12?")
    return found[1]
