"""A file tree that is a system's root for one command: its own /etc and /boot, this machine's programs."""

import os
import shutil
import subprocess
from pathlib import Path

from lab.paths import ROOT

HERE = Path(__file__).resolve().parent
LINKS = ("bin", "sbin", "lib", "lib64")  # into /usr, as on every Debian since 12

# In a mount namespace of its own, so that nothing of it is left, however it ends.
ENTER = """
set -e
cd "$1"
shift
mount --rbind /usr usr
mount --rbind /proc proc
mount -t tmpfs tmpfs dev
for node in null zero urandom; do
  : >dev/$node
  mount --bind /dev/$node dev/$node
done
for node in $NODES; do
  mkdir -p "$(dirname "dev/$node")"
  : >"dev/$node"
done
mount --bind grub-probe usr/sbin/grub-probe
exec chroot . "$@"
"""


def make(tree):
    """An empty system root with GRUB's folders and its stock generators."""
    for name in ("usr", "proc", "dev", "tmp", "boot/grub", "etc/grub.d", "etc/default/grub.d"):
        (tree / name).mkdir(parents=True)
    for name in LINKS:
        (tree / name).symlink_to(f"usr/{name}")
    for name in ("00_header", "10_linux"):
        shutil.copy(Path("/etc/grub.d") / name, tree / "etc/grub.d" / name)
    shutil.copy(HERE / "grub-probe", tree / "grub-probe")
    return tree


def unshare(*words, **environment):
    """Run a command as root in a mount namespace of its own; who isn't root becomes it in a user namespace."""
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    return subprocess.run(["unshare", *user, "--mount", *map(str, words)], capture_output=True, text=True, check=False,
                          env={**os.environ, **environment})


def run(tree, *words, **environment):
    """Run a command with the tree as its root. NODES: what there shall be in its /dev, by name only."""
    return unshare("sh", "-c", ENTER, "sh", tree, *words, **environment)


def make_target(target, *variables):
    """Run a target of the top-level Makefile."""
    return subprocess.run(["make", "-s", "--no-print-directory", "-C", ROOT, target, *variables], capture_output=True, text=True,
                          check=False)
