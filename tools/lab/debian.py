"""Debian packages as raw material: downloaded and unpacked under build/, never installed."""

import os
import shutil
import tempfile
from pathlib import Path

from .command import run


def unpack(package, directory):
    """Unpack a package into a directory, downloading it on first use; the directory appears only when it is complete."""
    if directory.exists():
        return directory
    print(f"lab: downloading {package} (kept in {directory})", flush=True)
    directory.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=directory.parent))
    try:
        scratch.chmod(0o777)  # apt downloads as a user of its own
        run("apt-get", "download", package, cwd=scratch)
        run("dpkg-deb", "-x", next(scratch.glob("*.deb")), scratch / "unpacked")
        os.replace(scratch / "unpacked", directory)
    finally:
        shutil.rmtree(scratch)
    return directory
